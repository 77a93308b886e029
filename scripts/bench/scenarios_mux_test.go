package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// streaming answers each watch with so many events, and then waits.
func streaming(t *testing.T, events int) *server {
	t.Helper()
	ts := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		for range events {
			_, _ = io.WriteString(w, "{}\n") // a broken connection shows in the test
		}
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	ts.Config.Protocols = new(http.Protocols)
	ts.Config.Protocols.SetUnencryptedHTTP2(true)
	ts.Start()
	t.Cleanup(ts.Close)
	return &server{addr: ts.Listener.Addr().(*net.TCPAddr)}
}

func TestWatchersByHTTP2ShareConnections(t *testing.T) {
	const watchers, events = 20, 3
	m := newMux()
	m.target.Store(watchers * events)
	if err := m.open(t.Context(), streaming(t, events), watchers); err != nil {
		t.Fatal(err)
	}
	for _, body := range m.bodies {
		defer body.Close()
		go m.listen(body) // ends with its body
	}
	<-m.reached
	if got := m.events.Load(); got != watchers*events {
		t.Errorf("%d events, want %d", got, watchers*events)
	}
	// Go's client may dial a second time while the first connection is not
	// known to be of use.
	if got := m.connections.Load(); got > 2 {
		t.Errorf("%d watchers on %d connections, want them on one, or two", watchers, got)
	}
}

func TestWatchersByHTTP2AreNotCountedWhereThereIsNone(t *testing.T) {
	ts := httptest.NewServer(http.NotFoundHandler())
	defer ts.Close()
	if err := newMux().open(t.Context(), &server{addr: ts.Listener.Addr().(*net.TCPAddr)}, 1); err == nil {
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
