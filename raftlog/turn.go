package raftlog

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// A turn is the right to touch the core, and what is kept from one time to the
// next. The raft loop turns when something has come. Two others turn in its
// place, because to wake it and to be woken by it costs more than to do its
// work: who proposes while nothing is under way, and the append loop of a lone
// voter, which has nobody else to wait for and carries its writes through to
// the machine itself.
type turn struct {
	*Log
	mu sync.Mutex // held by who turns; guards the core and all below

	live     bool // begun, not ended and not failed
	failed   error
	panicked *panicked
	hurry    *hurry
	lazy     *lazy
	letters  letters
	crowded  int    // how many lone proposals it takes to believe that there is one proposer
	writes   int    // handed to the append loop and not come back
	applying int    // handed to the apply loop and not come back
	stuck    bool   // raft would not take proposals; something must happen first
	settled  uint64 // the commit position that was last sent to disk for sure

	// While the append loop carries, what is to be applied is its own.
	carrying bool
	carried  []*applyJob

	crowd atomic.Bool // crowded > 0, for who must not wait for mu
}

// A panicked is a panic of who turned in the raft loop's place, to be gone on
// with there.
type panicked struct {
	value any
	stack []byte
}

// maxWrites is how many writes may be under way before proposals are left to
// gather for the next. With one, all that come during a sync share the next
// sync, and the disk is never idle while there is work.
const maxWrites = 1

func newTurn(l *Log) *turn { return &turn{Log: l, hurry: newHurry(), lazy: newLazy()} }

func (r *turn) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = true
	r.core.mono = r.mono.read()
	r.core.campaignIfAlone()
	r.core.hasty = 3 * r.config.ElectionTicks
}

// end leaves the core to Run. It goes on with a panic of another's turn.
func (r *turn) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = false
	r.now.sole.Store(false)
	r.hurry.timer.Stop()
	r.lazy.timer.Stop()
	if p := r.panicked; p != nil {
		panic(p)
	}
}

// Error makes the panic readable.
func (p *panicked) Error() string { return fmt.Sprintf("%v\n%s", p.value, p.stack) }

// yield lets others run where many propose: whoever has just been answered may
// be about to do so again, and shares the coming sync. It doubles what 64 get
// done; one alone would only wait for it.
func (r *turn) yield() {
	if r.crowd.Load() {
		runtime.Gosched()
	}
}

// once turns: f is what for. It reports whether there is more to do at once.
func (r *turn) once(f func()) (more bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.locked(f)
}

// try is all, but in place of the raft loop and only if nobody turns: if it is
// false, the raft loop is to be woken.
func (r *turn) try() bool {
	if r.crowd.Load() || !r.mu.TryLock() {
		return false
	}
	defer r.mu.Unlock()
	more, err := r.locked(r.all)
	return !more && err == nil
}

// locked calls f; r.mu must be held. After a failure nobody turns any more, and
// the raft loop ends.
func (r *turn) locked(f func()) (more bool, err error) {
	if !r.live {
		return false, r.failed
	}
	defer func() {
		if p := recover(); p != nil {
			r.live = false
			if r.failed = diskFailureIn(p); r.failed == nil {
				r.panicked = &panicked{p, debug.Stack()}
				r.failed = r.panicked
			}
			more, err = false, r.failed
			signal(r.box.wake)
		}
	}()
	f()
	return r.box.settle(r.core.readIdle(), r.hungry(0, 0), r.eager()), nil
}

// all takes what has come and does what is to be done.
func (r *turn) all() {
	r.take()
	r.work()
}

// stand stands for election, when it is time for that.
func (r *turn) stand() {
	r.hurry.armed = false
	r.core.campaignHastily(r.hurry.term)
}

func (r *turn) sendHeld() { r.config.Transport.Send(r.lazy.due(r.core)) }

// carry is called by the append loop when it has put what it wrote into the
// mailbox. It lets the machine of a lone voter apply that at once, and takes
// what was proposed meanwhile. For others the raft loop does so.
func (r *turn) carry() error {
	if !r.mayCarry() {
		signal(r.box.wake)
		return nil
	}
	for {
		more, err := r.once(r.all)
		if err != nil {
			return nil // the raft loop says so
		}
		if more {
			signal(r.box.wake)
		}
		jobs := r.load()
		if len(jobs) == 0 {
			return nil
		}
		if err := r.apply.carry(jobs, r.box.putApplied); err != nil {
			return err
		}
		r.yield()
	}
}

// mayCarry begins to carry, if nobody else is concerned and the apply loop has
// nothing to apply that would be overtaken.
func (r *turn) mayCarry() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.carrying = r.live && r.core.alone() && r.applying == 0
	return r.carrying
}

// load returns what the append loop is to apply. If it is nothing, it carries
// no longer.
func (r *turn) load() []*applyJob {
	r.mu.Lock()
	defer r.mu.Unlock()
	jobs := r.carried
	r.carried = nil
	r.carrying = len(jobs) > 0
	return jobs
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
	r.crowd.Store(r.crowded > 0)
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

// hand has the machine apply job, after what it is applying.
func (r *turn) hand(job *applyJob) {
	r.now.commit.Store(r.core.commit) // before anybody has its answer
	r.applying++
	if r.carrying {
		r.carried = append(r.carried, job)
		return
	}
	r.applies.push(job)
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
		if !r.core.sole() { // before anybody hears of it
			r.now.sole.Store(false)
		}
		if w.append != nil {
			r.writes++
			r.appends.push(w.append)
		}
		if now := r.lazy.pass(r.core, w.send); len(now) > 0 {
			r.config.Transport.Send(now)
		}
		if w.apply != nil {
			r.hand(w.apply)
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
