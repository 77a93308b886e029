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
	throngSize     = "watchers"
	busyWatcherRSS = "RSS per watcher, after events"
)

// watchRows are the rows of a scenario of many watchers of one directory.
func watchRows() []row {
	return []row{
		{figure: eventCPU, unit: "us/event", digits: 2, floor: floor{ratioAtMost, .6}},
		{figure: clientEventCPU, unit: "us/event", digits: 2},
		{figure: delivered, unit: "events"},
		{figure: fanoutP50, unit: "ms", digits: 1},
		{figure: fanoutMax, unit: "ms", digits: 1},
		{figure: watcherRSS, unit: "KiB", digits: 1, floor: floor{oursAtMost, 16}},
		{figure: busyWatcherRSS, unit: "KiB", digits: 1},
	}
}

// watchBatch is how many watches a loop opens before it waits for them: less
// than what a listener lets queue up.
const watchBatch = 200

// crowd is many watchers of one directory, of one kind.
type crowd struct {
	*load
	watchers  int
	newSource func() source
	stream    bool                            // each event is a line of an answer that does not end
	received  func(l *loop) func(*conn) error // makes what hears of answers that end
	idle      func() error                    // called before the first event; nil is nothing

	events  atomic.Int64 // delivered to all of them together; the loops add
	target  atomic.Int64 // of events; the writer sets it before it writes
	reached chan time.Time
	done    atomic.Bool
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
	return b.measureCrowd(ctx, s, s.streamers(b.watchers))
}

func runThrong(ctx context.Context, b *bench, s *server) (figures, error) {
	n := min(b.throng, b.mostConns)
	f, err := b.measureCrowd(ctx, s, s.streamers(n))
	if err != nil {
		return nil, err
	}
	f[throngSize] = float64(n)
	return f, nil
}

// streamers is a crowd whose watches are streams.
func (s *server) streamers(n int) *crowd {
	target := "/" + dir + "?wait=true&recursive=true&stream=true"
	return &crowd{
		watchers:  n,
		newSource: func() source { return &watches{watch: newRequest("GET", s.host(), target, 0)} },
		stream:    true,
		received:  func(*loop) func(*conn) error { return ended },
	}
}

// ended is for connections whose answers do not end.
func ended(c *conn) error {
	return fmt.Errorf("a stream ended with status %d", c.parser.status)
}

// measureCrowd opens the watches of c and closes them when it has measured.
func (b *bench) measureCrowd(ctx context.Context, s *server, c *crowd) (figures, error) {
	before, err := s.rss()
	if err != nil {
		return nil, err
	}
	if err := b.gather(ctx, s, c); err != nil {
		return nil, fmt.Errorf("open watches: %w", err)
	}
	defer c.close()
	after, err := s.rss()
	if err != nil {
		return nil, err
	}
	if c.idle != nil {
		if err := c.idle(); err != nil {
			return nil, err
		}
	}
	writer, err := dialLoad(s.addrs(), 1, 1, func(int) source { return &puts{put: s.putRequest(), space: b.space} })
	if err != nil {
		return nil, err
	}
	defer writer.close()
	took, spent, err := b.write(ctx, s, c, writer.loops[0])
	if err != nil {
		return nil, err
	}
	busy, err := s.rss()
	if err != nil {
		return nil, err
	}
	each := 1 / 1024. / float64(c.watchers)
	events := float64(c.events.Load())
	return figures{
		eventCPU:       spent.server.Seconds() * 1e6 / events,
		clientEventCPU: spent.client.Seconds() * 1e6 / events,
		delivered:      events,
		fanoutP50:      milliseconds(took.quantile(.50)),
		fanoutMax:      milliseconds(took.max),
		others:         spent.others,
		watcherRSS:     float64(after-before) * each,
		busyWatcherRSS: float64(busy-before) * each,
	}, nil
}

// write has the writer write for a while, and makes sure that all have all.
func (b *bench) write(ctx context.Context, s *server, c *crowd, writer *loop) (took histogram, spent cost, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := c.each(ctx, c.listen); err != nil {
			stop(err)
		}
	})
	spent, err = costOf(s, func() error {
		for began := time.Now(); time.Since(began) < b.measured || took.count < 3; {
			d, err := c.fanout(ctx, writer)
			if err != nil {
				return err
			}
			took.add(d)
		}
		return nil
	})
	c.done.Store(true)
	wg.Wait()
	if err == nil {
		err = c.check(int64(took.count))
	}
	return took, spent, err
}

// gather opens all watches of c and waits for their headers.
func (b *bench) gather(ctx context.Context, s *server, c *crowd) error {
	ld, err := dialLoad(s.addrs(), b.loops, 0, nil)
	if err != nil {
		return err
	}
	c.load, c.reached = ld, make(chan time.Time, 1) // one target at a time
	shares := make(map[*loop]int)
	for i, l := range ld.loops {
		shares[l] = (c.watchers + i) / len(ld.loops)
	}
	_, err = c.each(ctx, func(ctx context.Context, l *loop) error {
		for l.begin(); len(l.conns) < shares[l]; {
			if err := c.open(ctx, s, l, min(watchBatch, shares[l]-len(l.conns))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		ld.close()
	}
	return err
}

// open adds n watches to l and waits for their headers.
func (c *crowd) open(ctx context.Context, s *server, l *loop, n int) error {
	first := len(l.conns)
	for range n {
		w, err := l.dial(s.addr, c.newSource())
		if err != nil {
			return err
		}
		w.parser.countLines = c.stream
		if _, err := l.send(w, l.now()); err != nil {
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
		if _, err := l.receive(ended); err != nil {
			return err
		}
	}
}

// receive reads what has arrived on watches and returns how many events that
// was. answered hears of answers that end.
func (l *loop) receive(answered func(*conn) error) (events int64, err error) {
	ready, err := l.wait(checkEvery)
	if err != nil {
		return 0, err
	}
	for _, e := range ready {
		c := l.conns[e.Fd]
		before := c.received()
		if err := l.read(c, answered); err != nil {
			return 0, err
		}
		events += c.received() - before
	}
	return events, nil
}

// received is how many events have come on c.
func (c *conn) received() int64 { return c.events + c.parser.lines }

// listen counts events until done, and tells the writer when the target is
// reached.
func (c *crowd) listen(ctx context.Context, l *loop) error {
	answered := c.received(l)
	for !c.done.Load() && ctx.Err() == nil {
		n, err := l.receive(answered)
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
			if w.received() != n {
				return fmt.Errorf("a watcher has %d events of %d", w.received(), n)
			}
		}
	}
	return nil
}
