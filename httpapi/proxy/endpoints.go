package proxy

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// state is what is thought of an endpoint.
type state int

const (
	good    state = iota
	doubted       // a connection to it broke, or it is silent: asked after the good ones
	failed        // it cannot be connected to: not asked for a while
)

// endpoint is a client URL of a member. The fields below the URL are guarded
// by the lock of endpoints.
type endpoint struct {
	scheme, host string

	state    state
	until    time.Time // failed: not asked before then
	answered time.Time // when it last answered a probe
	probed   time.Time // when the last probe began
	probing  bool
}

func (e *endpoint) url() string { return e.scheme + "://" + e.host }

// endpoints is the ordered list of those that requests may go to. Its methods
// may be called from any goroutine.
type endpoints struct {
	wait    time.Duration
	logger  *slog.Logger
	shuffle func(int, func(i, j int)) // replaced in tests before use
	doubts  chan struct{}             // holds one: an endpoint should be probed now

	mu struct {
		sync.Mutex
		all []*endpoint
	}
}

func newEndpoints(wait time.Duration, logger *slog.Logger) *endpoints {
	return &endpoints{wait: wait, logger: logger, shuffle: rand.Shuffle, doubts: make(chan struct{}, 1)}
}

// replace makes urls the endpoints and reports whether that changed the set.
// The order is by chance, so that many proxies spread over the members, and
// stays until the set changes. What is known of an endpoint stays, too.
func (s *endpoints) replace(urls []string) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]*endpoint{}
	for _, e := range s.mu.all {
		known[e.url()] = e
	}
	var next []*endpoint
	for _, u := range urls {
		e := known[u]
		if e == nil {
			changed = true
			scheme, host, _ := strings.Cut(u, "://")
			e = &endpoint{scheme: scheme, host: host}
		}
		next = append(next, e)
	}
	if !changed && len(next) == len(known) {
		return false
	}
	s.shuffle(len(next), func(i, j int) { next[i], next[j] = next[j], next[i] })
	s.mu.all = next
	return true
}

// usable are the endpoints that a request may go to now, in the order to ask
// them: first those nothing is held against.
func (s *endpoints) usable() []*endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	first := make([]*endpoint, 0, len(s.mu.all))
	var last []*endpoint
	for _, e := range s.mu.all {
		switch {
		case e.state == good:
			first = append(first, e)
		case e.state == doubted, !now.Before(e.until):
			last = append(last, e)
		}
	}
	return append(first, last...)
}

// anyGood reports whether there is an endpoint that nothing is held against.
func (s *endpoints) anyGood() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.mu.all, func(e *endpoint) bool { return e.state == good })
}

// broke tells that a request, begun at the given time, came to grief at e.
// It may be the request's fault: a probe is to find out.
func (s *endpoints) broke(e *endpoint, began time.Time, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.state != good || began.Before(e.answered) {
		return // older news than what the last probe brought
	}
	s.doubt(e, why)
	select {
	case s.doubts <- struct{}{}:
	default: // the prober has been told already
	}
}

// unreachable tells that e cannot be connected to.
func (s *endpoints) unreachable(e *endpoint, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(e, why)
}

// doubt puts e behind the good ones. s.mu must be held.
func (s *endpoints) doubt(e *endpoint, why error) {
	e.state = doubted
	s.logger.Warn("endpoint "+e.url()+" is asked last until it answers a probe", "error", why)
}

// fail takes e out for a while. s.mu must be held.
func (s *endpoints) fail(e *endpoint, why error) {
	if e.state != failed {
		s.logger.Warn("marked endpoint "+e.url()+" unavailable", "error", why)
	}
	e.state = failed
	e.until = time.Now().Add(s.wait)
}

// due are the endpoints to be probed now: those something is held against,
// and now and then the others. Each is marked until learn is called for it.
func (s *endpoints) due() []*endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var due []*endpoint
	for _, e := range s.mu.all {
		if e.probing || e.state == good && now.Sub(e.probed) < s.wait {
			continue
		}
		e.probing, e.probed = true, now
		due = append(due, e)
	}
	return due
}

// learn takes in how the probe of e went. An endpoint in its failure wait is
// not made to wait anew.
func (s *endpoints) learn(e *endpoint, connected bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.probing = false
	switch {
	case err == nil:
		if e.state != good {
			s.logger.Info("marked endpoint " + e.url() + " available")
		}
		e.state, e.answered = good, time.Now()
	case e.state == failed:
	case !connected:
		s.fail(e, err)
	case e.state == good:
		s.doubt(e, err)
	}
}

// urls are the URLs of list.
func urls(list []*endpoint) []string {
	all := make([]string, 0, len(list))
	for _, e := range list {
		all = append(all, e.url())
	}
	return all
}
