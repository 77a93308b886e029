package process

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// serve starts a server and returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestTargetAndBodyGoOutAsTheyAre(t *testing.T) {
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what came is compared
		w.Header().Set("X-Etcd-Index", "7")
		_, _ = io.WriteString(w, r.Method+" "+r.RequestURI+" "+string(body)) // read below
	})
	c := NewConn(addr)
	defer c.Close()
	for range 2 { // the second time over the kept connection
		a, err := c.Do(t.Context(), Request{Method: "PUT", Target: "//a/../%zz%FF?b=%", Header: Form(), Body: []byte("x=1")})
		if err != nil {
			t.Fatal(err)
		}
		if a.Status == 400 {
			continue // net/http refuses the escape, as it should
		}
		t.Errorf("got status %d, want 400", a.Status)
	}
	a, err := c.Do(t.Context(), Request{Method: "PUT", Target: "//a/../%FF?b=%", Header: Form(), Body: []byte("x=1")})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(a.Body), "PUT //a/../%FF?b=% x=1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := a.Index("X-Etcd-Index"); got != 7 {
		t.Errorf("got index %d, want 7", got)
	}
}

func TestStreamHandsOutLinesAsTheyCome(t *testing.T) {
	next := make(chan string)
	addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		flush := http.NewResponseController(w)
		_ = flush.Flush() // a broken connection shows in the test
		for line := range next {
			_, _ = io.WriteString(w, line+"\n") // as above
			_ = flush.Flush()                   // as above
		}
	})
	s, err := Open(t.Context(), addr, Request{Method: "GET", Target: "/"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, want := range []string{"one", "two"} {
		next <- want
		if got, err := s.Line(); err != nil || string(got) != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	close(next)
	if _, err := s.Line(); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
}

func TestAContextEndsARequest(t *testing.T) {
	addr := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	c := NewConn(addr)
	defer c.Close()
	_, err := c.Do(ctx, Request{Method: "GET", Target: "/"})
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v, want a timeout", err)
	}
}

func TestPortsAreGivenOnce(t *testing.T) {
	var p Ports
	given := make(map[int]bool)
	for range 50 {
		port, err := p.Take()
		if err != nil {
			t.Fatal(err)
		}
		if given[port] {
			t.Errorf("port %d is given twice", port)
		}
		given[port] = true
	}
}

func TestAServerThatDoesNotStartSaysWhy(t *testing.T) {
	s, err := Start(t.Context(), Config{Binary: "ls", Dir: t.TempDir(), Client: 1, Peer: 2})
	if err != nil {
		t.Skip(err) // no ls here
	}
	if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "ls:") {
		t.Errorf("got %v, want what it printed", err)
	}
}
