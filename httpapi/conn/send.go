package conn

import (
	"net"
	"time"
)

// flush sends what is in out. An error is kept in the answer, and ends the
// context of the connection.
func (c *conn) flush() error {
	w := c.work
	if c.answer.err != nil || w == nil || len(w.out) == 0 {
		return c.answer.err
	}
	c.applyWriteDeadline()
	_, err := c.nc.Write(w.out)
	w.out = w.out[:0]
	c.failed(err)
	return err
}

// flushWith sends what is in out and p, which is not copied, and the end of a
// chunk if it is one.
func (c *conn) flushWith(p []byte, chunk bool) {
	w := c.work
	if c.answer.err != nil {
		return
	}
	c.applyWriteDeadline()
	all := net.Buffers{w.out, p, crlf}
	if !chunk {
		all = all[:2]
	}
	_, err := all.WriteTo(c.nc)
	w.out = w.out[:0]
	c.failed(err)
}

func (c *conn) failed(err error) {
	if err != nil {
		c.answer.err = err
		c.life.end()
	}
}

// applyWriteDeadline gives the socket the deadline that the handler wants, or
// the server's, of which one that is near enough will do.
func (c *conn) applyWriteDeadline() {
	r := &c.answer
	if r.writeLimited {
		if !c.writeBy.Equal(r.writeBy) {
			c.setWriteDeadline(r.writeBy)
		}
		return
	}
	timeout := c.server.std.WriteTimeout
	if timeout <= 0 {
		if !c.writeBy.IsZero() {
			c.setWriteDeadline(time.Time{})
		}
		return
	}
	now := r.at
	if r.flushed || !r.decided {
		now = time.Now()
	}
	if c.writeBy.Before(now.Add(timeout - timeout/8)) {
		c.setWriteDeadline(now.Add(timeout))
	}
}

func (c *conn) setWriteDeadline(t time.Time) {
	c.writeBy = t
	_ = c.nc.SetWriteDeadline(t) // a closed connection says so when it is written to
}

// lingerTime is how long a connection stays open for reading after the last
// answer, if the client may still be sending: to close it at once would make
// its side drop the answer.
const lingerTime = 500 * time.Millisecond

// linger ends our side of the connection and waits for the client's.
func (c *conn) linger() {
	half, ok := c.nc.(interface{ CloseWrite() error })
	if c.body.left == 0 || !ok || half.CloseWrite() != nil {
		return
	}
	c.setReadDeadline(time.Now().Add(lingerTime))
	w := c.space()
	for {
		if _, err := c.nc.Read(w.in); err != nil {
			return
		}
	}
}
