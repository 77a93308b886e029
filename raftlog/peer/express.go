package peer

import (
	"sync"
	"time"
)

// maxExpress bounds what Send writes itself, on the time of the raft loop.
const maxExpress = 64 << 10

// A line is the way to the peer's connection. One goroutine at a time is on
// it: the writer, which may wait there, or one that sends, which never does.
type line struct {
	sync.Mutex
	batch *batch // nil while there is no connection
}

// take puts b on the line, or takes what was there from it.
func (l *line) take(b *batch) {
	l.Lock()
	defer l.Unlock()
	l.batch = b
}

// express sends what waits for the peer at once, if it is little, nobody else
// is at it, and the connection takes it without waiting. What is left is for
// the writer. Waking the writer for each message would cost more than the
// message, and a lone client's write takes four of them.
func (p *peer) express() {
	if !p.line.TryLock() {
		signal(p.queue.wake)
		return
	}
	defer p.line.Unlock()
	if b := p.line.batch; b == nil || !b.express() {
		signal(p.queue.wake)
	}
}

// express reports whether nothing is left to do for the writer.
func (b *batch) express() bool {
	if len(b.buf) > 0 || b.raw == nil {
		return false
	}
	b.collect(maxExpress)
	if len(b.buf) == 0 {
		return b.p.queue.empty()
	}
	if len(b.buf) <= maxExpress && b.tryWrite() != nil {
		return false
	}
	return len(b.buf) == 0 && b.p.queue.empty()
}

// tryWrite writes what the connection takes now of buf. An error is left for
// the writer to meet.
func (b *batch) tryWrite() error {
	if err := b.conn.SetWriteDeadline(time.Now().Add(b.p.t.config.patience())); err != nil {
		return err
	}
	if err := b.raw.Write(b.once); err != nil {
		return err
	}
	b.p.stats.Sent(b.wrote)
	b.shift(b.wrote)
	return nil
}

// writeOnce is b.once: it never waits.
func (b *batch) writeOnce(fd uintptr) (done bool) {
	n, err := writeNow(fd, b.buf)
	b.wrote = 0
	if err == nil {
		b.wrote = n
	}
	return true
}

// shift forgets the first n bytes of buf.
func (b *batch) shift(n int) {
	b.buf = b.buf[:copy(b.buf, b.buf[n:])]
	if len(b.buf) == 0 && cap(b.buf) > keepSize {
		b.buf = nil
	}
}
