package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"keytree/scripts/process"
)

// What both servers tell others about themselves. The ids in answers are made
// of these, so they are the ones of the recorded scenarios and equal on both
// sides; nobody connects to them.
const (
	advertisedClient = "http://127.0.0.1:21379"
	advertisedPeer   = "http://127.0.0.1:21380"
)

// answerTime bounds a request that ought to be answered at once.
const answerTime = 20 * time.Second

// A bench starts pairs of servers.
type bench struct {
	etcd, keytree         string   // programs
	etcdArgs, keytreeArgs []string // flags each needs to serve v2
	engine                string   // of keytree, if that is not an etcd
	dir                   string
	ports                 process.Ports
}

// A pair is one server of each kind on an empty directory, fed with the same
// requests in lockstep.
type pair struct {
	etcd, keytree *side
	dir           string
}

type side struct {
	server *process.Server
	conn   *process.Conn
}

// start starts a pair and waits until both stand at the same index.
func (b *bench) start(ctx context.Context, corsOff bool) (_ *pair, err error) {
	p := &pair{}
	if p.dir, err = os.MkdirTemp(b.dir, "pair-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	etcdArgs := b.etcdArgs
	if corsOff {
		// An empty list is refused, one that names nobody's origin is not.
		etcdArgs = append(etcdArgs[:len(etcdArgs):len(etcdArgs)], "--cors=http://nobody.invalid:80")
	}
	if p.etcd, err = b.startSide(ctx, b.etcd, p.dir+"/etcd", etcdArgs); err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	keytreeArgs := []string{"--http-engine", b.engine}
	if b.keytreeArgs != nil { // it is an etcd as well
		keytreeArgs = etcdArgs
	}
	if p.keytree, err = b.startSide(ctx, b.keytree, p.dir+"/keytree", keytreeArgs); err != nil {
		return nil, fmt.Errorf("keytree: %w", err)
	}
	ready, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	for _, s := range []*side{p.etcd, p.keytree} {
		if err = s.server.Ready(ready); err != nil {
			return nil, err
		}
	}
	if err = p.level(ready); err != nil {
		return nil, fmt.Errorf("fresh servers: %w", err)
	}
	return p, nil
}

func (b *bench) startSide(ctx context.Context, binary, dir string, args []string) (*side, error) {
	client, err := b.ports.Take()
	if err != nil {
		return nil, err
	}
	peer, err := b.ports.Take()
	if err != nil {
		return nil, err
	}
	s, err := process.Start(ctx, process.Config{
		Binary: binary, Dir: dir, Client: client, Peer: peer,
		AdvertiseClient: advertisedClient, AdvertisePeer: advertisedPeer, Args: args,
	})
	if err != nil {
		return nil, err
	}
	return &side{server: s, conn: process.NewConn(s.Addr)}, nil
}

// close ends both servers and removes what they stored.
func (p *pair) close() error {
	var errs []error
	for _, s := range []*side{p.etcd, p.keytree} {
		if s != nil {
			s.conn.Close()
			errs = append(errs, s.server.Kill())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

// both runs f for both sides at the same time.
func (p *pair) both(f func(s *side) reply) (etcd, keytree reply) {
	var wg sync.WaitGroup
	wg.Go(func() { keytree = f(p.keytree) })
	etcd = f(p.etcd)
	wg.Wait()
	return etcd, keytree
}

// do sends a request to both sides and waits for both answers.
func (p *pair) do(ctx context.Context, q process.Request) exchange {
	ctx, stop := context.WithTimeout(ctx, answerTime)
	defer stop()
	x := exchange{request: q}
	x.etcd, x.keytree = p.both(func(s *side) reply {
		a, err := s.conn.Do(ctx, q)
		return reply{a, err}
	})
	return x
}

// indexes asks both sides for X-Etcd-Index.
func (p *pair) indexes(ctx context.Context) (etcd, keytree uint64, err error) {
	x := p.do(ctx, process.Request{Method: "GET", Target: "/v2/keys"})
	if err := errors.Join(x.etcd.err, x.keytree.err); err != nil {
		return 0, 0, err
	}
	return x.etcd.Index("X-Etcd-Index"), x.keytree.Index("X-Etcd-Index"), nil
}

// level waits until both sides stand at the same index.
func (p *pair) level(ctx context.Context) error {
	return poll(ctx, 10*time.Millisecond, func() (bool, error) {
		a, b, err := p.indexes(ctx)
		if err != nil {
			return false, err
		}
		if a != b {
			return false, fmt.Errorf("X-Etcd-Index is %d on etcd and %d on keytree", a, b)
		}
		return true, nil
	})
}

// unwatched waits until both sides have noticed that nobody watches any more.
func (p *pair) unwatched(ctx context.Context) error {
	limit, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	const none = `"watchers":0}`
	return poll(limit, 20*time.Millisecond, func() (bool, error) {
		x := p.do(limit, process.Request{Method: "GET", Target: "/v2/stats/store"})
		if x.etcd.err != nil || x.keytree.err != nil {
			return false, errors.Join(x.etcd.err, x.keytree.err)
		}
		return strings.HasSuffix(string(x.etcd.Body), none) && strings.HasSuffix(string(x.keytree.Body), none), errors.New("watchers are left")
	})
}

// poll calls f until it says true. When ctx is done it returns what f last
// complained about.
func poll(ctx context.Context, every time.Duration, f func() (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		ok, err := f()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// A watching is a watch that both sides have accepted or refused.
type watching struct {
	request       process.Request
	etcd, keytree *feed
	stop          context.CancelFunc
}

// watch opens a watch on both sides and returns when both headers are there.
func (p *pair) watch(ctx context.Context, q process.Request) *watching {
	ctx, stop := context.WithCancel(ctx)
	w := &watching{request: q, stop: stop}
	var wg sync.WaitGroup
	wg.Go(func() { w.keytree = openFeed(ctx, p.keytree.server.Addr, q) })
	w.etcd = openFeed(ctx, p.etcd.server.Addr, q)
	wg.Wait()
	return w
}

// until waits until both feeds are as f wants them or have ended, at most d.
func (w *watching) until(ctx context.Context, d time.Duration, f func(f *feed) bool) {
	ctx, stop := context.WithTimeout(ctx, d)
	defer stop()
	for _, feed := range []*feed{w.etcd, w.keytree} {
		feed.until(ctx, f)
	}
}

// settle waits until nothing has come on either side for d.
func (w *watching) settle(ctx context.Context, d time.Duration) {
	w.etcd.settle(ctx, d)
	w.keytree.settle(ctx, d)
}

// close ends the watch and returns what came on both sides.
func (w *watching) close() exchange {
	x := exchange{request: w.request, events: true, etcd: w.etcd.reply(), keytree: w.keytree.reply()}
	w.stop()
	<-w.etcd.done
	<-w.keytree.done
	return x
}

// A feed collects the lines of one watch on one side.
type feed struct {
	head *process.Answer
	err  error // no head
	done chan struct{}

	mu struct {
		sync.Mutex
		lines []string
		ended bool
		news  chan struct{} // closed and replaced at every change
	}
}

func openFeed(ctx context.Context, addr string, q process.Request) *feed {
	f := &feed{done: make(chan struct{})}
	f.mu.news = make(chan struct{})
	opening, stop := context.WithCancelCause(ctx)
	timer := time.AfterFunc(answerTime, func() { stop(context.DeadlineExceeded) })
	s, err := process.Open(opening, addr, q)
	timer.Stop()
	if err != nil {
		f.err = err
		f.mu.ended = true
		stop(nil)
		close(f.done)
		return f
	}
	f.head = s.Answer
	go func() {
		defer close(f.done)
		defer stop(nil)
		defer s.Close()
		for {
			line, err := s.Line()
			if err != nil {
				f.change(func() { f.mu.ended = err == io.EOF })
				return
			}
			f.change(func() { f.mu.lines = append(f.mu.lines, string(line)) })
		}
	}()
	return f
}

func (f *feed) change(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	do()
	close(f.mu.news)
	f.mu.news = make(chan struct{})
}

// state returns what has come, whether that is all, and what is closed when
// there is more.
func (f *feed) state() (lines []string, ended bool, news <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.lines, f.mu.ended, f.mu.news
}

// over reports whether the server has ended the feed.
func (f *feed) over() bool {
	_, ended, _ := f.state()
	return ended
}

func (f *feed) until(ctx context.Context, want func(f *feed) bool) {
	for {
		_, ended, news := f.state()
		if ended || want(f) {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

func (f *feed) settle(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		_, ended, news := f.state()
		if ended {
			return
		}
		select {
		case <-news:
			timer.Reset(d)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// reply is what came so far, and as a last line whether the server ended it.
func (f *feed) reply() reply {
	if f.err != nil {
		return reply{err: f.err}
	}
	lines, ended, _ := f.state()
	a := *f.head
	if len(lines) > 0 {
		a.Body = []byte(strings.Join(lines, "\n") + "\n")
	}
	if a.Header = a.Header.Clone(); ended {
		a.Header.Set("(ended)", "by the server")
	}
	return reply{Answer: &a}
}
