package proxy

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// How many watches may be shared at a time. Others pass through one by one.
	maxShared = 1024

	// What all shared watches together may remember.
	maxRemembered = 64 << 20

	// How long a shared watch that nobody follows is kept: who polls is gone
	// between two polls.
	lingering = 10 * time.Second
)

// fanout has clients that watch the same share one watch of a member. Its
// methods may be called from any goroutine.
//
// An event travels to the proxy once, and from there to each client, as it
// is. What a client asks for that happened before the shared watch began is
// not the fanout's to answer, and passes through.
//
// Only Keytree's streams deliver everything from an index on, so the members
// must be Keytree; and who may watch what is known by the members alone, so
// nothing is shared while auth is on.
type fanout struct {
	*Proxy
	mu struct {
		sync.Mutex
		ctx     context.Context // of all shared watches; nil: Run does not run
		watches map[sharedKey]*shared
	}
	running sync.WaitGroup // shared watches that run, and what looks after them
}

// sharedKey is what two clients must have in common to share a watch.
type sharedKey struct {
	host      string
	path      string // as it was sent
	recursive bool
}

// wanted is a watch that a client wants and that can be shared.
type wanted struct {
	sharedKey
	since  uint64 // 0: from now on
	stream bool
}

// sharable tells whether r is a watch in its plain form, and which. Whatever
// is out of the ordinary is the members' to answer.
func sharable(r *http.Request) (w wanted, ok bool) {
	if r.Method != http.MethodGet || r.ContentLength != 0 || !r.ProtoAtLeast(1, 1) || !isKey(r.URL.Path) {
		return w, false
	}
	for _, telling := range []string{"Authorization", "Origin", "Sec-Fetch-Site", "Upgrade", "Range"} {
		if _, given := r.Header[telling]; given {
			return w, false
		}
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return w, false
	}
	w.host, w.path = r.Host, r.URL.EscapedPath()
	wait := false
	for name, values := range query {
		if len(values) > 1 {
			return w, false
		}
		var err error
		no := false
		switch name {
		case "wait":
			wait, err = strconv.ParseBool(values[0])
		case "recursive":
			w.recursive, err = strconv.ParseBool(values[0])
		case "stream":
			w.stream, err = strconv.ParseBool(values[0])
		case "sorted":
			_, err = strconv.ParseBool(values[0])
		case "quorum":
			no, err = strconv.ParseBool(values[0])
		case "waitIndex":
			w.since, err = strconv.ParseUint(values[0], 10, 64)
		default:
			no = true
		}
		if err != nil || no {
			return w, false
		}
	}
	return w, wait
}

// begin has watches shared from now on, until ctx is done. end must be called
// then.
func (f *fanout) begin(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.ctx, f.mu.watches = ctx, map[sharedKey]*shared{}
	f.running.Go(func() { f.guardUntilDone(ctx) })
	return func() {
		f.mu.Lock()
		f.mu.ctx = nil
		f.mu.Unlock()
		cancel()
		f.running.Wait()
	}
}

// guardUntilDone ends the sharing when the members begin to tell their users
// apart: what one may see is then no longer what all may.
func (f *fanout) guardUntilDone(ctx context.Context) {
	next := time.NewTicker(time.Second)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		if all := f.all(); len(all) > 0 && !f.open(ctx) {
			for _, s := range all {
				f.drop(s)
				s.end()
			}
		}
	}
}

// open tells whether auth is off. Without an answer it is as it was.
func (f *fanout) open(ctx context.Context) bool {
	for _, e := range f.endpoints.usable() {
		if open, err := f.isOpen(ctx, e); err == nil {
			return open
		}
	}
	return true
}

func (f *fanout) all() (list []*shared) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.mu.watches {
		list = append(list, s)
	}
	return list
}

// join makes the caller a client of the shared watch it wants, which is
// opened if it is not there. leave must be called in the end.
func (f *fanout) join(w wanted) (s *shared, leave func(), ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.ctx == nil {
		return nil, nil, false
	}
	s = f.mu.watches[w.sharedKey]
	if s == nil {
		if len(f.mu.watches) >= maxShared {
			return nil, nil, false
		}
		w.host, w.path = strings.Clone(w.host), strings.Clone(w.path) // the request's are gone with it
		s = f.newShared(w)
		f.mu.watches[w.sharedKey] = s
		ctx, cancel := context.WithCancel(f.mu.ctx)
		s.cancel = cancel
		f.running.Go(func() {
			defer cancel()
			s.run(ctx)
		})
	}
	s.clients++
	s.idle.Stop()
	return s, func() { f.leave(s) }, true
}

// leave lets go of s. When nobody comes in time, it is dropped.
func (f *fanout) leave(s *shared) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.clients--; s.clients == 0 {
		s.idle.Reset(lingering)
	}
}

// retire drops s unless somebody has come.
func (f *fanout) retire(s *shared) {
	f.mu.Lock()
	idle := s.clients == 0
	f.mu.Unlock()
	if idle {
		f.drop(s)
	}
}

// drop has s end; nobody joins it any more.
func (f *fanout) drop(s *shared) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.watches[s.key] == s {
		delete(f.mu.watches, s.key)
	}
	s.idle.Stop()
	s.cancel()
}

// share is how much one shared watch may remember.
func (f *fanout) share() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maxRemembered / max(64, len(f.mu.watches))
}

// numbers are how many shared watches there are, and how many clients they
// have.
func (f *fanout) numbers() (watches, clients int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.mu.watches {
		clients += s.clients
	}
	return len(f.mu.watches), clients
}

// serve answers r if it can be shared, and reports whether it did. It is
// called with the context of a watch.
func (f *fanout) serve(w *patientWriter, r *http.Request) bool {
	want, ok := sharable(r)
	if !ok {
		return false
	}
	s, leave, ok := f.join(want)
	if !ok {
		return false
	}
	defer leave()
	select {
	case <-s.opened:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler) // nobody left to answer
	}
	c, ok := s.follow(want)
	if !ok {
		return false
	}
	defer s.forget(c)
	f.counters.began(r.Method)
	f.counters.handled(r, http.StatusOK, 0)
	c.answer(w, r)
	return true
}
