package tlsfiles

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// handshakeTime is how long a client may take to greet.
const handshakeTime = 10 * time.Second

// Listener makes a listener whose connections are TLS, past the handshake, of
// those that inner accepts. Who is refused is logged, with the certificate
// that was shown. A slow client does not keep others waiting.
//
// Its goroutines begin with the first Accept and have ended when Close
// returns. Close closes inner and the connections that no Accept has returned.
func (f *Files) Listener(inner net.Listener, protos ...string) net.Listener {
	l := &listener{
		Listener: inner, files: f, config: f.Server(protos...),
		accepted: make(chan accepted), closed: make(chan struct{}),
	}
	l.mu.greeting = make(map[net.Conn]bool)
	return l
}

// accepted is an answer to Accept.
type accepted struct {
	conn *tls.Conn
	err  error
}

type listener struct {
	net.Listener
	files    *Files
	config   *tls.Config
	accepted chan accepted
	closed   chan struct{} // closed by Close

	begin, end sync.Once
	running    sync.WaitGroup
	mu         struct { // everything inside is guarded
		sync.Mutex
		greeting map[net.Conn]bool // nil once closed
	}
}

func (l *listener) Accept() (net.Conn, error) {
	l.begin.Do(func() { l.running.Go(l.accept) })
	select {
	case a := <-l.accepted:
		if a.err != nil {
			return nil, a.err
		}
		return a.conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	err := net.ErrClosed
	l.end.Do(func() {
		l.begin.Do(func() {}) // an Accept from now on begins nothing
		close(l.closed)
		err = l.Listener.Close()
		l.mu.Lock()
		for conn := range l.mu.greeting {
			_ = conn.Close() // its handshake fails, as it shall
		}
		l.mu.greeting = nil
		l.mu.Unlock()
		l.running.Wait()
	})
	return err
}

// accept takes connections from the inner listener until Close. An error of it
// goes to whoever accepts, who decides whether to ask again.
func (l *listener) accept() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			if !l.answer(accepted{err: err}) {
				return
			}
			continue
		}
		l.running.Go(func() { l.greet(conn) })
	}
}

func (l *listener) answer(a accepted) bool {
	select {
	case l.accepted <- a:
		return true
	case <-l.closed:
		return false
	}
}

// greet makes the handshake, and hands the connection to Accept.
func (l *listener) greet(conn net.Conn) {
	if !l.enter(conn) {
		_ = conn.Close() // nobody wants it any more
		return
	}
	_ = conn.SetDeadline(time.Now().Add(handshakeTime)) // fails on a closed connection only, and so will the handshake
	secure := tls.Server(conn, l.config)
	err := secure.Handshake()
	if l.leave(conn) {
		_ = conn.Close()
		return
	}
	if err != nil {
		l.files.rejected(conn, secure, err)
		_ = conn.Close() // there is nothing left to lose
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if !l.answer(accepted{conn: secure}) {
		_ = conn.Close()
	}
}

// enter notes a connection for Close; it fails when that has been called.
func (l *listener) enter(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.greeting == nil {
		return false
	}
	l.mu.greeting[conn] = true
	return true
}

// leave is the opposite of enter. It reports whether Close has been called.
func (l *listener) leave(conn net.Conn) (closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mu.greeting, conn)
	return l.mu.greeting == nil
}

// rejected tells of a handshake that failed: the log, and a client that speaks
// plain HTTP.
func (f *Files) rejected(conn net.Conn, secure *tls.Conn, err error) {
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
		_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n") // it may be gone
	}
	f.logReject(conn.RemoteAddr(), secure.ConnectionState().ServerName, f.now.Load().explain(&f.config, err, ""))
}

// looksLikeHTTP is whether what should have been the header of a record begins
// a plain request.
func looksLikeHTTP(header [5]byte) bool {
	return slices.Contains([]string{"GET /", "HEAD ", "POST ", "PUT /", "DELET", "OPTIO", "PATCH"}, string(header[:]))
}
