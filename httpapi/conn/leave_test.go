package conn_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// world is a server with a handler on a socket or in memory, until the test
// ends.
type world struct {
	t      *testing.T
	server server
	dial   func() net.Conn
}

// transports are what connections are made of.
var transports = []string{"tcp", "unix", "memory"}

func newWorld(t *testing.T, over func(*http.Server) server, transport string, h http.HandlerFunc) *world {
	t.Helper()
	w := &world{t: t, server: over(newStd(&witness{handler: h}))}
	var l net.Listener
	if transport == "memory" {
		p := newPipes()
		l, w.dial = p, func() net.Conn {
			c := p.dial()
			_ = c.SetDeadline(time.Now().Add(time.Minute)) // no test hangs
			return c
		}
	} else {
		l = mustListen(t, transport)
		w.dial = func() net.Conn { t.Helper(); return mustDial(t, l) }
	}
	done := make(chan error, 1)
	go func() { done <- w.server.Serve(l) }()
	t.Cleanup(func() {
		if err := w.server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return w
}

// inWorlds runs test with both engines and all transports.
func inWorlds(t *testing.T, h func(*testing.T) http.HandlerFunc, test func(t *testing.T, w *world)) {
	t.Helper()
	for _, e := range engines {
		for _, transport := range transports {
			t.Run(e.name+" "+transport, func(t *testing.T) {
				t.Parallel()
				test(t, newWorld(t, e.over, transport, h(t)))
			})
		}
	}
}

// soon fails the test unless what is signalled comes within half a minute.
func soon[T any](t *testing.T, c <-chan T, what string) (got T) {
	t.Helper()
	select {
	case got = <-c:
	case <-time.After(30 * time.Second):
		t.Fatalf("in vain: %s", what)
	}
	return got
}

// mustSend sends text, without waiting for anybody to read it.
func mustSend(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// mustReceive reads one answer.
func mustReceive(t *testing.T, in *bufio.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("after %q: %v", text, err)
	}
	return r, string(text)
}

// ways to leave. In memory there is but one.
var leaves = map[string]func(net.Conn){
	"close": func(c net.Conn) { _ = c.Close() },
	"half":  func(c net.Conn) { _ = c.(interface{ CloseWrite() error }).CloseWrite() },
	"reset": func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() },
}

func canLeave(c net.Conn, how string) bool {
	switch how {
	case "half":
		_, ok := c.(interface{ CloseWrite() error })
		return ok
	case "reset":
		_, ok := c.(*net.TCPConn)
		return ok
	}
	return true
}

// waiting streams until its context ends, and tells of both.
type waiting struct{ began, ended chan struct{} }

func newWaiting() *waiting {
	return &waiting{make(chan struct{}, 1000), make(chan struct{}, 1000)}
}

func (a *waiting) handle(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, "begun")
	_ = http.NewResponseController(w).Flush() // the end tells
	a.began <- struct{}{}
	<-r.Context().Done()
	a.ended <- struct{}{}
}

func TestAClientThatLeavesEndsWhatIsStreamedToIt(t *testing.T) {
	t.Parallel()
	for how, leave := range leaves {
		for _, e := range engines {
			for _, transport := range transports {
				t.Run(strings.Join([]string{how, e.name, transport}, " "), func(t *testing.T) {
					t.Parallel()
					a := newWaiting()
					w := newWorld(t, e.over, transport, once(a.handle))
					for _, before := range []string{"", next, request("PUT /next", "\nabc") + next} {
						c := w.dial()
						if !canLeave(c, how) {
							t.Skip("there is no such way")
						}
						go func() { _, _ = io.Copy(io.Discard, c) }() // a pipe has no buffer
						mustSend(t, c, before+request("GET /a"))
						soon(t, a.began, "the stream begins")
						leave(c)
						soon(t, a.ended, "the stream ends")
						_ = c.Close() // perhaps again
					}
				})
			}
		}
	}
}

// What a client has sent behind a request that is being answered does not hide
// that it has left. (It does from net/http, and in memory.)
func TestAPipelinedRequestDoesNotHideThatTheClientHasLeft(t *testing.T) {
	t.Parallel()
	for how, leave := range leaves {
		for _, transport := range []string{"tcp", "unix"} {
			t.Run(how+" "+transport, func(t *testing.T) {
				t.Parallel()
				a := newWaiting()
				c := newWorld(t, engines[0].over, transport, a.handle).dial()
				defer c.Close()
				if !canLeave(c, how) {
					t.Skip("there is no such way")
				}
				mustSend(t, c, request("GET /a")+next)
				soon(t, a.began, "the stream begins")
				leave(c)
				soon(t, a.ended, "the stream ends")
			})
		}
	}
}

