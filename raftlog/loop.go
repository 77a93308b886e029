package raftlog

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// Run drives the log until ctx is done, then it returns nil, or until the disk
// or the machine fails. When it returns, every goroutine it started has ended,
// and whoever waits on the log has ErrStopped. Run is called once.
func (l *Log) Run(ctx context.Context) error {
	defer close(l.ended)
	ctx, stop := context.WithCancelCause(ctx)
	var appends, applies sync.WaitGroup
	var failures failures
	applies.Go(func() {
		defer close(l.applyDone)
		if err := l.apply.run(); err != nil {
			failures.add(err)
			stop(err)
		}
	})
	appends.Go(func() {
		if err := l.append.run(); err != nil {
			failures.add(err)
			stop(err)
		}
	})
	if err := l.loop(ctx); err != nil {
		failures.add(err)
	}
	stop(ErrStopped)
	// Appends first: one of them may wait for a restore.
	l.appends.close()
	appends.Wait()
	l.applies.close()
	applies.Wait()
	l.box.stop()
	l.core.stopReads(ErrStopped)
	l.core.storage.snapshots.close()
	return failures.first()
}

// failures keeps the first error of the loops.
type failures struct {
	mu  sync.Mutex
	err error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

func (f *failures) first() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// loop is the raft loop: it turns whenever something has come and nobody else
// turns at once. It ends with ctx, or when the log cannot be read.
func (l *Log) loop(ctx context.Context) error {
	ticker := time.NewTicker(l.config.Tick)
	defer ticker.Stop()
	r := l.turn
	r.begin()
	defer r.end()
	for ctx.Err() == nil {
		r.yield()
		more, err := r.once(r.all)
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-l.box.wake:
		case <-ticker.C:
			_, err = r.once(r.tick)
		case <-r.hurry.timer.C:
			_, err = r.once(r.stand)
		case <-r.lazy.timer.C:
			_, err = r.once(r.sendHeld)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) publish() {
	c, n := l.core, &l.now
	n.term.Store(c.term)
	n.commit.Store(c.commit)
	n.applied.Store(c.applied)
	n.first.Store(c.storage.truncated.position + 1)
	n.last.Store(c.storage.last.position)
	n.state.Store(uint64(c.state))
	n.sole.Store(c.sole())
}

func (l *Log) leaderChanged() {
	leader, term := l.core.leader, l.core.term
	l.now.term.Store(term)
	l.leader.Lock()
	l.now.leader.Store(leader)
	close(l.leader.changed)
	l.leader.changed = make(chan struct{})
	l.leader.Unlock()
	if leader == 0 {
		l.config.Logger.Info("lost the leader", "term", term)
	} else {
		l.config.Logger.Info("a leader is known", "leader", fmt.Sprintf("%x", leader), "term", term)
	}
	if f := l.config.Observer.LeaderChanged; f != nil {
		f(leader, term)
	}
}

func (l *Log) sendSnapshot(out outgoing) {
	to := out.m.GetTo()
	l.config.Transport.SendSnapshot(out.m, out.capture, func(err error) {
		_ = out.capture.Close() // it was only read
		if f := l.config.Observer.SnapshotSent; f != nil {
			f(to, err)
		}
		status := raft.SnapshotFinish
		if err != nil {
			status = raft.SnapshotFailure
		}
		_ = l.box.ask(func(c *core) { // stopped: raft is gone
			c.storage.snapshots.sent(out.capture)
			c.raw.ReportSnapshot(to, status)
		})
	})
}

// restore has the apply loop restore a snapshot. The append loop calls it.
func (l *Log) restore(file string, at place) (note, error) {
	job := &restoreJob{file: file, at: at, done: make(chan error, 1)}
	l.applies.push(&applyJob{restore: job})
	select {
	case err := <-job.done:
		return job.note, err
	case <-l.applyDone:
		return note{}, errApplyEnded
	}
}

// captured takes a capture from the apply loop.
func (l *Log) captured(c *capture, err error) {
	if err != nil {
		l.config.Logger.Error("cannot capture for a follower", "err", err)
	}
	l.box.captured(c)
}

// durable truncates the log to what neither the machine nor a follower is
// likely to need, given what the machine would keep in a power cut.
func (l *Log) durable(position uint64) {
	_ = l.box.ask(func(c *core) { // stopped: next time
		if job := c.truncate(position, uint64(l.config.CatchUpEntries), uint64(l.config.CatchUpBytes)); job != nil {
			l.appends.push(job)
		}
	})
}

// truncateStep is how many entries are worth a truncation.
func truncateStep(catchUp int) int { return max(1, min(1024, catchUp/4)) }

func (c *core) truncate(durable, catchUp, catchUpBytes uint64) *appendJob {
	s := c.storage
	to := c.applied - min(c.applied, catchUp)
	to = max(to, s.bytesFloor(c.applied, catchUpBytes))
	to = s.snapshots.floor(min(to, durable, c.applied))
	from := s.truncated.position + 1
	if to < from || to-from < uint64(truncateStep(int(min(catchUp, math.MaxInt32)))) && s.bytesFloor(c.applied, catchUpBytes) < from {
		return nil
	}
	return &appendJob{truncate: truncation{from: from, to: s.truncate(to)}}
}

func (c *core) peers() []Peer {
	var peers []Peer
	leading := c.leadsNow()
	c.raw.WithProgress(func(id uint64, typ raft.ProgressType, p tracker.Progress) {
		peer := Peer{ID: id, Learner: typ == raft.ProgressTypeLearner}
		if leading {
			peer.Match, peer.Next, peer.Active = p.Match, p.Next, p.RecentActive || id == c.id
			peer.Snapshot, peer.Probing = p.State == tracker.StateSnapshot, p.State == tracker.StateProbe
		}
		peers = append(peers, peer)
	})
	return peers
}

// orDiskFailure is err, or the failure that raft had to be left with a panic
// for; it goes on with any other panic.
func orDiskFailure(recovered any, err error) error {
	if recovered == nil {
		return err
	}
	if failure := diskFailureIn(recovered); failure != nil {
		return failure
	}
	panic(recovered)
}

// diskFailureIn is the failure that raft had to be left with a panic for, or
// nil.
func diskFailureIn(recovered any) error {
	switch p := recovered.(type) {
	case diskFailure:
		return p.err
	case raftFailure:
		return p
	}
	return nil
}
