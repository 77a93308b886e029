package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnOutageIsTheLongestTimeWithoutASuccess(t *testing.T) {
	from := time.Now()
	at := func(ms ...int) (times []time.Time) {
		for _, n := range ms {
			times = append(times, from.Add(time.Duration(n)*time.Millisecond))
		}
		return times
	}
	for _, test := range []struct {
		about     string
		successes []time.Time
		want      time.Duration
	}{
		{"counts from the end of the leader", at(-5, 300, 305), 300 * time.Millisecond},
		{"goes on from a write that was under way", at(2, 300, 305), 298 * time.Millisecond},
		{"may begin later", at(5, 10, 15, 400, 405), 385 * time.Millisecond},
		{"does not depend on the order of successes", at(405, 300, -700, 305), 300 * time.Millisecond},
		{"is the longest of two", at(100, 105, 355, 360), 250 * time.Millisecond},
	} {
		if got := outage(from, test.successes); got != test.want {
			t.Errorf("an outage %s: %v, want %v", test.about, got, test.want)
		}
	}
}

// stuck never answers the first writes.
type stuck struct{ first atomic.Int64 }

func (s *stuck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the client has gone
	if s.first.Add(-1) >= 0 {
		<-r.Context().Done()
		return
	}
	w.WriteHeader(http.StatusCreated)
}

func TestWritesThatHangDoNotHideThoseThatSucceed(t *testing.T) {
	h := &stuck{}
	h.first.Store(3)
	ts := httptest.NewServer(h)
	defer ts.Close()
	w := &writer{to: &server{addr: ts.Listener.Addr().(*net.TCPAddr)}, dir: "/x", client: &http.Client{}}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	ended := make(chan struct{})
	go func() { // ends with ctx
		w.run(ctx)
		close(ended)
	}()
	err := awaitWrites(ctx, []*writer{w}, time.Now())
	stop()
	<-ended
	if err != nil {
		t.Fatalf("no success beside three writes that hang: %v", err)
	}
	seen := make(map[string]bool)
	for _, k := range w.kept {
		if seen[k.key] {
			t.Errorf("%s was written twice", k.key)
		}
		seen[k.key] = true
	}
}

func TestAWriteThatIsNotInTheTreeIsLost(t *testing.T) {
	root := node{Key: "/outage", Dir: true, Nodes: []node{
		{Key: "/outage/0", Dir: true, Nodes: []node{{Key: "/outage/0/000001"}, {Key: "/outage/0/000002"}}},
		{Key: "/outage/1", Dir: true},
	}}
	kept := []acknowledged{{key: "/outage/0/000001"}, {key: "/outage/0/000003"}, {key: "/outage/1"}}
	if got := root.without(kept); got != 2 {
		t.Errorf("%d writes lost, want 2: the third, and the one that has become a directory", got)
	}
}
