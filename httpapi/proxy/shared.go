package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// How long a member may take to begin its answer to a shared watch.
	openPatience = 3 * time.Second

	// How long a shared watch that was cut looks for a member to go on with.
	resumePatience = 5 * time.Second
	resumePause    = 100 * time.Millisecond

	// The longest event there can be: a value and the one before it, each
	// character written as six.
	maxEvent = 128 << 20
)

const headerIndex = "X-Etcd-Index"

// shared is one watch of a member on behalf of many clients: a stream, and
// what it brought last. Its run is the only one that changes what it brought.
type shared struct {
	*fanout
	key    sharedKey
	since  uint64        // what its first client wants; 0: from now on
	opened chan struct{} // closed once there is an answer, or there will be none

	// Guarded by fanout.mu.
	clients int
	idle    *time.Timer
	cancel  context.CancelFunc

	mu     sync.Mutex
	header http.Header // of the member's answer; nil: there is none
	ring   []event     // the newest, oldest first
	size   int         // bytes in ring
	first  uint64      // all that was read and happened from this index on is in ring
	newest uint64      // the index that the cluster is known to have come to
	all    map[*follower]bool
	ended  bool

	reached uint64 // what came until this index was read; run's alone
}

// event is one line of a stream.
type event struct {
	index uint64
	line  []byte
}

func (f *fanout) newShared(w wanted) *shared {
	s := &shared{fanout: f, key: w.sharedKey, since: w.since, opened: make(chan struct{}), all: map[*follower]bool{}}
	s.idle = time.AfterFunc(time.Hour, func() { f.retire(s) })
	s.idle.Stop()
	return s
}

// run opens the watch and follows it, from one member to the next, until ctx
// is done or no member can go on with it. Nobody joins afterwards.
func (s *shared) run(ctx context.Context) {
	defer s.end()
	defer s.drop(s)
	answer, err := s.begin(ctx, s.since)
	if err == nil {
		err = s.adopt(answer)
	}
	if err != nil {
		s.drop(s) // before its clients go on without it
	}
	close(s.opened)
	past := uint64(0)
	for err == nil {
		s.read(answer.Body, past)
		_ = answer.Body.Close() // nothing was written
		if answer, err = s.resume(ctx); err == nil {
			past = indexOf(answer)
			s.advance(past)
		}
	}
}

// adopt makes the first answer what clients see. A watch of what is yet to
// come does not show what comes before, and so is not for all.
func (s *shared) adopt(answer *http.Response) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := indexOf(answer)
	s.reached = now
	if s.since > 0 {
		s.reached = s.since - 1
	}
	if now == 0 || s.reached > now {
		_ = answer.Body.Close() // nothing was written
		return errUnshared
	}
	s.newest, s.first = now, s.reached+1
	s.header = answer.Header.Clone()
	for _, name := range []string{"Date", "Connection", "Transfer-Encoding", "Content-Length"} {
		s.header.Del(name)
	}
	return nil
}

// advance notes that a member has come to index. What happened until then may
// have yet to be read.
func (s *shared) advance(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = max(s.newest, index)
}

func indexOf(answer *http.Response) uint64 {
	index, err := strconv.ParseUint(answer.Header.Get(headerIndex), 10, 64)
	if err != nil {
		return 0
	}
	return index
}

// resume goes on with another answer, perhaps of another member, where the
// last one ended.
func (s *shared) resume(ctx context.Context) (*http.Response, error) {
	for end := time.Now().Add(resumePatience); ; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(resumePause):
		}
		answer, err := s.begin(ctx, s.reached+1)
		if err == nil || errors.Is(err, errUnshared) || time.Now().After(end) {
			return answer, err
		}
	}
}

// errUnshared: members do not let this watch be shared.
var errUnshared = errors.New("httpproxy: the watch cannot be shared")

// begin asks the members, one after another, for a stream from since on. A
// refusal is errUnshared: clients are to hear it from the members.
func (s *shared) begin(ctx context.Context, since uint64) (*http.Response, error) {
	err := errNoEndpoint
	for _, e := range s.endpoints.usable() {
		began := time.Now()
		var answer *http.Response
		if answer, err = s.beginAt(ctx, e, since); err == nil || errors.Is(err, errUnshared) || ctx.Err() != nil {
			return answer, err
		}
		failover{s.Proxy}.blame(e, began, err)
	}
	return nil, err
}

