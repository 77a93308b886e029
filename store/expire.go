package store

import (
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// sweep removes nodes that are due at t.now in the order of their expiry, each
// with an event of its own, until c.Limit of them are gone, or their values
// have c.Bytes. A directory takes what is beneath it along without further
// events.
//
// The due list holds hints: one whose node is gone, or ends at another time,
// is taken off and that is all. To bound one command's work, those count too.
func (t *txn) sweep(c *Command) {
	limit, bytes := unbounded(c.Limit), unbounded(c.Bytes)
	voids := limit
	hints := t.dueHints()
	defer hints.close()
	defer t.takeOffSwept()
	for limit > 0 && voids > 0 && bytes > 0 && t.failed == nil {
		h, ok := hints.next()
		if !ok {
			t.s.due.sweptTo(Expiry(t.now + 1))
			return
		}
		t.s.due.sweptTo(h.expiry)
		t.swept = append(t.swept, h)
		t.due[h] = false
		r := t.find(h.path, t.s.peek) // what is about to go is not for the cache
		if r == nil || r.expiry != h.expiry {
			voids--
			continue
		}
		t.index++
		t.ended = append(t.ended, r.expiry)
		t.take(ActionExpire, h.path, r)
		limit--
		bytes -= len(r.value)
	}
}

// takeOffSwept takes the hints off the due list that a sweep has come by: all
// that there are from the first of them to the last. Many go with one range
// tombstone, and who reads the list begins behind it.
func (t *txn) takeOffSwept() {
	swept := t.swept
	t.swept = nil
	if len(swept) <= manyNodes {
		for _, h := range swept {
			t.takeOff(h.expiry, h.path)
		}
		return
	}
	first, last := swept[0], swept[len(swept)-1]
	end := append(appendDueKey(nil, last.expiry, last.path), 0)
	t.check(t.b.DeleteRange(appendDueKey(nil, first.expiry, first.path), end, nil))
}

// Ended are the ends of life of the nodes that the last Apply's sweeps have
// removed, in their order. They are the caller's until the next Apply, and only
// who applies may ask.
func (s *Store) Ended() []Expiry { return s.txn.ended }

// unbounded is n, or if that is not above 0 more than there will ever be.
func unbounded(n int) int {
	if n <= 0 {
		return math.MaxInt
	}
	return n
}

// hintReader merges the committed due list with what the batch has put on it.
type hintReader struct {
	t       *txn
	it      *pebble.Iterator
	pending []dueHint
}

func (t *txn) dueHints() *hintReader {
	it, err := t.s.db.NewIter(&pebble.IterOptions{
		LowerBound: appendDueBound(nil, t.s.due.begin()),
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

// dueFloor is a time before which nothing is due. Apply lowers it before it
// returns; a sweep, and NextExpiry, raise it to where the due list begins. Who
// reads the list from there on does not walk over the graves of what was on it.
type dueFloor struct {
	mu struct {
		sync.Mutex
		floor   Expiry
		lowered uint64
	}
	changed chan struct{} // receives after floor was lowered; holds one

	// swept is where the committed list begins after the sweeps of the batch
	// that is being applied. It belongs to the goroutine that applies.
	swept Expiry
}

func (d *dueFloor) init() {
	d.changed = make(chan struct{}, 1)
	d.mu.floor, d.swept = math.MinInt64, math.MinInt64
}

// sweptTo notes that nothing committed is due before e. Only a sweep may call
// it.
func (d *dueFloor) sweptTo(e Expiry) { d.swept = max(d.swept, e) }

// begin is where to begin with the committed list. Only a sweep may call it.
func (d *dueFloor) begin() Expiry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return max(d.mu.floor, d.swept)
}

// lower notes that something is due at e.
func (d *dueFloor) lower(e Expiry) { d.move(math.MinInt64, e) }

// move notes that what was known of is due at swept at the earliest, and that
// something else is due at e.
func (d *dueFloor) move(swept, e Expiry) {
	d.mu.Lock()
	before := d.mu.floor
	if e < math.MaxInt64 {
		d.mu.lowered++
	}
	d.mu.floor = min(max(before, swept), e)
	lower := d.mu.floor < before
	d.mu.Unlock()
	if lower {
		select {
		case d.changed <- struct{}{}:
		default:
		}
	}
}

// soonest tells the floor about what the batch has put on the due list and
// taken off.
func (t *txn) soonest() {
	least := Expiry(math.MaxInt64)
	for h, on := range t.due {
		if on {
			least = min(least, h.expiry)
		}
	}
	d := &t.s.due
	d.move(d.swept, least)
	d.swept = math.MinInt64
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
