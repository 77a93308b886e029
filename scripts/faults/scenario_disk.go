package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

func diskScenarios() []scenario {
	return []scenario{{"disk-full", false, diskFull}}
}

// diskSize holds what etcd sets aside for its log, and a few times all that is
// written here: the kept events, a snapshot of them, and what it replaces.
const diskSize = 320 << 20

// diskFull takes all room on one member's disk, once while it follows and once
// while it leads. It must end or refuse, the others go on, and with room again
// it takes part with nothing lost.
func diskFull(ctx context.Context, t *trial) (err error) {
	if err := t.form(3); err != nil {
		return err
	}
	victim := t.cluster.all()[t.r.IntN(3)]
	disk, err := mountSmall(victim.config.Dir, diskSize)
	if err != nil {
		return fmt.Errorf("%w: %w", errLeftOut, err)
	}
	defer func() { err = errors.Join(err, victim.kill(), disk.unmount()) }()
	if err := t.launch(ctx, everyday); err != nil {
		return err
	}
	for n := range 2 {
		if err := t.makeLead(ctx, victim, n%2 == 1); err != nil {
			return err
		}
		if err := t.fillDisk(ctx, victim, disk); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// makeLead restarts members until victim leads, or does not.
func (t *trial) makeLead(ctx context.Context, victim *instance, lead bool) error {
	for range 20 {
		l, err := t.cluster.leader(ctx)
		if err != nil {
			return err
		}
		if (l == victim) == lead {
			return nil
		}
		if err := l.stop(); err != nil {
			return err
		}
		if _, err := t.cluster.leader(ctx); err != nil {
			return err
		}
		if err := t.restart(ctx, l); err != nil {
			return err
		}
		pause(ctx, time.Second)
	}
	return fmt.Errorf("%s does not come to lead=%v", victim.name, lead)
}

// fullTime is how long a member may take to end when its disk is full.
const fullTime = 10 * time.Second

func (t *trial) fillDisk(ctx context.Context, victim *instance, disk *smallDisk) error {
	l, err := t.cluster.leader(ctx)
	if err != nil {
		return err
	}
	what := "disk of a follower full: "
	if l == victim {
		what = "disk of the leader full: "
	}
	t.hurt(what+victim.name, 0, victim)
	filling, stop := context.WithCancel(ctx)
	filled := make(chan error, 1)
	go func() { filled <- disk.keepFull(filling) }()
	err = t.useFull(ctx, victim)
	stop()
	if err = errors.Join(err, <-filled); err != nil {
		return err
	}
	t.hurt("room again: "+victim.name, 0, victim)
	pause(ctx, time.Second)
	if !victim.running() {
		if err := t.restart(ctx, victim); err != nil {
			return err
		}
	}
	return t.caughtUp(ctx, victim)
}

// useFull writes until the member with the full disk notices, and looks what
// it does.
func (t *trial) useFull(ctx context.Context, victim *instance) error {
	t.writeLarge(ctx, victim)
	if !t.await(ctx, fullTime, func() bool { return !victim.running() }) {
		t.note("%s goes on with a full disk", victim.name)
		if err := t.caughtUp(ctx, victim); err != nil {
			t.fault("with a full disk %s neither ends nor takes part; it says:\n%s", victim.name, indent(lastOf(victim.output(), 5)))
			return victim.kill()
		}
		return nil
	}
	t.endedFull(victim)
	if err := t.startFull(ctx, victim); err != nil {
		return err
	}
	return t.busy(ctx, time.Second)
}

// writeLarge writes at the members that have room until the victim ends, or
// for fullTime.
func (t *trial) writeLarge(ctx context.Context, victim *instance) {
	ctx, stop := context.WithTimeout(ctx, fullTime)
	defer stop()
	padding := strings.Repeat("x", 50_000)
	for _, i := range t.cluster.all() {
		if i == victim {
			continue
		}
		t.users++
		c := newClient(t.users, i, t.record, t.seed, &t.round)
		defer c.conn.Close()
		for n := 0; n < 200 && victim.running() && ctx.Err() == nil; n++ {
			c.do(ctx, op{kind: set, key: fmt.Sprintf("/large/%d", c.id), value: c.value() + padding}, answerTime)
		}
	}
}

// endedFull checks how a member ended whose disk is full.
func (t *trial) endedFull(victim *instance) {
	why, err := victim.refusal()
	switch {
	case err != nil:
		t.fault("with a full disk %v", err)
	case !strings.Contains(why, "no space left"):
		t.fault("%s with a full disk ended and said in its last line: %s", victim.name, why)
	default:
		t.progress(victim.name + " ended: " + why)
	}
}

// startFull starts a member whose disk is still full: it may refuse, clearly.
func (t *trial) startFull(ctx context.Context, victim *instance) error {
	if err := victim.start(ctx); err != nil {
		return err
	}
	if _, err := victim.ended(ctx, 3*time.Second); err != nil {
		t.progress(victim.name + " starts with a full disk")
		return victim.kill()
	}
	t.endedFull(victim)
	return nil
}
