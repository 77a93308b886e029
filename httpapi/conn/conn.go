package conn

import (
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
)

// The phases of a connection. Who shuts down may end it while it is idle.
const (
	idle int32 = iota
	busy
	over
)

// What the monitor and the connection tell each other.
const (
	streaming int32 = 1 << iota // an answer is under way and nobody reads
	hung                        // the client has ended its side
)

// conn is one connection. It belongs to the goroutine that runs serve, but for
// phase, sides and life.
type conn struct {
	server *Server
	nc     net.Conn
	raw    syscall.RawConn // nil: not a file
	others *rest
	life   *lifetime
	phase  atomic.Int32
	sides  atomic.Int32

	watched bool  // hangups knows it
	seat    int32 // there
	look    *look // or it looks for itself

	work     *workspace
	from, to int // what was read and not used, in work.in
	try      func(fd uintptr) bool
	tried    struct { // what try found
		n   int
		err error
	}
	readBy, writeBy time.Time // the deadlines that the socket has
	ended           error     // of reading, in the middle of a head

	head    head
	body    body
	blank   http.Request // a request before anything is known of it
	request http.Request
	answer  response
}

func newConn(s *Server, nc net.Conn, others *rest) *conn {
	c := &conn{server: s, nc: nc, raw: rawConn(nc), others: others}
	c.life = &lifetime{server: s.std, local: nc.LocalAddr()}
	c.try = c.tryRead
	c.head.header = make(http.Header, 8)
	c.answer.conn = c
	c.answer.header = make(http.Header, 8)
	c.blank = *(&http.Request{
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, URL: &c.head.url, Header: c.head.header,
	}).WithContext(c.life)
	if a := nc.RemoteAddr(); a != nil {
		c.blank.RemoteAddr = a.String()
	}
	return c
}

// serve answers requests until the connection ends or is net/http's.
func (c *conn) serve() {
	ours := true
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			c.server.logf("http: panic serving %v: %v\n%s", c.blank.RemoteAddr, p, debug.Stack())
		}
		c.leave(ours)
	}()
	for post := false; ; {
		found := c.readHead(post)
		if found != ready {
			ours = found != foreign
			return
		}
		if !c.respond() {
			return
		}
		post = c.head.method == http.MethodPost
		c.phase.Store(idle)
		if c.server.closing.Load() {
			return
		}
	}
}

// leave ends the connection, or hands it over if it is not ours.
func (c *conn) leave(ours bool) {
	if c.watched {
		c.server.gone.forget(c)
	}
	c.stopLooking()
	if ours {
		c.answer.abandon()
		_ = c.nc.Close() // there is nobody to tell
		c.from, c.to = 0, 0
		c.rest()
		c.life.end()
		c.server.drop(c)
		c.server.tell(c.nc, http.StateClosed)
		return
	}
	nc := c.nc
	if c.from < c.to {
		nc = &begun{Conn: nc, read: append([]byte(nil), c.work.in[c.from:c.to]...), end: c.ended}
		c.from = c.to
	}
	c.rest()
	_ = c.nc.SetDeadline(time.Time{}) // net/http has its own
	c.server.drop(c)
	if c.answer.at.IsZero() {
		c.others.fresh.give(nc)
	} else {
		c.others.used.give(nc)
	}
	c.server.tell(c.nc, http.StateHijacked) // net/http tells its own
}

// finding is what became of reading a head.
type finding int

const (
	ready   finding = iota
	foreign         // not in the subset
	ended           // there is no request any more
)

// readHead reads the next request up to its body.
func (c *conn) readHead(afterPost bool) finding {
	skipped, most := 0, 0
	if afterPost {
		most = oldLines
	}
	for skipped = c.skipLines(most); !c.begun(skipped); {
		if err := c.await(); err != nil {
			return ended
		}
		skipped += c.skipLines(most - skipped)
	}
	if !c.phase.CompareAndSwap(idle, busy) {
		return ended
	}
	for first := true; ; first = false {
		n, strange := c.head.end(c.work.in[c.from:c.to])
		switch {
		case strange:
			return foreign
		case n > 0:
			if !c.head.parse(c.work.in[c.from : c.from+n]) {
				return foreign
			}
			c.from += n
			return ready
		}
		if first && !c.answer.at.IsZero() { // the first head has its limit since the connection began
			c.limitRead(c.server.std.ReadHeaderTimeout)
		}
		if err := c.more(); err != nil {
			c.ended = err
			return foreign // a head that stops is answered, too
		}
	}
}

