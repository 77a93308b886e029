package main

import (
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// streamer answers each watch with so many events, and then waits. It knows
// how many watches each connection has brought.
type streamer struct {
	*server
	mu  sync.Mutex
	had map[string]int // by the client's address
}

func streaming(t *testing.T, events int, limits *http.HTTP2Config) *streamer {
	t.Helper()
	s := &streamer{had: map[string]int{}}
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.had[r.RemoteAddr]++
		s.mu.Unlock()
		w.WriteHeader(http.StatusOK)
		for range events {
			_, _ = io.WriteString(w, "{}\n") // a broken connection shows in the test
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	ts.Config.HTTP2 = limits
	ts.Config.Protocols = new(http.Protocols)
	ts.Config.Protocols.SetUnencryptedHTTP2(true)
	ts.Start()
	t.Cleanup(ts.Close)
	s.server = &server{addr: ts.Listener.Addr().(*net.TCPAddr)}
	return s
}

// carried is how many watches the connections have, the fullest first.
func (s *streamer) carried() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	carried := slices.Sorted(maps.Values(s.had))
	slices.Reverse(carried)
	return carried
}

// mustWatch opens so many watches, and closes them with the test.
func mustWatch(t *testing.T, s *server, watchers int) *mux {
	t.Helper()
	m := newMux()
	t.Cleanup(func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	})
	if err := m.open(t.Context(), s, watchers); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestWatchersByHTTP2ShareAConnection(t *testing.T) {
	const watchers, events = 20, 3
	s := streaming(t, events, nil)
	m := mustWatch(t, s.server, watchers)
	m.target.Store(watchers * events)
	for _, body := range m.bodies {
		go m.listen(body) // ends with its body
	}
	<-m.reached
	if got := m.events.Load(); got != watchers*events {
		t.Errorf("%d events, want %d", got, watchers*events)
	}
	if got := s.carried(); !slices.Equal(got, []int{watchers}) {
		t.Errorf("connections carry %v watches, want all %d on one", got, watchers)
	}
	if got := len(m.connections); got != 1 {
		t.Errorf("%d connections are counted, want 1", got)
	}
}

func TestWatchersByHTTP2TakeAnotherConnectionWhenOneIsFull(t *testing.T) {
	s := streaming(t, 0, &http.HTTP2Config{MaxConcurrentStreams: 8})
	m := mustWatch(t, s.server, 20)
	if got, want := s.carried(), []int{8, 8, 4}; !slices.Equal(got, want) {
		t.Errorf("connections carry %v watches, want %v", got, want)
	}
	if got := len(m.connections); got != 3 {
		t.Errorf("%d connections are counted, want 3", got)
	}
}

func TestWatchersByHTTP2AreNotCountedWhereThereIsNone(t *testing.T) {
	ts := httptest.NewServer(http.NotFoundHandler())
	defer ts.Close()
	m := newMux()
	defer m.close()
	if err := m.open(t.Context(), &server{addr: ts.Listener.Addr().(*net.TCPAddr)}, 1); err == nil {
		t.Error("a server of HTTP/1.1 alone has answered a watch")
	}
}

func TestEachPollWaitsForTheNextIndex(t *testing.T) {
	p := &polls{wait: newRequest("GET", "h", "/x?wait=true&waitIndex="+indexPlace, 0), due: 41}
	asked := func() string { return string(p.next()[:len("GET /v2/keys/x?wait=true&waitIndex=")+20]) }
	if got, want := asked(), "GET /v2/keys/x?wait=true&waitIndex=00000000000000000041"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
	if err := p.answered(&parser{status: 200}); err == nil {
		t.Error("an empty answer counts as an event")
	}
	if err := p.answered(&parser{status: 200, body: 10}); err != nil {
		t.Fatal(err)
	}
	if got, want := asked(), "GET /v2/keys/x?wait=true&waitIndex=00000000000000000042"; got != want {
		t.Errorf("asked %q, want %q", got, want)
	}
}
