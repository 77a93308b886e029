package main

import (
	"context"
	"fmt"
	"time"
)

func pauseScenarios() []scenario {
	return []scenario{
		{"pause-leader", true, pauseLeader},
		{"pause-followers", false, pauseFollowers},
	}
}

// pauseLeader stops the leader's process from running for longer than an
// election takes. When it runs again it believes for a moment that it leads.
func pauseLeader(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(2, 8) {
		l, err := t.cluster.leader(ctx)
		if err != nil {
			return err
		}
		if err := t.pauseFor(ctx, "pause leader", t.between(1500*time.Millisecond, 4*time.Second), l); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

func pauseFollowers(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(2, 6) {
		f, err := t.aFollower(ctx)
		if err != nil {
			return err
		}
		if err := t.pauseFor(ctx, "pause follower", t.between(200*time.Millisecond, 4*time.Second), f); err != nil {
			return err
		}
		all := t.cluster.all()
		if err := t.pauseFor(ctx, "pause all", t.between(200*time.Millisecond, 2*time.Second), all...); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// pauseFor stops processes from running for d.
func (t *trial) pauseFor(ctx context.Context, what string, d time.Duration, victims ...*instance) error {
	t.hurt(fmt.Sprintf("%s: %s for %v", what, names(victims), brief(d)), 0, victims...)
	for _, i := range victims {
		if err := i.stall(); err != nil {
			return err
		}
	}
	pause(ctx, d)
	for _, i := range victims {
		if err := i.resume(); err != nil {
			return err
		}
	}
	return t.busy(ctx, t.between(200*time.Millisecond, time.Second))
}

func names(instances []*instance) []string {
	var list []string
	for _, i := range instances {
		list = append(list, i.name)
	}
	return list
}
