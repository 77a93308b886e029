package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// maxWrite is about how many bytes are written at once. Between two writes
// what is urgent gets its turn.
const maxWrite = 1 << 20

var (
	errSilent    = errors.New("the peer has fallen silent")
	errPeerEnded = errors.New("the peer ended the stream")
)

// write is the peer's writer: it keeps a stream to it open until ctx is done.
func (p *peer) write(ctx context.Context) {
	var trouble string // what the operator was told
	var next int       // the URL to try
	pause := pause{least: p.t.config.minPause(), most: p.t.config.maxPause()}
	for ctx.Err() == nil {
		c, err := p.connect(ctx, &next)
		if err != nil {
			if ctx.Err() == nil {
				p.troubled(&trouble, err)
				p.expire()
				p.lost(p.queue.takeLost(), !p.queue.empty())
			}
			pause.wait(ctx, p.redial)
			continue
		}
		trouble = ""
		began := time.Now()
		err = p.carry(ctx, c.conn)
		next++
		p.closed(ctx, err)
		if time.Since(began) < 10*p.t.config.Tick {
			pause.wait(ctx, p.redial)
			continue
		}
		pause.reset()
	}
}

// connect opens a stream to one of the peer's URLs; the first to be tried is
// that at next.
func (p *peer) connect(ctx context.Context, next *int) (call, error) {
	err := errNoURL
	refused := true
	urls := p.urls()
	for range urls {
		raw := urls[*next%len(urls)]
		var c call
		c, err = p.call(ctx, raw, http.MethodGet, pathStream,
			http.Header{"Connection": {"Upgrade"}, "Upgrade": {upgrade}}, http.StatusSwitchingProtocols)
		if err == nil {
			return c, nil
		}
		var r *refusal
		if errors.As(err, &r) && r.removed() {
			p.t.removed()
		}
		refused = refused && isRefused(err)
		*next++
	}
	if refused && len(urls) > 0 {
		p.gone()
	}
	return call{}, err
}

// lost tells the receiver about messages that did not get through, or do not
// as yet.
func (p *peer) lost(n int, waiting bool) {
	if n > 0 {
		p.stats.SendFailed(n)
	}
	if n > 0 || waiting {
		p.self.Receiver.ReportUnreachable(p.id)
	}
}

// opened notes that the stream to the peer works. Who sees that it does may
// rely on the queue's keeping what is sent.
func (p *peer) opened() {
	p.expire()
	p.queue.setOpen(true)
	p.change(nil, func() { p.mu.out, p.mu.alive = p.t.config.Now(), true })
}

// expire drops what has waited too long for a stream.
func (p *peer) expire() { p.queue.expire(time.Now().Add(-10 * p.t.config.Tick)) }

// closed notes that the stream to the peer has ended. What was on its way may
// or may not have arrived.
func (p *peer) closed(ctx context.Context, reason error) {
	p.queue.setOpen(false)
	p.queue.drop()
	p.sent.forget()
	p.change(reason, func() { p.mu.out = time.Time{} })
	p.stats.SendFailed(p.queue.takeLost())
	if ctx.Err() == nil {
		p.self.Receiver.ReportUnreachable(p.id)
	}
}

// carry writes the messages that wait for the peer to conn until ctx is done
// or the stream ends. conn is closed then.
func (p *peer) carry(ctx context.Context, conn net.Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer closeWith(ctx, conn)()
	wg.Go(func() { cancel(heed(conn, p.t.config.patience())) })

	p.opened()
	pulse := time.NewTicker(p.t.config.pulse())
	defer pulse.Stop()
	b := newBatch(p, conn)
	p.line.take(b)
	defer p.line.take(nil)
	beat := false
	for {
		if err := p.drain(b, beat); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		beat = false
		select {
		case <-p.queue.wake:
		case <-pulse.C:
			beat = true
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// heed reads the signs of life that the peer gives on a stream to it, and
// returns when there are none for too long.
func heed(conn net.Conn, patience time.Duration) error {
	var signs [64]byte
	for {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		_, err := conn.Read(signs[:])
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return errSilent
		case errors.Is(err, io.EOF):
			return errPeerEnded
		case err != nil:
			return err
		}
	}
}

// drain writes all that waits, with a sign of life if beat is set.
func (p *peer) drain(b *batch, beat bool) error {
	p.line.Lock()
	defer p.line.Unlock()
	if beat {
		b.buf = append(b.buf, 0, 0, 0, 0)
	}
	return b.write()
}

// A batch is what is sent at once. Who is on the line owns it.
type batch struct {
	p        *peer
	conn     net.Conn
	messages []*raftpb.Message
	buf      []byte
	count    int // messages in buf
	appends  int // those of them that are appends

	// For express.
	raw   syscall.RawConn // nil: conn has none
	once  func(fd uintptr) (done bool)
	wrote int
}

func newBatch(p *peer, conn net.Conn) *batch {
	b := &batch{p: p, conn: conn, raw: rawConn(conn)}
	b.once = b.writeOnce
	return b
}

// write sends all that waits, and what is in buf before it.
func (b *batch) write() error {
	for {
		b.collect(maxWrite)
		if len(b.buf) == 0 {
			return nil
		}
		if err := b.flush(); err != nil {
			b.p.stats.SendFailed(b.count)
			for range b.appends {
				b.p.self.Stats.Leader.Missed(b.p.id.String())
			}
			return err
		}
	}
}

// collect adds what waits to buf, up to about limit bytes of it.
func (b *batch) collect(limit int) {
	b.messages = b.p.queue.next(b.messages[:0], limit)
	now := b.p.t.config.Now()
	if len(b.buf) == 0 {
		b.count, b.appends = 0, 0
	}
	b.count += len(b.messages)
	for _, m := range b.messages {
		if err := b.add(m, now); err != nil {
			b.p.t.log.Error(fmt.Sprintf("cannot send a message to peer %v", b.p.id), "type", m.GetType(), "error", err)
			b.p.lost(1, false)
		}
		if m.GetType() == raftpb.MsgApp {
			b.appends++
		}
	}
	clear(b.messages)
}

// add puts m into buf.
func (b *batch) add(m *raftpb.Message, now time.Time) error {
	start := len(b.buf)
	buf, err := appendFrame(b.buf, m)
	b.buf = buf
	if err == nil && m.GetType() == raftpb.MsgApp {
		b.p.self.Stats.Self.SentAppend(len(buf)-start, now)
		b.p.sent.add(m, now)
	}
	return err
}

// flush writes buf with one call. A peer that reads nothing would be found out
// by its silence; the deadline is for connections that do not know of it.
func (b *batch) flush() error {
	grace := time.Duration(len(b.buf)) * time.Second / (256 << 10)
	if err := b.conn.SetWriteDeadline(time.Now().Add(b.p.t.config.patience() + grace)); err != nil {
		return err
	}
	n, err := b.conn.Write(b.buf)
	b.p.stats.Sent(n)
	if b.buf = b.buf[:0]; cap(b.buf) > keepSize {
		b.buf = nil
	}
	return err
}

// A pause is the time between two attempts. It doubles from the least to the
// most, and is cut at random so that members do not move in step.
type pause struct {
	least, most, now time.Duration
}

func (w *pause) reset() { w.now = 0 }

// wait returns after the pause, when ctx is done, or at a signal, which makes
// the next pause the least again.
func (w *pause) wait(ctx context.Context, signal <-chan struct{}) {
	w.now = min(max(2*w.now, w.least), w.most)
	timer := time.NewTimer(w.now/2 + rand.N(w.now/2+1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-signal:
		w.reset()
	case <-ctx.Done():
	}
}
