package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"keytree/scripts/process"
)

// A probe writes at a member every few milliseconds, whether or not the last
// writes were answered, each to a key of its own. It tells when a cluster
// takes writes.
type probe struct {
	id       int // of its first lane
	instance *instance
	record   *record
}

const (
	probeEvery = 10 * time.Millisecond
	probeTime  = 300 * time.Millisecond // a write is given up then
	probers    = int(probeTime / probeEvery)
)

// run probes until ctx is done.
func (p *probe) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for n := range probers {
		wg.Go(func() {
			pause(ctx, time.Duration(n)*probeEvery)
			p.lane(ctx, n)
		})
	}
}

// lane writes once every probeTime.
func (p *probe) lane(ctx context.Context, n int) {
	c := &client{id: p.id + n, instance: p.instance, conn: process.NewConn(p.instance.addr()), record: p.record}
	defer c.conn.Close()
	tick := time.NewTicker(probeTime)
	defer tick.Stop()
	for k := 0; ctx.Err() == nil; k++ {
		name := fmt.Sprintf("%d.%d.%d", p.id, n, k)
		c.do(ctx, op{kind: set, key: "/p/" + name, value: "p" + name}, probeTime-probeEvery)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
