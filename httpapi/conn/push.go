package conn

import (
	"strconv"
	"syscall"
	"time"
)

// maxPush is how long a piece may be that is pushed: a client that is slow
// just then leaves as much of it in memory.
const maxPush = 64 << 10

// push is a piece on its way, of little more than maxPush bytes, and what
// became of writing it.
type push struct {
	b   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

func newPush() *push {
	p := &push{}
	p.try = func(fd uintptr) bool {
		for {
			n, err := writeNow(fd, p.b)
			if err == syscall.EINTR {
				continue
			}
			p.n, p.err = max(n, 0), err
			return true // also where it would have to wait
		}
	}
	return p
}

// Push sends b as the next part of an answer that is being streamed, as far as
// that needs no waiting. Taken says that b is a part of the answer now, done
// that all of it is sent; if it is not, the next Flush sends the rest, or has
// the error. Other goroutines than the handler's may call it, one at a time,
// while that uses the answer for nothing else.
func (r *response) Push(b []byte) (taken, done bool) {
	c := r.conn
	if c.raw == nil || !r.flushed || !r.chunked || r.err != nil || len(b) == 0 || len(b) > maxPush ||
		c.work != nil && len(c.work.out)+len(c.work.body) > 0 {
		return false, false
	}
	if !c.writeBy.IsZero() { // one that has passed would fail what needs no time
		c.setWriteDeadline(time.Time{})
	}
	p := c.server.pushes.Get().(*push)
	defer c.server.pushes.Put(p)
	p.b = append(strconv.AppendUint(p.b[:0], uint64(len(b)), 16), crlf...)
	p.b = append(append(p.b, b...), crlf...)
	p.n, p.err = 0, nil
	err := c.raw.Write(p.try)
	switch {
	case err == nil && p.n == len(p.b):
		r.written += int64(len(b))
		return true, true
	case err == nil && p.err != nil && p.err != syscall.EAGAIN:
		err = p.err
	}
	c.failed(err)
	w := c.space()
	w.out = append(w.out, p.b[p.n:]...)
	return true, false
}
