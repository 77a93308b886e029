package store

import (
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// sweep removes nodes that are due at t.now in the order of their expiry, each
// with an event of its own, limit of them at most (0: all). A directory takes
// what is beneath it along without further events.
//
// The due list holds hints: one whose node is gone, or ends at another time,
// is taken off and that is all. To bound one command's work, those count too.
func (t *txn) sweep(limit int) {
	if limit <= 0 {
		limit = math.MaxInt
	}
	voids := limit
	hints := t.dueHints()
	defer hints.close()
	for limit > 0 && voids > 0 && t.failed == nil {
		h, ok := hints.next()
		if !ok {
			return
		}
		r := t.get(h.path)
		if r == nil || r.expiry != h.expiry {
			t.takeOff(h.expiry, h.path)
			voids--
			continue
		}
		t.index++
		t.take(ActionExpire, h.path, r)
		limit--
	}
}

// hintReader merges the committed due list with what the batch has put on it.
type hintReader struct {
	t       *txn
	it      *pebble.Iterator
	pending []dueHint
}

func (t *txn) dueHints() *hintReader {
	it, err := t.s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{keyDue},
		UpperBound: appendDueBound(nil, Expiry(t.now+1)),
	})
	t.check(err)
	if err == nil {
		it.First()
	}
	return &hintReader{t: t, it: it, pending: t.pendingHints(t.now)}
}

func (r *hintReader) next() (h dueHint, ok bool) {
	committed, ok := r.peek()
	if len(r.pending) > 0 && (!ok || compareHints(r.pending[0], committed) < 0) {
		h, r.pending = r.pending[0], r.pending[1:]
		return h, true
	}
	if ok {
		r.it.Next()
	}
	return committed, ok
}

// peek is the next committed hint that this batch has not touched.
func (r *hintReader) peek() (dueHint, bool) {
	if r.it == nil {
		return dueHint{}, false
	}
	for ; r.it.Valid(); r.it.Next() {
		e, p, ok := parseDueKey(r.it.Key())
		if !ok {
			r.t.check(errBadRecord)
			return dueHint{}, false
		}
		h := dueHint{e, p}
		if _, touched := r.t.due[h]; !touched {
			return h, true
		}
	}
	return dueHint{}, false
}

func (r *hintReader) close() {
	if r.it != nil {
		r.t.check(r.it.Close())
	}
}

// dueFloor is a time before which nothing is due. Apply lowers it, NextExpiry
// raises it to where the due list begins.
type dueFloor struct {
	mu struct {
		sync.Mutex
		floor   Expiry
		lowered uint64
	}
	changed chan struct{} // receives after floor was lowered; holds one
}

func (d *dueFloor) init() {
	d.changed = make(chan struct{}, 1)
	d.mu.floor = math.MinInt64
}

// lower notes that something is due at e.
func (d *dueFloor) lower(e Expiry) {
	d.mu.Lock()
	d.mu.lowered++
	lower := e < d.mu.floor
	if lower {
		d.mu.floor = e
	}
	d.mu.Unlock()
	if lower {
		select {
		case d.changed <- struct{}{}:
		default:
		}
	}
}

// soonest tells the floor about what the batch has put on the due list.
func (t *txn) soonest() {
	least, any := Expiry(math.MaxInt64), false
	for h, on := range t.due {
		if on {
			least, any = min(least, h.expiry), true
		}
	}
	if any {
		t.s.due.lower(least)
	}
}

// NextExpiry is when the next node may be due; ok is false if none ever will
// be. The answer may be too early, when a node was removed or given a longer
// life, but never too late.
func (s *Store) NextExpiry() (next Expiry, ok bool, err error) {
	d := &s.due
	d.mu.Lock()
	floor, lowered := d.mu.floor, d.mu.lowered
	d.mu.Unlock()
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: appendDueBound(nil, floor),
		UpperBound: []byte{keyDue + 1},
	})
	if err != nil {
		return 0, false, err
	}
	next = math.MaxInt64
	if ok = it.First(); ok {
		if next, _, ok = parseDueKey(it.Key()); !ok {
			err = errBadRecord
		}
	}
	if cerr := it.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return 0, false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.lowered == lowered {
		d.mu.floor = next
	} else if d.mu.floor < next {
		next, ok = d.mu.floor, true
	}
	return next, ok, nil
}

// ExpiryChanged receives when NextExpiry may have become earlier.
func (s *Store) ExpiryChanged() <-chan struct{} { return s.due.changed }
