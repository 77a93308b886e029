package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog/member"
	"keytree/stats"
)

// A peer is another member: the messages that wait for it and the streams
// between it and this one.
type peer struct {
	t     *Transport
	id    member.ID
	self  *Attachment
	stats *stats.Peer
	guest bool // it is not among the members, as far as is known; guarded by t.mu

	queue  *queue
	line   line
	sent   appends
	redial chan struct{} // holds a token when it is worth trying at once
	check  chan struct{} // holds a token when a probe is due

	mu struct { // everything inside is guarded
		sync.Mutex
		urls    []string
		ctx     context.Context // ends with Run, or when the member leaves; nil before
		cancel  context.CancelCauseFunc
		out, in time.Time // since when the streams work; zero if they do not
		stream  *incoming // the one that in stands for
		alive   bool      // a stream worked, and its process has not been found gone since
	}
}

var (
	errLeft     = errors.New("it is not a member any more")
	errReplaced = errors.New("a new stream of the peer took its place")
	errNoURL    = errors.New("the member has no peer URL")
)

func newPeer(t *Transport, a *Attachment, id member.ID) *peer {
	return &peer{
		t: t, id: id, self: a, stats: a.Stats.Peers.Peer(id.String()),
		queue: newQueue(), redial: make(chan struct{}, 1), check: make(chan struct{}, 1),
	}
}

// start has the peer's goroutines run until ctx is done. t.mu must be held.
func (p *peer) start(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	p.mu.Lock()
	p.mu.ctx, p.mu.cancel = ctx, cancel
	p.mu.Unlock()
	p.t.wg.Go(func() { p.write(ctx) })
	p.t.wg.Go(func() { p.probe(ctx) })
}

// stop ends the peer's goroutines and streams, without waiting.
func (p *peer) stop() {
	p.mu.Lock()
	cancel := p.mu.cancel
	p.mu.Unlock()
	if cancel != nil {
		cancel(errLeft)
	}
}

func (p *peer) setURLs(urls []string) {
	p.mu.Lock()
	changed := !slices.Equal(p.mu.urls, urls)
	p.mu.urls = slices.Clone(urls)
	p.mu.Unlock()
	if changed {
		signal(p.redial)
	}
}

func (p *peer) urls() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.urls
}

// send never blocks. What was put in is to be sent by express.
func (p *peer) send(m *raftpb.Message) {
	if p.queue.put(m) {
		p.self.Receiver.ReportUnreachable(p.id)
	}
}

func (p *peer) connected() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.both()
}

// both is since when messages pass both ways. p.mu must be held.
func (p *peer) both() time.Time {
	if p.mu.out.IsZero() || p.mu.in.IsZero() {
		return time.Time{}
	}
	if p.mu.in.After(p.mu.out) {
		return p.mu.in
	}
	return p.mu.out
}

// change edits the state of the streams, and tells what follows from it.
func (p *peer) change(reason error, edit func()) {
	p.mu.Lock()
	was := !p.both().IsZero()
	edit()
	is := !p.both().IsZero()
	if was != is {
		p.stats.Active(is)
	}
	p.mu.Unlock()
	switch {
	case was && !is:
		p.t.log.Info(fmt.Sprintf("peer %v became inactive", p.id), "reason", reason)
	case is && !was:
		p.t.log.Info(fmt.Sprintf("peer %v became active", p.id))
		signal(p.check)
	}
}

// An incoming is a stream that the peer opened.
type incoming struct{ cancel context.CancelCauseFunc }

// attend reads a stream of the peer until it ends or ctx does. It takes the
// place of an older one.
func (p *peer) attend(ctx context.Context, conn net.Conn, early []byte, version string) {
	inner, cancel := context.WithCancelCause(ctx)
	s := &incoming{cancel}
	release := closeWith(inner, conn)
	var old *incoming
	p.change(nil, func() {
		old, p.mu.stream = p.mu.stream, s
		p.mu.in, p.mu.alive = p.t.config.Now(), true
	})
	if old != nil {
		old.cancel(errReplaced)
	}
	p.t.log.Debug(fmt.Sprintf("peer %v opened a stream", p.id), "version", version)
	signal(p.redial)

	err := p.receive(inner, conn, early)
	cancel(err)
	release()
	last := false
	p.change(err, func() {
		if last = p.mu.stream == s; last {
			p.mu.stream, p.mu.in = nil, time.Time{}
		}
	})
	if last {
		p.checkGone(ctx)
	}
}

func (p *peer) hears() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.stream != nil
}

// gone is called when all URLs of the peer have refused a connection. That
// says something only if it was there before, and is not still heard.
func (p *peer) gone() {
	p.mu.Lock()
	news := p.mu.alive && p.mu.stream == nil
	if news {
		p.mu.alive = false
	}
	p.mu.Unlock()
	if news {
		p.t.log.Info(fmt.Sprintf("the process of peer %v is gone", p.id))
		p.self.Receiver.Gone(p.id)
	}
}

// checkGone finds out whether the peer's process ended with its stream. A
// dying process may lose its listener a moment after its connections.
func (p *peer) checkGone(ctx context.Context) {
	for _, wait := range []time.Duration{0, 2 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
		if !sleep(ctx, wait) || p.hears() {
			return
		}
		switch err := p.knock(ctx); {
		case err == nil: // somebody is there, as yet
		case isRefused(err):
			p.gone()
			return
		default:
			return
		}
	}
}

// knock connects to all URLs of the peer at once, and is nil if one of them
// lets us. Otherwise it is a refusal only if all of them refused.
func (p *peer) knock(ctx context.Context) error {
	urls := p.urls()
	if len(urls) == 0 {
		return errNoURL
	}
	ctx, cancel := context.WithTimeout(ctx, p.t.config.dialTimeout())
	defer cancel()
	results := make([]error, len(urls))
	var wg sync.WaitGroup
	for i, u := range urls {
		wg.Go(func() {
			conn, err := p.t.knock(ctx, u)
			if err == nil {
				_ = conn.Close() // nothing was written
			}
			if results[i] = err; !isRefused(err) {
				cancel() // settled: the others need not be waited for
			}
		})
	}
	wg.Wait()
	refusal := error(nil)
	for _, err := range results {
		switch {
		case err == nil:
			return nil
		case !isRefused(err):
			refusal = err
		case refusal == nil:
			refusal = err
		}
	}
	return refusal
}

// refusedOnWindows is that system's own number, which package syscall does not
// take for the one it has.
const refusedOnWindows = syscall.Errno(10061)

func isRefused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, refusedOnWindows)
}

// sleep reports whether ctx lasted as long.
func sleep(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// closeWith closes c when ctx ends, or when the returned function is called,
// which returns when c is closed.
func closeWith(ctx context.Context, c net.Conn) (release func()) {
	stop := onceDone(ctx, func() { _ = c.Close() }) // what matters was read, or is lost anyway
	return func() {
		if stop() {
			_ = c.Close() // as above
		}
	}
}

// onceDone calls f when ctx ends, unless stop is called before. stop is called
// once; it reports whether f is not called, and if it is, waits for its end.
func onceDone(ctx context.Context, f func()) (stop func() bool) {
	ended := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(ended)
		f()
	})
	return func() bool {
		if cancel() {
			return true
		}
		<-ended
		return false
	}
}
