package main

import (
	"context"
	"fmt"
	"time"
)

func linkScenarios() []scenario {
	return []scenario{
		{"slow-links", false, slowLinks},
		{"lossy-links", false, lossyLinks},
	}
}

// linkDelay is added in each direction.
const linkDelay = 50 * time.Millisecond

// slowLinks delays everything, then the leader's links only, then all by
// different times.
func slowLinks(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(1, 2) {
		all := names(t.cluster.all())
		t.hurt(fmt.Sprintf("all links slow: by %v", linkDelay), 0)
		t.cluster.network.slow(between(all, all), linkDelay)
		if err := t.busy(ctx, 5*time.Second); err != nil {
			return err
		}
		l, err := t.cluster.leader(ctx)
		if err != nil {
			return err
		}
		t.cluster.network.heal()
		t.hurt("leader slow: "+l.name, 0)
		t.cluster.network.slow(around(l.name, t.cluster.others(l)), linkDelay)
		if err := t.busy(ctx, 3*time.Second); err != nil {
			return err
		}
		t.cluster.network.heal()
		t.hurt("uneven links: up to twice as slow", 0)
		for _, r := range between(all, all) {
			t.cluster.network.slow([]route{r}, t.between(0, 2*linkDelay))
		}
		if err := t.busy(ctx, 5*time.Second); err != nil {
			return err
		}
		t.cluster.network.heal()
	}
	return t.settle(ctx)
}

// lossyLinks resets connections between members at random, and lets links
// stand still for a moment. (Packets cannot be lost in a relay.)
func lossyLinks(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	all := names(t.cluster.all())
	routes := between(all, all)
	t.hurt("lossy links: all", 0)
	end := t.record.now() + time.Duration(t.rounds(6, 30))*time.Second
	resets, stalls := 0, 0
	for t.record.now() < end && ctx.Err() == nil {
		pause(ctx, t.between(10*time.Millisecond, 300*time.Millisecond))
		if t.r.IntN(3) > 0 {
			t.cluster.network.resetOne(t.r)
			resets++
			continue
		}
		some := routes[t.r.IntN(len(routes))]
		t.cluster.network.cut([]route{some}, cutting{})
		pause(ctx, t.between(10*time.Millisecond, 400*time.Millisecond))
		t.cluster.network.heal()
		stalls++
	}
	t.note("%d connections reset, %d stalls", resets, stalls)
	return t.settle(ctx)
}
