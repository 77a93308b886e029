package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	eventCPU       = "server CPU per event"
	clientEventCPU = "client CPU per event"
	delivered      = "delivered"
	fanoutP50      = "until all have it, p50"
	fanoutMax      = "until all have it, max"
	watcherRSS     = "RSS per watcher"
)

// watchBatch is how many watches a loop opens before it waits for them: less
// than what a listener lets queue up.
const watchBatch = 200

// crowd is many stream watchers of one directory.
type crowd struct {
	*load
	watchers int
	events   atomic.Int64 // delivered to all of them together; the loops add
	target   atomic.Int64 // of events; the writer sets it before it writes
	reached  chan time.Time
	done     atomic.Bool
}

// watches asks to watch once. Its answer does not end.
type watches struct {
	heedless
	watch *request
}

func (s *watches) next() []byte { return s.watch.raw }

// runWatch has one writer put a key under the directory, wait until all
// watchers have the event, and put the next.
func runWatch(ctx context.Context, b *bench, s *server) (figures, error) {
	before, err := s.rss()
	if err != nil {
		return nil, err
	}
	c, err := b.gather(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("open watches: %w", err)
	}
	defer c.close()
	after, err := s.rss()
	if err != nil {
		return nil, err
	}

	writer, err := dialLoad(s.addrs(), 1, 1, func(int) source { return &puts{put: s.putRequest(), space: b.space} })
	if err != nil {
		return nil, err
	}
	defer writer.close()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.each(ctx, c.listen); err != nil {
			stop(err)
		}
	})
	var took histogram
	spent, err := costOf(s, func() error {
		for began := time.Now(); time.Since(began) < b.measured || took.count < 3; {
			d, err := c.fanout(ctx, writer.loops[0])
			if err != nil {
				return err
			}
			took.add(d)
		}
		return nil
	})
	c.done.Store(true)
	wg.Wait()
	if err != nil {
		return nil, err
	}
	if err := c.check(int64(took.count)); err != nil {
		return nil, err
	}
	events := float64(c.events.Load())
	return figures{
		eventCPU:       spent.server.Seconds() * 1e6 / events,
		clientEventCPU: spent.client.Seconds() * 1e6 / events,
		delivered:      events,
		fanoutP50:      milliseconds(took.quantile(.50)),
		fanoutMax:      milliseconds(took.max),
		others:         spent.others,
		watcherRSS:     float64(after-before) / 1024 / float64(b.watchers),
	}, nil
}

// gather opens all watches and waits for their headers.
func (b *bench) gather(ctx context.Context, s *server) (*crowd, error) {
	ld, err := dialLoad(s.addrs(), b.loops, 0, nil)
	if err != nil {
		return nil, err
	}
	c := &crowd{load: ld, watchers: b.watchers, reached: make(chan time.Time, 1)} // one target at a time
	shares := make(map[*loop]int)
	for i, l := range ld.loops {
		shares[l] = (b.watchers + i) / len(ld.loops)
	}
	_, err = c.each(ctx, func(ctx context.Context, l *loop) error {
		for l.start = time.Now(); len(l.conns) < shares[l]; {
			if err := s.openWatches(ctx, l, min(watchBatch, shares[l]-len(l.conns))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		ld.close()
		return nil, err
	}
	return c, nil
}

// openWatches adds n watches to l and waits for their headers.
func (s *server) openWatches(ctx context.Context, l *loop, n int) error {
	first := len(l.conns)
	for range n {
		w := &watches{watch: newRequest("GET", s.host(), "/"+dir+"?wait=true&recursive=true&stream=true", 0)}
		c, err := l.dial(s.addr, w)
		if err != nil {
			return err
		}
		c.parser.countLines = true
		if _, err := l.send(c, l.now()); err != nil {
			return err
		}
	}
	for began := time.Now(); ; {
		waiting := 0
		for _, c := range l.conns[first:] {
			switch c.parser.status {
			case 200:
			case 0:
				waiting++
			default:
				return c.parser.refused()
			}
		}
		switch {
		case waiting == 0:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case time.Since(began) > patience:
			return fmt.Errorf("%d watches had no headers in %v", waiting, patience)
		}
		if _, err := l.receive(); err != nil {
			return err
		}
	}
}

// receive reads what has arrived on watches and returns how many events that
// was. No answer ends.
func (l *loop) receive() (events int64, err error) {
	ready, err := l.wait(checkEvery)
	if err != nil {
		return 0, err
	}
	for _, e := range ready {
		c := l.conns[e.Fd]
		before := c.parser.lines
		done, err := l.read(c)
		if err != nil {
			return 0, err
		}
		if done {
			return 0, fmt.Errorf("a stream ended with status %d", c.parser.status)
		}
		events += c.parser.lines - before
	}
	return events, nil
}

// listen counts events until done, and tells the writer when the target is
// reached.
func (c *crowd) listen(ctx context.Context, l *loop) error {
	for !c.done.Load() && ctx.Err() == nil {
		n, err := l.receive()
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		// Only the loop that steps onto the target, or over it, tells.
		sum, target := c.events.Add(n), c.target.Load()
		if sum-n < target && target <= sum {
			c.reached <- time.Now()
		}
	}
	return nil
}

// fanout writes once and returns how long it took until all watchers had it.
func (c *crowd) fanout(ctx context.Context, writer *loop) (time.Duration, error) {
	c.target.Add(int64(c.watchers))
	began := time.Now()
	// A run sends at least once, and this one has no time for more.
	if err := writer.run(ctx, time.Nanosecond); err != nil {
		return 0, err
	}
	if err := writer.counts.err(); err != nil {
		return 0, err
	}
	select {
	case at := <-c.reached:
		return at.Sub(began), nil
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	case <-time.After(patience):
		return 0, fmt.Errorf("%d of %d events delivered in %v", c.events.Load(), c.target.Load(), patience)
	}
}

// check makes sure that each watcher has each of n events, and only once.
func (c *crowd) check(n int64) error {
	for _, l := range c.loops {
		for _, w := range l.conns {
			if w.parser.lines != n {
				return fmt.Errorf("a watcher has %d events of %d", w.parser.lines, n)
			}
		}
	}
	return nil
}