// A client that ends its side has not gone away: it waits for its answers.
func TestAHalfClosedClientGetsItsAnswers(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"tcp", "unix"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			ended := make(chan error, 10)
			w := newWorld(t, engines[0].over, transport, func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body) // the answer tells
				select {
				case <-r.Context().Done():
				case <-time.After(100 * time.Millisecond): // the end has long come
				}
				ended <- r.Context().Err()
				fmt.Fprintf(w, "%s %s", r.Method, text)
			})
			c := w.dial()
			defer c.Close()
			mustSend(t, c, request("GET /a")+request("PUT /a", "\nabc")+request("DELETE /a"))
			leaves["half"](c)
			in := bufio.NewReader(c)
			for _, want := range []string{"GET ", "PUT abc", "DELETE "} {
				if _, got := mustReceive(t, in); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				if err := soon(t, ended, "the request is answered"); err != nil {
					t.Errorf("%s: the context ended: %v", want, err)
				}
			}
			if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
				t.Errorf("then came %q, %v", rest, err)
			}
		})
	}
}

// A stream to a client that has ended its side before is not begun for nothing.
func TestAStreamToAHalfClosedClientEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", request("PUT /next", "\nabc"), request("GET /b") + next} {
		a := newWaiting()
		streams := func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/b" { // known to epoll from here
				fmt.Fprint(w, "b")
				_ = http.NewResponseController(w).Flush() // as above
				return
			}
			once(a.handle)(w, r)
		}
		w := newWorld(t, engines[0].over, "tcp", streams)
		c := w.dial()
		defer c.Close()
		mustSend(t, c, before+request("GET /a"))
		leaves["half"](c)
		soon(t, a.ended, "the stream ends")
	}
}

// A write that fails ends the context, also if nothing was flushed.
func TestAWriteThatFailsEndsTheContext(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 100_000)); err != nil {
					break
				}
			}
			if err := context.Cause(r.Context()); err == nil {
				t.Error("the context goes on")
			}
			panic(http.ErrAbortHandler)
		}
	}, func(t *testing.T, w *world) {
		c := w.dial()
		mustSend(t, c, request("GET /a"))
		if _, err := c.Read(make([]byte, 1000)); err != nil {
			t.Error(err)
		}
		_ = c.Close() // it goes away
	})
}

// A body that ends too soon ends the context.
func TestAResetInTheMiddleOfABodyEndsTheContext(t *testing.T) {
	t.Parallel()
	for how, leave := range leaves {
		begun, ended := make(chan struct{}, 10), make(chan error, 10)
		inWorlds(t, func(t *testing.T) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadFull(r.Body, make([]byte, 3)); err != nil {
					t.Error(err)
				}
				begun <- struct{}{}
				text, err := io.ReadAll(r.Body)
				if len(text) > 0 || err == nil {
					t.Errorf("%s: got %q, %v", how, text, err)
				}
				if r.Context().Err() == nil {
					t.Errorf("%s: the context goes on", how)
				}
				ended <- err
			}
		}, func(t *testing.T, w *world) {
			c := w.dial()
			defer c.Close()
			if !canLeave(c, how) {
				t.Skip("there is no such way")
			}
			mustSend(t, c, "PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
			mustSend(t, c, "abc")
			soon(t, begun, "the body begins") // a reset may overtake what came before
			leave(c)
			soon(t, ended, "the body ends")
		})
	}
}

// Streams that end by themselves, one after the other on one connection, leave
// it as it was, also if the next request was there before.
func TestLongPollsFollowEachOther(t *testing.T) {
	t.Parallel()
	inWorlds(t, func(t *testing.T) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.URL.Path)
			_ = http.NewResponseController(w).Flush() // the answer tells
			select {
			case <-r.Context().Done():
				t.Error("the context has ended")
			case <-time.After(time.Millisecond):
			}
			fmt.Fprint(w, "!")
		}
	}, func(t *testing.T, w *world) {
		c := w.dial()
		defer c.Close()
		in := bufio.NewReader(c)
		const n = 200
		go func() {
			for i := range n {
				if _, err := io.WriteString(c, request(fmt.Sprint("GET /", i))); err != nil {
					t.Error(err)
					return
				}
				if i%3 == 0 {
					time.Sleep(2 * time.Millisecond) // now the next comes behind an answer, now before its end
				}
			}
		}()
		for i := range n {
			if _, got := mustReceive(t, in); got != fmt.Sprint("/", i, "!") {
				t.Fatalf("answer %d is %q", i, got)
			}
		}
	})
}