func (s *shared) beginAt(ctx context.Context, e *endpoint, since uint64) (*http.Response, error) {
	open, err := s.isOpen(ctx, e)
	var version struct{ Keytree *string }
	if err == nil {
		err = s.fetch(ctx, e, "/version", &version)
	}
	if err != nil {
		return nil, err
	}
	if !open || version.Keytree == nil {
		return nil, errUnshared
	}
	query := url.Values{"wait": {"true"}, "stream": {"true"}}
	if s.key.recursive {
		query.Set("recursive", "true")
	}
	if since > 0 {
		query.Set("waitIndex", strconv.FormatUint(since, 10))
	}
	answer, err := s.get(ctx, e, s.key.host, s.key.path+"?"+query.Encode())
	if err == nil && answer.StatusCode != http.StatusOK {
		_ = answer.Body.Close() // nothing was written
		return nil, errUnshared
	}
	return answer, err
}

// isOpen asks e whether auth is off.
func (f *fanout) isOpen(ctx context.Context, e *endpoint) (bool, error) {
	var auth struct{ Enabled *bool }
	err := f.fetch(ctx, e, "/v2/auth/enable", &auth)
	return auth.Enabled != nil && !*auth.Enabled, err
}

// fetch asks e for a small piece of JSON. Any answer will do: what is not in
// it is not set.
func (f *fanout) fetch(ctx context.Context, e *endpoint, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, openPatience)
	defer cancel()
	answer, err := f.get(ctx, e, "", path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, probeBody))
	if err != nil {
		return err
	}
	_ = json.Unmarshal(text, into) // as the comment says
	return nil
}

// get sends a GET to e, which is asked under the name of host if that is
// given. The answer must begin in time, and may go on for as long as ctx.
func (f *fanout) get(ctx context.Context, e *endpoint, host, target string) (*http.Response, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(openPatience, cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url()+target, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	r.Host = host
	r.Header.Set("User-Agent", "keytree-proxy/fanout")
	answer, err := f.transport.RoundTrip(r)
	if err != nil || !late.Stop() {
		cancel()
		if err == nil {
			_ = answer.Body.Close() // nothing was written
			err = context.DeadlineExceeded
		}
		return nil, err
	}
	answer.Body = cancelingBody{answer.Body, cancel}
	return answer, nil
}

// cancelingBody gives free what its request holds when it is closed.
type cancelingBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b cancelingBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}

// read takes in a stream to its end. An event that was cut while it was
// written is none. Until index past, events come from the history of a member
// that took over. It remembers more than it would have shown: hidden ones.
func (s *shared) read(stream io.Reader, past uint64) {
	lines := bufio.NewReader(stream)
	for {
		line, err := readLine(lines)
		if err != nil {
			return
		}
		var e struct {
			Node struct {
				Key           string
				ModifiedIndex uint64
			}
		}
		index := uint64(0)
		if json.Unmarshal(line, &e) == nil {
			index = e.Node.ModifiedIndex
		}
		switch {
		case index == 0:
			return // no event
		case index <= s.reached: // it was told before
		case index <= past && s.hides(e.Node.Key):
		default:
			s.take(event{index, line})
		}
		s.reached = max(s.reached, index)
	}
}

// readLine is the next line with its end, if it is no longer than an event
// can be.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		piece, err := r.ReadSlice('\n')
		line = append(line, piece...)
		if err == nil {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		if len(line) > maxEvent {
			return nil, errors.New("the event is too long")
		}
	}
}

// hides tells whether key is hidden from who watches above it.
func (s *shared) hides(key string) bool {
	path, err := url.PathUnescape(s.key.path)
	if err != nil {
		return false
	}
	beneath := strings.TrimPrefix(key, strings.TrimSuffix(strings.TrimPrefix(path, "/v2/keys"), "/"))
	return s.key.recursive && strings.Contains(beneath, "/_")
}

// take gives an event to those who wait for it, and remembers it.
func (s *shared) take(e event) {
	limit := s.share()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = max(s.newest, e.index)
	s.ring, s.size = append(s.ring, e), s.size+len(e.line)
	for len(s.ring) > 1 && s.size > limit {
		s.size -= len(s.ring[0].line)
		s.first = s.ring[0].index + 1
		s.ring[0] = event{}
		s.ring = s.ring[1:]
	}
	for c := range s.all {
		if !c.stream && e.index >= c.from {
			c.got = e.line
			delete(s.all, c)
		}
		c.signal()
	}
}

// end has all clients find out that nothing follows.
func (s *shared) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for c := range s.all {
		c.signal()
	}
}

// headers are those of an answer that begins now. s.mu must be held.
func (s *shared) headers() http.Header {
	h := maps.Clone(s.header)
	h[headerIndex] = []string{strconv.FormatUint(s.newest, 10)}
	return h
}
