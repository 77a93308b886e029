package replica

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"keytree/store"
)

// waiters hands the results of applied commands to those who proposed them in
// this process, by request id.
type waiters struct {
	mu struct {
		sync.Mutex
		byID map[uint64]*waiter
	}
	next atomic.Uint64
	pool sync.Pool
}

// waiter is one proposal under way. Its channel holds one result, so handing
// it over never blocks. To the log it is the proposal's context: it has ended
// when the proposer's own has, or when the proposer has given up.
type waiter struct {
	context.Context // the proposer's
	id              uint64
	result          chan store.Result
	timer           *time.Timer
	gone            atomic.Bool
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
	w.mu.byID = map[uint64]*waiter{}
	w.next.Store(rand.Uint64())
	w.pool.New = func() any {
		timer := time.NewTimer(time.Hour)
		timer.Stop()
		return &waiter{result: make(chan store.Result, 1), timer: timer}
	}
}

func (w *waiters) add(ctx context.Context) *waiter {
	one := w.pool.Get().(*waiter)
	one.Context = ctx
	one.id = w.next.Add(1)
	w.mu.Lock()
	w.mu.byID[one.id] = one
	w.mu.Unlock()
	return one
}

// lend lends one for its timer alone, which is set; done takes it back.
func (w *waiters) lend(patience time.Duration) *waiter {
	one := w.pool.Get().(*waiter)
	one.timer.Reset(patience)
	return one
}

// drop gives up one, whose result may or may not have come. It is not used
// again: the log may still ask whether anybody waits.
func (w *waiters) drop(one *waiter) {
	one.gone.Store(true)
	one.timer.Stop()
	w.mu.Lock()
	delete(w.mu.byID, one.id)
	w.mu.Unlock()
}

// done gives back one of which the log knows nothing any more: its result was
// received.
func (w *waiters) done(one *waiter) {
	one.timer.Stop()
	w.pool.Put(one)
}

// serve hands out the results of a batch; results[i] belongs to ids[i].
func (w *waiters) serve(ids []uint64, results []store.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, id := range ids {
		if one, ok := w.mu.byID[id]; ok {
			delete(w.mu.byID, id)
			one.result <- results[i]
		}
	}
}

// pending is the number of proposals under way.
func (w *waiters) pending() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.mu.byID)
}
