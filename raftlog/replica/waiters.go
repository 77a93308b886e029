package replica

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"keytree/raftlog"
	"keytree/store"
)

// waiters hands the results of applied commands to those who proposed them in
// this process, by request id.
type waiters struct {
	mu struct {
		sync.Mutex
		byID    []*waiter // by the low bits of the id; a power of two, and no more than half full
		pending int
		next    uint64 // the next id
		armed   bool   // timer is running
		timer   *time.Timer
		ended   error
	}
	born    time.Time
	serving []served // scratch of who applies
	pool    sync.Pool
	timers  sync.Pool
}

// waiter is one proposal under way. Its channel takes one outcome, so handing
// it over never blocks: whoever takes the waiter out of byID sends it. To the
// log it is the proposal's context: it has ended when the proposer's own has,
// or when the proposer has given up.
type waiter struct {
	context.Context // the proposer's
	id              uint64
	deadline        time.Duration // since waiters was born
	outcome         chan outcome
	gone            atomic.Bool
}

// outcome is a result, or why there is none.
type outcome struct {
	store.Result
	failure error
}

type served struct {
	one    *waiter
	result int
}

// Err implements context.Context.
func (w *waiter) Err() error {
	if w.gone.Load() {
		return context.Canceled
	}
	return w.Context.Err()
}

// init makes ids that no other start of any member uses: they count from a
// random number. A clock would not do: where it stands still or goes back, an
// entry of an earlier life that is replayed could answer a proposal of this
// one.
func (w *waiters) init() {
	w.mu.byID = make([]*waiter, 64)
	w.mu.next = rand.Uint64()
	w.born = time.Now()
	w.pool.New = func() any { return &waiter{outcome: make(chan outcome, 1)} }
	w.timers.New = func() any {
		timer := time.NewTimer(time.Hour)
		timer.Stop()
		return timer
	}
}

// add begins to wait, for so long at most. One timer serves all: whoever
// proposes would otherwise set one of its own and stop it again.
func (w *waiters) add(ctx context.Context, patience time.Duration) *waiter {
	one := w.pool.Get().(*waiter)
	one.Context = ctx
	one.deadline = time.Since(w.born) + patience
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mu.ended != nil {
		one.outcome <- outcome{failure: w.mu.ended}
		return one
	}
	if 2*w.mu.pending >= len(w.mu.byID) {
		w.grow()
	}
	for *w.place(w.mu.next) != nil {
		w.mu.next++
	}
	one.id = w.mu.next
	w.mu.next++
	*w.place(one.id) = one
	w.mu.pending++
	if !w.mu.armed {
		w.arm(patience)
	}
	return one
}

// place is where a waiter of that id is. w.mu must be held, here and in what
// follows.
func (w *waiters) place(id uint64) **waiter {
	return &w.mu.byID[id&uint64(len(w.mu.byID)-1)]
}

func (w *waiters) grow() {
	old := w.mu.byID
	w.mu.byID = make([]*waiter, 2*len(old))
	for _, one := range old {
		if one != nil {
			*w.place(one.id) = one
		}
	}
}

// remove reports whether one was there. Then nobody else has sent it an
// outcome, nor will.
func (w *waiters) remove(one *waiter) bool {
	place := w.place(one.id)
	if *place != one {
		return false
	}
	*place = nil
	w.mu.pending--
	return true
}

func (w *waiters) arm(pause time.Duration) {
	w.mu.armed = true
	if w.mu.timer == nil {
		w.mu.timer = time.AfterFunc(pause, w.expire)
		return
	}
	w.mu.timer.Reset(pause)
}

// expire tells those who have waited for too long.
func (w *waiters) expire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.armed = false
	if w.mu.ended != nil {
		return
	}
	now, next := time.Since(w.born), time.Duration(-1)
	for _, one := range w.mu.byID {
		switch {
		case one == nil:
		case one.deadline <= now:
			w.remove(one)
			one.outcome <- outcome{failure: errTimeout}
		case next < 0 || one.deadline < next:
			next = one.deadline
		}
	}
	if next >= 0 {
		w.arm(next - now)
	}
}

// end tells all who wait, or will, that no result comes any more.
func (w *waiters) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.ended = raftlog.ErrStopped
	for _, one := range w.mu.byID {
		if one != nil {
			w.remove(one)
			one.outcome <- outcome{failure: raftlog.ErrStopped}
		}
	}
	if w.mu.timer != nil {
		w.mu.timer.Stop()
	}
}

// drop gives up one, whose outcome may or may not have come. It is not used
// again: the log may still ask whether anybody waits.
func (w *waiters) drop(one *waiter) {
	one.gone.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.remove(one)
}

// done gives back one of which the log knows nothing any more: its result was
// received.
func (w *waiters) done(one *waiter) { w.pool.Put(one) }

// serve hands out the results of a batch; results[i] belongs to ids[i]. Only
// who applies may call it. Whoever is woken may at once want to wait again, so
// nobody is while w.mu is held.
func (w *waiters) serve(ids []uint64, results []store.Result) {
	w.mu.Lock()
	for i, id := range ids {
		if one := *w.place(id); one != nil && one.id == id {
			w.remove(one)
			w.serving = append(w.serving, served{one, i})
		}
	}
	w.mu.Unlock()
	for _, s := range w.serving {
		s.one.outcome <- outcome{Result: results[s.result]}
	}
	clear(w.serving)
	w.serving = w.serving[:0]
}

// pending is the number of proposals under way.
func (w *waiters) pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.pending
}
