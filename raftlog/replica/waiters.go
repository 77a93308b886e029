package replica

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

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
// it over never blocks.
type waiter struct {
	id     uint64
	result chan store.Result
}

// init makes ids that no other start of any member uses: they count from a
// random number. A clock would not do: where it stands still or goes back, an
// entry of an earlier life that is replayed could answer a proposal of this
// one.
func (w *waiters) init() {
	w.mu.byID = map[uint64]*waiter{}
	w.next.Store(rand.Uint64())
	w.pool.New = func() any { return &waiter{result: make(chan store.Result, 1)} }
}

func (w *waiters) add() *waiter {
	one := w.pool.Get().(*waiter)
	one.id = w.next.Add(1)
	w.mu.Lock()
	w.mu.byID[one.id] = one
	w.mu.Unlock()
	return one
}

// drop gives up one, whose result may or may not have come.
func (w *waiters) drop(one *waiter) {
	w.mu.Lock()
	_, waiting := w.mu.byID[one.id]
	delete(w.mu.byID, one.id)
	w.mu.Unlock()
	if !waiting {
		<-one.result // it was taken out to be served
	}
	w.pool.Put(one)
}

// done gives back one, whose result was received.
func (w *waiters) done(one *waiter) { w.pool.Put(one) }

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
