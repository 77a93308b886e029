package main

import (
	"context"
	"fmt"
	"time"
)

func memberScenarios() []scenario {
	return []scenario{
		{"membership", true, membership},
		{"remove-leader", false, removeLeader},
	}
}

// membership lets a member join and removes another, while clients write. In
// the long run the removed one comes back empty, and another one goes.
func membership(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(1, 3) {
		if _, err := t.join(ctx); err != nil {
			return err
		}
		f, err := t.aFollower(ctx)
		if err != nil {
			return err
		}
		if err := t.part(ctx, f); err != nil {
			return err
		}
		if !t.long {
			break
		}
		if err := t.comeBack(ctx, f); err != nil {
			return err
		}
		g, err := t.aFollower(ctx)
		if err != nil {
			return err
		}
		if err := t.part(ctx, g); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// join adds a new member and waits until it serves.
func (t *trial) join(ctx context.Context) (*instance, error) {
	i, err := t.cluster.add()
	if err != nil {
		return nil, err
	}
	t.hurt("add: "+i.name, 0)
	if err := t.cluster.invite(ctx, i); err != nil {
		return nil, err
	}
	if err := t.restart(ctx, i); err != nil {
		return nil, err
	}
	t.progress(i.name + " serves")
	t.follow(i, t.record.highest())
	t.use(i, everyday)
	return i, t.busy(ctx, time.Second)
}

// exitTime is how long a removed member may take to end.
const exitTime = 5 * time.Second

// part removes a member. Its process must end by itself, with exit code 0,
// also when it is started again.
func (t *trial) part(ctx context.Context, i *instance) error {
	t.hurt("remove: "+i.name, 0, i)
	if err := t.cluster.expel(ctx, i); err != nil {
		return err
	}
	code, err := i.ended(ctx, exitTime)
	if err != nil {
		t.fault("removed: %v", err)
		return i.kill()
	}
	t.progress(fmt.Sprintf("%s ended with %d", i.name, code))
	if code != 0 {
		t.fault("removed %s ended with exit code %d", i.name, code)
	}
	if err := i.start(ctx); err != nil {
		return err
	}
	if code, err = i.ended(ctx, readyTime); err != nil || code != 0 {
		t.fault("removed %s, started again: exit code %d, %v", i.name, code, err)
		return i.kill()
	}
	return t.busy(ctx, 500*time.Millisecond)
}

// comeBack has a removed member join anew with an empty directory.
func (t *trial) comeBack(ctx context.Context, i *instance) error {
	t.hurt("add wiped: "+i.name, 0)
	if err := i.wipe(); err != nil {
		return err
	}
	if err := t.cluster.invite(ctx, i); err != nil {
		return err
	}
	if err := t.restart(ctx, i); err != nil {
		return err
	}
	return t.busy(ctx, time.Second)
}

// removeLeader removes the member that leads.
func removeLeader(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, loadOutages); err != nil {
		return err
	}
	for range t.rounds(1, 3) {
		if _, err := t.join(ctx); err != nil {
			return err
		}
		l, err := t.cluster.leader(ctx)
		if err != nil {
			return err
		}
		if err := t.part(ctx, l); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}
