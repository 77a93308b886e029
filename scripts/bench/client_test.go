package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// tree is as much of the v2 API as the client needs.
type tree struct {
	mu    sync.Mutex
	nodes map[string]string
	delay time.Duration // of the next request
}

func (s *tree) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	time.Sleep(s.delay)
	s.delay = 0
	switch {
	case r.Method == http.MethodPut:
		form, err := url.ParseQuery(string(body))
		if err != nil {
			panic(err)
		}
		s.nodes[r.URL.Path] = form.Get("value")
	case s.nodes[r.URL.Path] == "":
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "Key not found")
	}
}

func serve(t *testing.T, s *tree) *server {
	t.Helper()
	ts := httptest.NewServer(s)
	t.Cleanup(ts.Close)
	return &server{addr: ts.Listener.Addr().(*net.TCPAddr)}
}

func TestPreloadPutsEachKey(t *testing.T) {
	s := &tree{nodes: make(map[string]string)}
	b := &bench{conns: 3, loops: 2}
	out, err := b.preload(t.Context(), serve(t, s), dir, 2500, 64)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if out.answers != 2500 || out.latency.count != 2500 || len(s.nodes) != 2500 {
		t.Errorf("%d answers, %d latencies, %d keys", out.answers, out.latency.count, len(s.nodes))
	}
	v := s.nodes["/v2/keys/bench/0002/499"]
	if len(v) != 64 || strings.Trim(v, alphabet) != "" {
		t.Errorf("last value is %q", v)
	}
	if keyPath(2499) != "/v2/keys/bench/0002/499" {
		t.Errorf("keyPath(2499) = %s", keyPath(2499))
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	srv := serve(t, &tree{})
	ld, err := dialLoad(srv.addrs(), 2, 4, func(i int) source {
		return &gets{get: srv.getRequest(""), rnd: random(i), space: 10}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ld.close()
	out, err := ld.run(t.Context(), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if out.refused != out.answers || out.refused < 4 {
		t.Errorf("%d of %d answers refused", out.refused, out.answers)
	}
	if err := out.err(); err == nil || !strings.HasSuffix(err.Error(), "status 404: Key not found") {
		t.Errorf("err = %v", err)
	}
}

// A stall counts against all the requests that were due during it.
func TestPaceChargesAStallToAllWhoWaited(t *testing.T) {
	s := &tree{nodes: make(map[string]string), delay: 500 * time.Millisecond}
	srv := serve(t, s)
	ld, err := dialLoad(srv.addrs(), 1, 2, func(i int) source {
		return &puts{put: srv.putRequest(), rnd: random(i), space: 10}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ld.close()
	l := ld.loops[0]
	if err := l.runAt(t.Context(), 100, time.Second); err != nil {
		t.Fatal(err)
	}
	if l.counts.answers != 100 {
		t.Errorf("%d answers, want 100", l.counts.answers)
	}
	if got := l.counts.latency.max; got < 490*time.Millisecond {
		t.Errorf("slowest %v", got)
	}
	// The 25th of 100 was due when half of the stall was over.
	if got := l.counts.latency.quantile(.75); got < 200*time.Millisecond {
		t.Errorf("p75 %v, want about 250ms", got)
	}
}

// A server that answers what it was not asked must not be counted.
func TestBytesNobodyAskedForAreAnError(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() { // ends with the connection
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 1000)) // whatever was asked
		_, _ = io.WriteString(c, noContent+noContent)
		_, _ = c.Read(make([]byte, 1)) // until the client has gone
	}()
	srv := &server{addr: ln.Addr().(*net.TCPAddr)}
	ld, err := dialLoad(srv.addrs(), 1, 1, func(i int) source {
		return &gets{get: srv.getRequest(""), rnd: random(i), space: 10}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ld.close()
	if _, err := ld.run(t.Context(), time.Nanosecond); err == nil || !strings.Contains(err.Error(), "nobody asked for") {
		t.Errorf("run = %v", err)
	}
}

func TestConnectionsComeFromMoreThanOneAddress(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for n, want := range []string{"127.0.0.1", "127.0.1.1", "127.0.1.2"} {
		l, err := newLoop()
		if err != nil {
			t.Fatal(err)
		}
		l.conns = make([]*conn, n*sharedAddress)
		_, err = l.dial(ln.Addr().(*net.TCPAddr), &watches{})
		if err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().(*net.TCPAddr).IP.String(); got != want {
			t.Errorf("connection %d comes from %s, want %s", n*sharedAddress, got, want)
		}
		_ = c.Close() // nothing was sent
		l.conns = l.conns[n*sharedAddress:]
		l.close()
	}
}
