package conn

import (
	"sync/atomic"
	"time"
)

// beginStream has the context end when the client goes away. Until then it is
// not looked for: most answers are made before anybody could notice.
func (c *conn) beginStream() {
	if c.body.left > 0 {
		return // its end cannot be seen before the body's
	}
	if !c.watched && c.look == nil {
		c.watched = c.server.gone.watch(c)
	}
	switch {
	case !c.watched:
		c.startLooking()
	case c.sides.Or(streaming)&hung != 0:
		c.life.end()
	}
}

// endStream ends the effect of beginStream.
func (c *conn) endStream() {
	c.sides.And(^streaming)
	c.stopLooking()
}

// hungUp notes that the client has ended its side. If an answer is being
// streamed, it has gone away; if not, it may wait for what it asked. It may be
// called from any goroutine.
func (c *conn) hungUp() {
	if c.sides.Or(hung)&streaming != 0 {
		c.life.end()
	}
}

// look is a goroutine that reads from a connection of which hangups cannot
// know: one in memory, or on a system without epoll.
type look struct {
	done chan struct{}
	over atomic.Bool
	got  [1]byte
	n    int
}

func (c *conn) startLooking() {
	c.setReadDeadline(time.Time{})
	l := &look{done: make(chan struct{})}
	c.look = l
	go func() {
		defer close(l.done)
		var err error
		if l.n, err = c.nc.Read(l.got[:]); err != nil && !l.over.Load() {
			c.life.end()
		}
	}()
}

// stopLooking ends the goroutine and keeps what it has read.
func (c *conn) stopLooking() {
	l := c.look
	if l == nil {
		return
	}
	c.look = nil
	l.over.Store(true)
	c.setReadDeadline(time.Unix(1, 0))
	<-l.done
	if l.n > 0 {
		c.makeRoom()
		c.work.in[c.to] = l.got[0]
		c.to++
	}
}
