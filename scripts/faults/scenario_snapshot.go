package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

func snapshotScenarios() []scenario {
	return []scenario{
		{"snapshot", false, snapshot},
		{"snapshot-cut", false, snapshotCut},
	}
}

// behind is how many writes a member misses, of padding bytes and more each,
// until the others' logs no longer have what it needs: they keep 5000 entries,
// and what is not flushed from 16 MiB of memory. etcd keeps more.
const (
	behind  = 12_000
	padding = 2_500
)

// missMany writes until whoever is down can only be helped by a snapshot.
func (t *trial) missMany(ctx context.Context) error {
	l, err := t.cluster.leader(ctx)
	if err != nil {
		return err
	}
	began := t.record.now()
	const writers = 32
	var wg sync.WaitGroup
	long := strings.Repeat("x", padding)
	for range writers {
		t.users++
		c := newClient(t.users, l, t.record, t.seed, &t.round)
		wg.Go(func() {
			defer c.conn.Close()
			for n := range behind / writers {
				c.do(ctx, op{kind: set, key: fmt.Sprintf("/many/%d/%d", c.id, n), value: c.value() + long}, answerTime)
			}
		})
	}
	wg.Wait()
	t.progress(fmt.Sprintf("%d writes in %v", behind, brief(t.record.now()-began)))
	return ctx.Err()
}

// snapshot has a member come back after so many writes that it needs a
// snapshot, then one that comes back empty.
func snapshot(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	for range t.rounds(1, 2) {
		f, err := t.aFollower(ctx)
		if err != nil {
			return err
		}
		t.hurt("far behind: "+f.name, 0, f)
		if err := f.kill(); err != nil {
			return err
		}
		if err := t.missMany(ctx); err != nil {
			return err
		}
		if err := t.restart(ctx, f); err != nil {
			return err
		}
		if err := t.caughtUp(ctx, f); err != nil {
			return err
		}
		if err := t.part(ctx, f); err != nil {
			return err
		}
		if err := t.comeBack(ctx, f); err != nil {
			return err
		}
		if err := t.caughtUp(ctx, f); err != nil {
			return err
		}
	}
	return t.settle(ctx)
}

// snapshotCut breaks the way to a member in the middle of a snapshot, several
// times, and kills the member once while it takes one.
func snapshotCut(ctx context.Context, t *trial) error {
	if err := t.begin(ctx, 3, everyday); err != nil {
		return err
	}
	f, err := t.aFollower(ctx)
	if err != nil {
		return err
	}
	t.hurt("far behind: "+f.name, 0, f)
	if err := f.kill(); err != nil {
		return err
	}
	if err := t.missMany(ctx); err != nil {
		return err
	}
	for n := range t.rounds(2, 4) {
		before := t.cluster.network.brokenSnapshots()
		t.cluster.network.cutSnapshot(f.name, t.r.Int64N(1<<20))
		if n == 0 {
			if err := t.restart(ctx, f); err != nil {
				return err
			}
		} else if !f.running() {
			if err := f.start(ctx); err != nil {
				return err
			}
		}
		broken := t.await(ctx, 10*time.Second, func() bool { return t.cluster.network.brokenSnapshots() > before })
		if !broken {
			break // it has caught up
		}
		t.progress("a snapshot broke on the way to " + f.name)
		if n > 0 {
			if err := f.kill(); err != nil {
				return err
			}
		}
	}
	if !f.running() {
		if err := f.start(ctx); err != nil {
			return err
		}
	}
	if err := f.ready(ctx); err != nil {
		return err
	}
	t.note("%d snapshots broke on the way", t.cluster.network.brokenSnapshots())
	if t.cluster.network.brokenSnapshots() == 0 && !t.isEtcd {
		t.fault("no snapshot was sent")
	}
	if err := t.caughtUp(ctx, f); err != nil {
		return err
	}
	return t.settle(ctx)
}

// await waits until something holds.
func (t *trial) await(ctx context.Context, patience time.Duration, holds func() bool) bool {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	for !holds() {
		if ctx.Err() != nil {
			return false
		}
		pause(ctx, 5*time.Millisecond)
	}
	return true
}

// caughtUp waits until a member stands where the others stood when it was
// called.
func (t *trial) caughtUp(ctx context.Context, i *instance) error {
	goal, began := t.record.highest(), t.record.now()
	if !t.await(ctx, readyTime, func() bool {
		l, err := list(ctx, i)
		return err == nil && l.index >= goal
	}) {
		return fmt.Errorf("%s does not come to index %d in %v", i.name, goal, readyTime)
	}
	t.note("%s caught up with index %d in %v", i.name, goal, brief(t.record.now()-began))
	return nil
}
