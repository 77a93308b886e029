package main

import (
	"context"
	"net"
	"sync"
	"time"
)

// load is a number of connections to one server, shared out among loops.
type load struct {
	loops []*loop
}

// dialLoad opens conns connections, to each of addrs in turn, each with its own
// source.
func dialLoad(addrs []*net.TCPAddr, loops, conns int, newSource func(i int) source) (*load, error) {
	ld := &load{}
	for range loops {
		l, err := newLoop()
		if err != nil {
			ld.close()
			return nil, err
		}
		ld.loops = append(ld.loops, l)
	}
	for i := range conns {
		if _, err := ld.loops[i%len(ld.loops)].dial(addrs[i%len(addrs)], newSource(i)); err != nil {
			ld.close()
			return nil, err
		}
	}
	return ld, nil
}

func (ld *load) close() {
	for _, l := range ld.loops {
		l.close()
	}
}

// run runs all loops (see loop.run) and adds up what came of it. Answers that
// are not what they should be are an error of outcome, not of run.
func (ld *load) run(ctx context.Context, d time.Duration) (*outcome, error) {
	return ld.each(ctx, func(ctx context.Context, l *loop) error { return l.run(ctx, d) })
}

// each runs f for all loops at a time; the first error ends the others.
func (ld *load) each(ctx context.Context, f func(context.Context, *loop) error) (*outcome, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for _, l := range ld.loops {
		wg.Go(func() {
			if err := f(ctx, l); err != nil {
				stop(err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	total := &outcome{}
	for _, l := range ld.loops {
		total.merge(&l.counts)
	}
	return total, nil
}
