package main

import (
	"context"
	"fmt"
	"time"
)

func killScenarios() []scenario {
	return []scenario{
		{"kill-leader", true, killLeader},
		{"kill-followers", false, killFollowers},
		{"kill-all", true, killAll},
		{"rolling-restart", true, rollingRestart},
	}
}

// Goals for the time without a successful write.
const (
	killGoal    = 400 * time.Millisecond
	restartGoal = 200 * time.Millisecond
)

// loadOutages is light, with probes that find out how long nobody can write.
var loadOutages = load{clients: 2, pace: 15 * time.Millisecond, probes: true}

// rounds is how often something is done.
func (t *trial) rounds(short, long int) int {
	if t.long {
		return long
	}
	return short
}

// restart starts an ended member again and waits until it serves.
func (t *trial) restart(ctx context.Context, i *instance) error {
	t.progress("start " + i.name)
	if err := i.start(ctx); err != nil {
		return err
	}
	return i.ready(ctx)
}

func killLeader(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, loadOutages); err != nil {
		return err
	}
	for range t.rounds(3, 15) {
		l, err := t.cluster.leader(ctx)
		if err != nil {
			return err
		}
		t.hurt(fmt.Sprintf("kill leader: %s", l.name), killGoal, l)
		if err := l.kill(); err != nil {
			return err
		}
		if err := t.busy(ctx, t.between(500*time.Millisecond, 2*time.Second)); err != nil {
			return err
		}
		t.hurt("restart: "+l.name, 0, l)
		if err := t.restart(ctx, l); err != nil {
			return err
		}
		pause(ctx, t.between(0, time.Second))
	}
	return t.settle(ctx)
}

func killFollowers(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 5, everyday); err != nil {
		return err
	}
	for range t.rounds(2, 8) {
		var down []*instance
		for range 1 + t.r.IntN(2) {
			f, err := t.aFollower(ctx)
			if err != nil {
				return err
			}
			t.hurt("kill follower: "+f.name, 0, f)
			if err := f.kill(); err != nil {
				return err
			}
			down = append(down, f)
		}
		if err := t.busy(ctx, t.between(100*time.Millisecond, 2*time.Second)); err != nil {
			return err
		}
		for _, f := range down {
			if err := t.restart(ctx, f); err != nil {
				return err
			}
		}
	}
	return t.settle(ctx)
}

// killAll kills all members at once, and starts them in any order; sometimes
// some of them are killed again while they start.
func killAll(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(2, 8) {
		t.hurt("kill all: ", 0, t.cluster.all()...)
		if err := t.killEach(); err != nil {
			return err
		}
		if t.r.IntN(2) == 0 {
			if err := t.startEach(ctx); err != nil {
				return err
			}
			pause(ctx, t.between(0, 600*time.Millisecond))
			if err := t.killEach(); err != nil {
				return err
			}
		}
		if err := t.startEach(ctx); err != nil {
			return err
		}
		if err := t.cluster.ready(ctx); err != nil {
			return err
		}
		if err := t.busy(ctx, t.between(200*time.Millisecond, 1500*time.Millisecond)); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

func (t *trial) killEach() error {
	for _, i := range t.cluster.all() {
		if err := i.kill(); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) startEach(ctx context.Context) error {
	all := t.cluster.all()
	for _, n := range t.r.Perm(len(all)) {
		if err := all[n].start(ctx); err != nil {
			return err
		}
		pause(ctx, t.between(0, 50*time.Millisecond))
	}
	return nil
}

// rollingRestart ends each member with SIGTERM and starts it again, the way an
// upgrade does.
func rollingRestart(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, loadOutages); err != nil {
		return err
	}
	for range t.rounds(1, 5) {
		for _, i := range t.cluster.all() {
			l, err := t.cluster.leader(ctx)
			if err != nil {
				return err
			}
			what := "stop follower: "
			if i == l {
				what = "stop leader: "
			}
			t.hurt(what+i.name, restartGoal, i)
			if err := i.stop(); err != nil {
				return err
			}
			if err := t.busy(ctx, 300*time.Millisecond); err != nil {
				return err
			}
			t.hurt("restart: "+i.name, 0, i)
			if err := t.restart(ctx, i); err != nil {
				return err
			}
			pause(ctx, 500*time.Millisecond)
		}
		if err := t.stopLeader(ctx); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// stopLeader is the restart of whoever leads now.
func (t *trial) stopLeader(ctx context.Context) error {
	l, err := t.cluster.leader(ctx)
	if err != nil {
		return err
	}
	t.hurt("stop leader: "+l.name, restartGoal, l)
	if err := l.stop(); err != nil {
		return err
	}
	if err := t.busy(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	return t.restart(ctx, l)
}
