package conn_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// The connections of a server that ends, by what they do at that moment.
const (
	get     = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
	strange = "PATCH /a HTTP/1.1\r\nHost: x\r\n\r\n"
)

// running is a server in a bubble, on a listener in memory.
type running struct {
	server
	listener *pipes
	done     chan error
	begun    chan struct{} // by requests for /slow
	goOn     chan struct{} // lets them end
}

func run(over func(*http.Server) server) *running {
	r := &running{listener: newPipes(), done: make(chan error, 1), begun: make(chan struct{}, 100), goOn: make(chan struct{})}
	r.server = over(newStd(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/slow":
			r.begun <- struct{}{}
			<-r.goOn
		case "/watch":
			_ = http.NewResponseController(w).Flush() // the end tells
			r.begun <- struct{}{}
			<-q.Context().Done()
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, "done")
	})))
	go func() { r.done <- r.Serve(r.listener) }()
	return r
}

// ask sends text on a new connection and tells what comes of it until the
// connection is closed, and when that was.
func (r *running) ask(text string) (answered <-chan string) {
	c := r.listener.dial()
	got := make(chan string, 1)
	go func() {
		defer c.Close()
		all, _ := io.ReadAll(c) // how it is closed does not matter
		got <- mask(string(all))
	}()
	go func() { _, _ = io.WriteString(c, text) }() // the server may close before
	return got
}

const (
	kept   = "HTTP/1.1 200 OK\r\nDate: -\r\nContent-Length: 4\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ndone"
	closed = "HTTP/1.1 200 OK\r\nDate: -\r\nContent-Length: 4\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\ndone"
)

// want fails the test unless the connection has been closed after this.
func want(t *testing.T, what string, answered <-chan string, text string) {
	t.Helper()
	synctest.Wait()
	select {
	case got := <-answered:
		if got != text {
			t.Errorf("%s: got %q, want %q", what, got, text)
		}
	default:
		t.Errorf("%s: the connection is open", what)
	}
}

func TestShutdownClosesWhatIsIdleAndWaitsForRequests(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := run(e.over)
				idle, foreign := r.ask(get), r.ask(strange)
				slow, slowForeign, slowLater := r.ask("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"+get),
					r.ask("PATCH /slow HTTP/1.1\r\nHost: x\r\n\r\n"+get), r.ask(get+"PATCH /slow HTTP/1.1\r\nHost: x\r\n\r\n"+get)
				for range 3 {
					<-r.begun
				}
				synctest.Wait()
				ended := make(chan error, 1)
				go func() { ended <- r.Shutdown(t.Context()) }()
				want(t, "idle", idle, kept)
				want(t, "idle with net/http", foreign, kept)
				if err := <-r.done; err != http.ErrServerClosed {
					t.Errorf("Serve: %v", err)
				}
				time.Sleep(time.Minute)
				select {
				case err := <-ended:
					t.Errorf("it did not wait: %v", err)
				default:
				}
				close(r.goOn)
				if err := <-ended; err != nil {
					t.Error(err)
				}
				want(t, "a request", slow, closed)
				want(t, "a request to net/http", slowForeign, closed)
				want(t, "a second request to net/http", slowLater, kept+closed)
			})
		})
	}
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		for _, line := range []string{"GET", "PATCH"} {
			t.Run(e.name+" "+line, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := run(e.over)
					watch := r.ask(line + " /watch HTTP/1.1\r\nHost: x\r\n\r\n")
					<-r.begun
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Shutdown: %v", err)
					}
					if err := r.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					want(t, "the watch", watch, "HTTP/1.1 200 OK\r\nDate: -\r\nTransfer-Encoding: chunked\r\n\r\n")
					if err := r.Shutdown(t.Context()); err != nil {
						t.Errorf("Shutdown again: %v", err)
					}
				})
			})
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := run(e.over)
				fresh, part := r.ask(""), r.ask("GET /")
				idle, foreign, later := r.ask(get), r.ask(strange), r.ask(get+strange)
				watch, body := r.ask("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n"), r.ask("PUT /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
				<-r.begun
				<-r.begun
				close(r.goOn)
				synctest.Wait()
				if err := r.Close(); err != nil {
					t.Error(err)
				}
				want(t, "nothing yet", fresh, "")
				want(t, "a part of a head", part, "")
				want(t, "idle", idle, kept)
				want(t, "with net/http", foreign, kept)
				want(t, "with net/http later", later, kept+kept)
				want(t, "a watch", watch, "HTTP/1.1 200 OK\r\nDate: -\r\nTransfer-Encoding: chunked\r\n\r\n")
				want(t, "a body", body, "")
				if err := <-r.done; err != http.ErrServerClosed {
					t.Errorf("Serve: %v", err)
				}
			})
		})
	}
}

func TestAServerThatHasEndedServesNothing(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		for name, end := range map[string]func(server) error{
			"Shutdown": func(s server) error { return s.Shutdown(t.Context()) }, "Close": func(s server) error { return s.Close() },
		} {
			s, l := e.over(newStd(http.HandlerFunc(silent))), newPipes()
			if err := end(s); err != nil {
				t.Errorf("%s %s: %v", e.name, name, err)
			}
			if err := s.Serve(l); err != http.ErrServerClosed {
				t.Errorf("%s: Serve after %s: %v", e.name, name, err)
			}
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: the listener is open after %s", e.name, name)
			}
		}
	}
}

