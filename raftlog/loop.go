package raftlog

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/tracker"
)

// maxWrites is how many writes may be under way before proposals are left to
// gather for the next. With one, all that come during a sync share the next
// sync, and the disk is never idle while there is work.
const maxWrites = 1

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

// loop is the raft loop: the only one to touch the core. It ends with ctx, or
// when the log cannot be read.
func (l *Log) loop(ctx context.Context) (err error) {
	defer func() { err = orDiskFailure(recover(), err) }()
	ticker := time.NewTicker(l.config.Tick)
	defer ticker.Stop()
	r := turn{Log: l, hurry: newHurry(), lazy: newLazy()}
	defer r.hurry.timer.Stop()
	defer r.lazy.timer.Stop()
	l.core.mono = l.mono.read()
	l.core.campaignIfAlone()
	l.core.hasty = 3 * l.config.ElectionTicks
	for ctx.Err() == nil {
		// Where many propose, whoever has just been answered may be about to do so
		// again: let them run first, and share the coming sync. It doubles what 64
		// get done; one alone would only wait for it.
		if r.crowded > 0 {
			runtime.Gosched()
		}
		r.take()
		r.work()
		if l.box.settle(l.core.readIdle(), r.hungry(0, 0), r.eager()) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-l.box.wake:
		case <-ticker.C:
			r.tick()
		case <-r.hurry.timer.C:
			r.hurry.armed = false
			r.core.campaignHastily(r.hurry.term)
		case <-r.lazy.timer.C:
			r.config.Transport.Send(r.lazy.due(r.core))
		}
	}
	return nil
}

// turn is what the raft loop keeps from turn to turn.
type turn struct {
	*Log
	hurry    *hurry
	lazy     *lazy
	letters  letters
	crowded  int    // how many lone proposals it takes to believe that there is one proposer
	writes   int    // handed to the append loop and not come back
	applying int    // handed to the apply loop and not come back
	stuck    bool   // raft would not take proposals; something must happen first
	settled  uint64 // the commit position that was last sent to disk for sure
}

// hungry says whether raft should be given proposals, if so many writes and
// applies have just ended. A sole voter also lets the machine finish: those
// who are answered by it propose again, and share one sync with those who came
// meanwhile instead of taking turns with them.
func (r *turn) hungry(written, applied int) bool {
	if r.core.leader == 0 || r.stuck {
		return false
	}
	if r.core.alone() {
		return r.writes == 0 && r.applying == applied
	}
	return r.writes-written < maxWrites
}

// eager says whether something waits for what is being applied. Otherwise it
// is no news: raft hands out further entries all the same.
func (r *turn) eager() bool {
	c := r.core
	return c.alone() || r.stuck || r.applying >= maxApplying ||
		len(c.reads.waiting) > 0 || len(c.late) > 0 || c.applied < max(c.changeAt, c.termStart)
}

// maxApplying is how many applies may go unseen: raft stops handing out
// entries when too many bytes are under way.
const maxApplying = 16

// crowd is how many proposals must come alone, one after the other, to end a
// crowd.
const crowd = 16

// take steps everything that has come.
func (r *turn) take() {
	c, in := r.core, &r.letters
	r.box.take(in, c.readIdle(), r.hungry)
	c.mono = r.mono.read()
	for _, job := range in.wrote {
		if job.m != nil {
			r.writes--
		}
		c.wrote(job)
	}
	for _, job := range in.applied {
		r.applying--
		c.didApply(job)
		r.stuck = false
	}
	for _, one := range in.captures {
		c.storage.snapshots.offer(one)
	}
	for _, m := range in.messages {
		c.step(m)
	}
	for _, f := range in.asks { // one may say that who sent those messages is gone
		f(c)
	}
	if len(in.proposals) > 1 {
		r.crowded = crowd
	} else if len(in.proposals) == 1 {
		r.crowded = max(0, r.crowded-1)
	}
	r.propose(in.proposals)
	if in.barrier != nil {
		c.read(in.barrier)
	}
}

// propose gives raft the proposals somebody still waits for.
func (r *turn) propose(list []proposal) {
	if len(list) == 0 {
		return
	}
	var size int64
	live := list[:0]
	for _, p := range list {
		size += int64(len(p.buf))
		if p.ctx.Err() == nil {
			live = append(live, p)
		}
	}
	if left := r.core.propose(live); len(left) > 0 {
		for _, p := range left {
			size -= int64(len(p.buf))
		}
		r.stuck = true
		r.box.giveBack(left)
		if f := r.config.Observer.ProposalsDelayed; f != nil {
			f(len(left))
		}
	}
	r.box.release(size)
}

func (r *turn) tick() {
	c := r.core
	c.mono = r.mono.read()
	c.tick()
	r.stuck = false
	if c.commit != r.settled {
		r.settled = c.commit
		r.appends.push(&appendJob{settle: true})
	}
	if c.leader == 0 {
		if n := r.box.sweep(); n > 0 {
			r.box.release(n)
		}
	}
}

// work does what raft wants done, until it wants nothing.
func (r *turn) work() {
	for {
		w, ok := r.core.ready()
		if !ok {
			break
		}
		if w.append != nil {
			r.writes++
			r.appends.push(w.append)
		}
		if now := r.lazy.pass(r.core, w.send); len(now) > 0 {
			r.config.Transport.Send(now)
		}
		if w.apply != nil {
			r.applying++
			r.applies.push(w.apply)
		}
		for _, out := range w.snapshots {
			r.sendSnapshot(out)
		}
		if len(w.lost) > 0 {
			r.box.reclaim(w.lost)
		}
		for _, file := range w.drop {
			_ = r.config.FS.Remove(file) // Open removes what is left
		}
		if w.leaderChanged {
			r.stuck = false
			r.leaderChanged()
		}
	}
	if r.core.storage.snapshots.request() {
		r.applies.push(&applyJob{capture: true})
	}
	r.hurry.follow(r.core)
	r.publish()
}

func (l *Log) publish() {
	c, n := l.core, &l.now
	n.term.Store(c.term)
	n.commit.Store(c.commit)
	n.applied.Store(c.applied)
	n.first.Store(c.storage.truncated.position + 1)
	n.last.Store(c.storage.last.position)
	n.state.Store(uint64(c.state))
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
			peer.Snapshot = p.State == tracker.StateSnapshot
		}
		peers = append(peers, peer)
	})
	return peers
}

// orDiskFailure is err, or the failure that raft had to be left with a panic
// for; it goes on with any other panic.
func orDiskFailure(recovered any, err error) error {
	switch p := recovered.(type) {
	case nil:
		return err
	case diskFailure:
		return p.err
	case raftFailure:
		return p
	default:
		panic(p)
	}
}
