package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"keytree/scripts/process"
)

// connections are those that requests come from.
const connections = 32

// measureRequests sends requests to one part and shows what they cost.
func (p plan) measureRequests(ctx context.Context, f *formation, method, what string, at *part) error {
	before, err := f.usage()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := p.send(ctx, method, at.Addr); err != nil {
		return err
	}
	rate := float64(p.requests) / time.Since(start).Seconds()
	time.Sleep(500 * time.Millisecond) // what followers have yet to do
	after, err := f.usage()
	if err != nil {
		return err
	}
	per := func(a, b spent) string {
		return fmt.Sprintf("%.2f s", (b.cpu-a.cpu).Seconds()/float64(p.requests)*100_000)
	}
	fmt.Printf("%-44s %14s %14s %14s\n", fmt.Sprintf("CPU of 100k %s at %s (%.0f/s)", method, what, rate),
		per(before.voter, after.voter), per(before.learners, after.learners), per(before.proxies, after.proxies))
	return nil
}

func (p plan) send(ctx context.Context, method, address string) error {
	errs := make([]error, connections)
	var senders sync.WaitGroup
	for i := range connections {
		senders.Go(func() {
			c := process.NewConn(address)
			defer c.Close()
			for n := i; n < p.requests && errs[i] == nil; n += connections {
				q := process.Request{Method: method, Target: fmt.Sprintf("/v2/keys/load/%d", n%10_000)}
				if method == "PUT" {
					q.Header, q.Body = process.Form(), []byte("value="+strings.Repeat("x", p.value))
				}
				a, err := c.Do(ctx, q)
				if err == nil && a.Status > 201 {
					err = fmt.Errorf("%s %s: %d %s", method, q.Target, a.Status, a.Body)
				}
				errs[i] = err
			}
		})
	}
	senders.Wait()
	return errors.Join(errs...)
}

// measureWatchers has a crowd watch at some parts and shows what an event
// costs, and a watcher.
func (p plan) measureWatchers(ctx context.Context, f *formation, what string, at []*part) error {
	calm, err := f.usage()
	if err != nil {
		return err
	}
	c, err := p.gather(ctx, at)
	if err != nil {
		return err
	}
	defer c.leave()
	time.Sleep(time.Second)
	before, err := f.usage()
	if err != nil {
		return err
	}
	if err := p.happen(ctx, f); err != nil {
		return err
	}
	if err := c.await(ctx, int64(p.watchers*p.events)); err != nil {
		return err
	}
	after, err := f.usage()
	if err != nil {
		return err
	}
	cpu := func(a, b spent) string {
		return fmt.Sprintf("%.2f ms", (b.cpu-a.cpu).Seconds()*1000/float64(p.events))
	}
	rss := func(a, b spent) string { return fmt.Sprintf("%.1f KiB", float64(b.rss-a.rss)/1024/float64(p.watchers)) }
	what = fmt.Sprintf("%d watchers at %s", p.watchers, what)
	fmt.Printf("%-44s %14s %14s %14s\n", what+": CPU/event", cpu(before.voter, after.voter), cpu(before.learners, after.learners), cpu(before.proxies, after.proxies))
	fmt.Printf("%-44s %14s %14s %14s\n", "  memory per watcher", rss(calm.voter, after.voter), rss(calm.learners, after.learners), rss(calm.proxies, after.proxies))
	return nil
}

// crowd is many watchers.
type crowd struct {
	cancel  context.CancelFunc
	gone    sync.WaitGroup
	streams []*process.Stream
	got     atomic.Int64
}

// gather opens the streams of a crowd, as many at each part.
func (p plan) gather(ctx context.Context, at []*part) (*crowd, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &crowd{cancel: cancel}
	for i := range p.watchers {
		s, err := process.Open(ctx, at[i%len(at)].Addr, process.Request{Method: "GET", Target: "/v2/keys/watched?wait=true&recursive=true&stream=true"})
		if err != nil {
			c.leave()
			return nil, fmt.Errorf("watcher %d: %w", i, err)
		}
		c.streams = append(c.streams, s)
		c.gone.Go(func() {
			for {
				if _, err := s.Line(); err != nil {
					return // it was closed, or events will be missing
				}
				c.got.Add(1)
			}
		})
	}
	return c, nil
}

func (c *crowd) leave() {
	c.cancel()
	for _, s := range c.streams {
		s.Close()
	}
	c.gone.Wait()
}

// happen makes the events.
func (p plan) happen(ctx context.Context, f *formation) error {
	c := process.NewConn(f.voter.Addr)
	defer c.Close()
	for i := range p.events {
		a, err := c.Do(ctx, process.Request{Method: "PUT", Target: fmt.Sprintf("/v2/keys/watched/%d", i%10), Header: process.Form(), Body: []byte("value=" + strings.Repeat("x", p.value))})
		if err != nil {
			return err
		}
		if a.Status > 201 {
			return fmt.Errorf("an event: %d %s", a.Status, a.Body)
		}
		time.Sleep(p.pause)
	}
	return nil
}

// await waits until the crowd has got so many events.
func (c *crowd) await(ctx context.Context, want int64) error {
	for end := time.Now().Add(patience); c.got.Load() < want; time.Sleep(10 * time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d events arrived, of %d", c.got.Load(), want)
		}
	}
	return nil
}