// hard is a listener that fails before it works.
type hard struct {
	*pipes
	errs  []error
	tried atomic.Int32
}

func (h *hard) Accept() (net.Conn, error) {
	if i := int(h.tried.Add(1)) - 1; i < len(h.errs) {
		return nil, h.errs[i]
	}
	return h.pipes.Accept()
}

func TestAcceptIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var errs []error
				for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.EMFILE, syscall.EMFILE, syscall.EMFILE, syscall.EMFILE, syscall.EMFILE, syscall.EMFILE, syscall.EMFILE} {
					errs = append(errs, &net.OpError{Op: "accept", Net: "tcp", Err: errno})
				}
				r := &running{listener: newPipes()}
				l := &hard{pipes: r.listener, errs: errs}
				s := e.over(newStd(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") })))
				var serving sync.WaitGroup
				serving.Go(func() {
					if err := s.Serve(l); err != http.ErrServerClosed {
						t.Error(err)
					}
				})
				start := time.Now()
				answered := r.ask("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				if got := <-answered; got != closed {
					t.Errorf("got %q", got)
				}
				if took := time.Since(start); took < time.Second || took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				_ = s.Close() // Serve tells
				serving.Wait()
			})
		})
	}
}

func TestAListenerThatFailsEndsServe(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, e := range engines {
		s, l := e.over(newStd(http.HandlerFunc(silent))), newPipes()
		if err := s.Serve(&hard{pipes: l, errs: []error{broken}}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", e.name, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Of two listeners each has its own end, and the server's end is that of both.
func TestListenersHaveTheirOwnEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := run(engines[0].over)
		other, done := newPipes(), make(chan error, 1)
		go func() { done <- r.Serve(other) }()
		answers := []<-chan string{r.ask(get), (&running{listener: other}).ask(get + strange)}
		synctest.Wait()
		_ = r.listener.Close() // as if its address had gone away
		if err := <-r.done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("the first: %v", err)
		}
		if err := r.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Errorf("the second: %v", err)
		}
		want(t, "a connection of the first", answers[0], kept)
		want(t, "one of the second, with net/http", answers[1], kept+kept)
	})
}

// late gives a connection away at the moment the server ends.
type late struct {
	*pipes
	given chan net.Conn
}

func (l *late) Accept() (net.Conn, error) {
	c, err := l.pipes.Accept()
	if errors.Is(err, net.ErrClosed) && l.given != nil {
		ours, theirs := net.Pipe()
		l.given <- ours
		l.given = nil
		return theirs, nil
	}
	return c, err
}

func TestAConnectionThatComesWithTheEndIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, given := engines[0].over(newStd(http.HandlerFunc(silent))), make(chan net.Conn, 1)
		l := &late{pipes: newPipes(), given: given}
		done := make(chan error, 1)
		go func() { done <- s.Serve(l) }()
		synctest.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		c := <-given
		_ = c.SetDeadline(time.Now().Add(time.Second)) // a pipe has deadlines
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("it is served: %v", err)
		}
		if err := <-done; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
}

// A server that ends while many ask lets nobody wait for ever, and answers
// whole or not at all.
func TestShutdownInTheMiddleOfMuch(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			l := mustListen(t, network)
			s := engines[0].over(newStd(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/flushed" {
					_ = http.NewResponseController(w).Flush() // the answer tells
				}
				_, _ = io.WriteString(w, xs(5000)) // as above
			})))
			done := make(chan error, 1)
			go func() { done <- s.Serve(l) }()
			var all sync.WaitGroup
			var answered atomic.Int32
			for i := range 16 {
				all.Go(func() {
					for {
						c, err := net.Dial(l.Addr().Network(), l.Addr().String())
						if err != nil {
							return // the server has ended
						}
						n := talk(t, c, i)
						answered.Add(int32(n))
						_ = c.Close() // it may be closed
					}
				})
			}
			time.Sleep(200 * time.Millisecond)
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			all.Wait()
			if err := <-done; err != http.ErrServerClosed {
				t.Error(err)
			}
			if answered.Load() == 0 {
				t.Error("nobody was answered")
			}
		})
	}
}

// talk sends requests on c, one in four of a kind that only net/http knows,
// until the connection ends; it returns how many were answered.
func talk(t *testing.T, c net.Conn, i int) (n int) {
	in := bufio.NewReader(c)
	for ; n < 50; n++ {
		method := []string{"GET", "GET", "GET", "PATCH"}[(i+n)%4]
		path := []string{"/a", "/flushed"}[n%2]
		if _, err := io.WriteString(c, method+" "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			return n
		}
		if _, err := in.Peek(1); err != nil {
			return n
		}
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("a part of an answer: %v", err)
			return n
		}
		if got, err := io.ReadAll(r.Body); err != nil || len(got) != 5000 {
			t.Errorf("%d bytes: %v", len(got), err)
			return n
		}
	}
	return n
}
