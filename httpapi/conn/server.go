// Package conn serves HTTP/1.1 on plain connections, the common part of it at
// a fraction of net/http's cost.
//
// A Server reads a strict subset of HTTP/1.1: the methods GET, HEAD, PUT, POST,
// DELETE and OPTIONS on a path, with a body of known length or none. It
// answers as net/http does, byte for byte. At the first byte that is not in
// the subset, before anything of that request is answered, the connection goes
// to an http.Server, with all that was read: what is rare, old or wrong
// is decided there and nowhere else.
//
// Handlers are those of net/http, with these differences in what they are
// given: the context of a request ends with its connection, which is noticed
// while an answer is being streamed (after a Flush) or when a write fails, and
// not with the handler; the *http.Request and its URL belong to the handler
// until it returns, and the Header is only to be read: the next request may
// have it again; there are no trailers, no hijacking, no full duplex and no
// Transfer-Encoding of the handler's own. What io.WriteString or io.Copy write
// may come in other chunks than net/http's.
package conn

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Server answers on listeners until it is shut down. Its methods may be called
// from any goroutine.
type Server struct {
	std     *http.Server
	later   *http.Server // std for connections that have begun here
	handler http.Handler
	spaces  sync.Pool // of *workspace
	pushes  sync.Pool // of *push, one for each goroutine that pushes
	dates   atomic.Pointer[date]
	closing atomic.Bool
	gone    hangups

	mu struct {
		sync.Mutex
		conns     map[*conn]struct{}
		listeners map[net.Listener]struct{}
		empty     chan struct{} // closed with the last of conns, once closing
	}
}

// New makes a server in front of std, whose handler, limits of time and error
// log it uses, and which answers what this package leaves to net/http. From
// now on std is this server's: it must not be served, shut down or changed by
// others.
func New(std *http.Server) *Server {
	s := &Server{std: std, later: withoutHTTP2(std), handler: std.Handler}
	s.spaces.New = func() any { return newWorkspace() }
	s.pushes.New = func() any { return newPush() }
	s.mu.conns = map[*conn]struct{}{}
	s.mu.listeners = map[net.Listener]struct{}{}
	return s
}

// withoutHTTP2 is a server like std for connections on which requests have
// been answered. Those do not turn into HTTP/2: behind a proxy, the bytes may
// come from somebody who was not asked.
func withoutHTTP2(std *http.Server) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           std.Handler,
		ReadTimeout:       std.ReadTimeout,
		ReadHeaderTimeout: std.ReadHeaderTimeout,
		WriteTimeout:      std.WriteTimeout,
		IdleTimeout:       std.IdleTimeout,
		MaxHeaderBytes:    std.MaxHeaderBytes,
		ErrorLog:          std.ErrorLog,
		ConnState:         std.ConnState,
		Protocols:         protocols,
	}
}

// Serve answers on l until the server is shut down or closed, then it returns
// http.ErrServerClosed. It closes l. Connections that know TLS (those with a
// method ConnectionState) are answered by net/http from the start.
func (s *Server) Serve(l net.Listener) error {
	if !s.add(l) {
		_ = l.Close() // there is a better error
		return http.ErrServerClosed
	}
	defer s.forget(l)
	others := newRest(l.Addr())
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.std.Serve(others.fresh) }) // ends with others or with the server
	serving.Go(func() { _ = s.later.Serve(others.used) })
	defer serving.Wait()
	defer others.close()
	for delay := time.Duration(0); ; {
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			s.begin(nc, others)
		case s.closing.Load():
			return http.ErrServerClosed
		case !isTemporary(err):
			return err
		default:
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.logf("http: Accept error: %v; retrying in %v", err, delay)
			time.Sleep(delay)
		}
	}
}

// isTemporary reports whether another Accept may succeed: the client was gone
// already, or there are too many open files.
func isTemporary(err error) bool {
	for _, e := range []error{syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// begin answers on nc, in a goroutine of its own.
func (s *Server) begin(nc net.Conn, others *rest) {
	if _, secure := nc.(secured); secure {
		others.fresh.give(nc)
		return
	}
	c := newConn(s, nc, others)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		_ = nc.Close() // it came too late to be told
		return
	}
	s.mu.conns[c] = struct{}{}
	s.tell(nc, http.StateNew)
	go c.serve()
}

// tell calls std's hook: with StateNew when a connection begins, and with
// StateClosed or, as net/http goes on, StateHijacked when nothing of it is
// under way here any more. The other states are not told.
func (s *Server) tell(nc net.Conn, state http.ConnState) {
	if s.std.ConnState != nil {
		s.std.ConnState(nc, state)
	}
}

// add notes that l is served, unless the server is closing.
func (s *Server) add(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing.Load() {
		return false
	}
	s.mu.listeners[l] = struct{}{}
	return true
}

func (s *Server) forget(l net.Listener) {
	_ = l.Close() // nobody accepts from it any more
	s.mu.Lock()
	delete(s.mu.listeners, l)
	s.mu.Unlock()
}

// drop forgets c, which is closed or net/http's.
func (s *Server) drop(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.conns, c)
	if len(s.mu.conns) == 0 && s.mu.empty != nil {
		close(s.mu.empty)
		s.mu.empty = nil
	}
}

// Shutdown stops listening, closes the connections without a request and waits
// until the other requests are answered, those of net/http too. If ctx ends
// sooner its error is returned; Close is then for what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	empty := s.close(func(c *conn) {
		if c.phase.CompareAndSwap(idle, over) {
			_ = c.nc.Close() // its reader sees it
		}
	})
	var later error
	var ending sync.WaitGroup
	ending.Go(func() { later = s.later.Shutdown(ctx) })
	err := s.std.Shutdown(ctx)
	ending.Wait()
	if err == nil {
		err = later
	}
	select {
	case <-empty:
		s.gone.stop()
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close stops listening and closes all connections. It does not wait for
// handlers.
func (s *Server) Close() error {
	s.close(func(c *conn) { _ = c.nc.Close() })
	s.gone.stop()
	return errors.Join(s.std.Close(), s.later.Close())
}

// close stops listening and gives every connection to end. What it returns is
// closed when there is none left.
func (s *Server) close(end func(*conn)) (empty <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	for l := range s.mu.listeners {
		_ = l.Close() // Serve sees it
	}
	for c := range s.mu.conns {
		end(c)
	}
	if s.mu.empty == nil {
		s.mu.empty = make(chan struct{})
	}
	left := s.mu.empty
	if len(s.mu.conns) == 0 {
		close(left)
		s.mu.empty = nil
	}
	return left
}

func (s *Server) logf(format string, args ...any) {
	if s.std.ErrorLog != nil {
		s.std.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// date is the value of the Date header in one second.
type date struct {
	second int64
	text   string
}

func (s *Server) dateAt(now time.Time) string {
	d := s.dates.Load()
	if second := now.Unix(); d == nil || d.second != second {
		d = &date{second, now.UTC().Format(http.TimeFormat)}
		s.dates.Store(d)
	}
	return d.text
}
