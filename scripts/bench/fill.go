package main

import (
	"context"
	"fmt"
)

const (
	fillConns = 512 // group commit makes of many writers a few writes
	fillDepth = 8   // requests sent at once on a connection
)

// preload puts keys 0 to n-1 of dir, each once, fast.
func (b *bench) preload(ctx context.Context, s *server, dir string, n, size int) (*outcome, error) {
	return b.preloadAt(ctx, s, "/"+dir+"/"+keyPlace, 0, n, size)
}

// preloadAt puts the keys from first to last-1 at target, which has the place
// of their numbers.
func (b *bench) preloadAt(ctx context.Context, s *server, target string, first, last, size int) (*outcome, error) {
	conns := min(fillConns, last-first)
	ld, err := dialLoad(s.addrs(), b.loops, conns, func(i int) source {
		return &fill{
			put:  newRequest("PUT", s.host(), target, size),
			rnd:  random(i),
			key:  first + i,
			step: conns,
			keys: last,
		}
	})
	if err != nil {
		return nil, err
	}
	defer ld.close()
	out, err := ld.each(ctx, func(ctx context.Context, l *loop) error { return l.drain(ctx, fillDepth) })
	if err == nil {
		err = out.err()
	}
	if err != nil {
		return nil, fmt.Errorf("preload %d keys: %w", last-first, err)
	}
	return out, nil
}

// drain sends all requests that the sources have, depth of them at a time on a
// connection. Latency counts from when they were sent together.
func (l *loop) drain(ctx context.Context, depth int) error {
	l.begin()
	var batch []byte
	out := 0 // connections with requests that are not answered
	send := func(c *conn) error {
		batch = batch[:0]
		c.sent = l.now()
		for range depth {
			b := c.source.next()
			if b == nil {
				break
			}
			batch = append(batch, b...)
			c.out++
		}
		if c.out == 0 {
			return nil
		}
		out++
		return write(c.fd, batch)
	}
	for _, c := range l.conns {
		if err := send(c); err != nil {
			return err
		}
	}
	last := l.now()
	answered := func(c *conn) error {
		last = l.now()
		l.count(c, last)
		if c.out > 0 {
			return nil
		}
		out--
		return send(c)
	}
	for out > 0 {
		if err := l.answers(ctx, checkEvery, last, answered); err != nil {
			return err
		}
	}
	l.counts.elapsed = l.now()
	return nil
}