const (
	// Old clients send empty lines after the body of a POST. So many bytes of
	// them are passed over, as in net/http.
	oldLines = 4

	// With so many bytes another request has begun, empty lines included; as
	// in net/http. Until then the connection is idle.
	leastBegun = 4
)

// begun reports whether a request has begun, of which so many bytes were
// skipped.
func (c *conn) begun(skipped int) bool {
	n := c.to - c.from
	return n > 0 && (n+skipped >= leastBegun || c.answer.at.IsZero())
}

// skipLines passes over up to most bytes of empty lines.
func (c *conn) skipLines(most int) (skipped int) {
	for skipped < most && c.from < c.to {
		if b := c.work.in[c.from]; b != '\r' && b != '\n' {
			break
		}
		c.from++
		skipped++
	}
	return skipped
}

// await waits for the first bytes of a request. Moving a deadline costs as much
// as reading: one that is near enough will do.
func (c *conn) await() error {
	switch timeout, last := c.server.std.IdleTimeout, c.answer.at; {
	case last.IsZero():
		c.limitRead(c.server.std.ReadHeaderTimeout)
	case timeout <= 0:
		c.setReadDeadline(time.Time{})
	case c.readBy.Before(last.Add(timeout - timeout/8)):
		c.setReadDeadline(last.Add(timeout))
	}
	c.rest()
	return c.more()
}

// more reads what there is, at least one byte.
func (c *conn) more() error {
	if c.raw == nil {
		c.makeRoom()
		n, err := c.nc.Read(c.work.in[c.to:])
		c.to += n
		if n > 0 {
			return nil
		}
		return err
	}
	c.tried.n, c.tried.err = 0, nil
	if err := c.raw.Read(c.try); err != nil {
		return err
	}
	if c.tried.err != nil {
		return c.tried.err
	}
	if c.tried.n == 0 {
		return io.EOF
	}
	return nil
}

// tryRead reads without waiting. While there is nothing to read the connection
// needs no buffer.
func (c *conn) tryRead(fd uintptr) bool {
	c.makeRoom()
	for {
		n, err := readNow(fd, c.work.in[c.to:])
		switch {
		case n > 0:
			c.to += n
			c.tried.n = n
			return true
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.rest()
			return false
		}
		c.tried.err = err
		return true
	}
}

// makeRoom makes sure that something can be read.
func (c *conn) makeRoom() {
	w := c.space()
	if c.from > 0 {
		copy(w.in, w.in[c.from:c.to])
		c.from, c.to = 0, c.to-c.from
	}
	if c.to == len(w.in) {
		w.in = append(w.in, make([]byte, len(w.in))...)
	}
}

// limitRead lets reads fail once a time is over, if it is limited.
func (c *conn) limitRead(timeout time.Duration) {
	if timeout > 0 {
		c.setReadDeadline(time.Now().Add(timeout))
	} else {
		c.setReadDeadline(time.Time{})
	}
}

// setReadDeadline moves the deadline of the socket, if that has another.
func (c *conn) setReadDeadline(t time.Time) {
	if !c.readBy.Equal(t) {
		c.readBy = t
		_ = c.nc.SetReadDeadline(t) // a closed connection says so when it is read
	}
}

// applyReadDeadline has the deadline that the handler wants for its body, or
// none, before the socket is read for it.
func (c *conn) applyReadDeadline() { c.setReadDeadline(c.answer.readBy) }

// respond has the handler answer the request. It reports whether there may be
// another.
func (c *conn) respond() (again bool) {
	c.answer.reset()
	c.body = body{conn: c, left: c.head.length}
	c.request = c.blank
	r := &c.request
	r.Method, r.RequestURI, r.Host = c.head.method, c.head.target, c.head.host
	r.ContentLength, r.Close, r.Body = c.head.length, c.head.close, http.NoBody
	if c.head.length > 0 {
		r.Body = &c.body
	}
	c.server.handler.ServeHTTP(&c.answer, r)
	return c.answer.finish()
}
