package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// history is the ring of the newest events. Every index has one event, so
// the slot of an event is its index modulo the ring's length, in memory as on
// disk.
type history struct {
	ring  []*Event
	count int
}

func newHistory(length int) history { return history{ring: make([]*Event, length)} }

func (h *history) len() int             { return len(h.ring) }
func (h *history) slot(i Index) int     { return int(uint64(i) % uint64(len(h.ring))) }
func (h *history) oldest(n Index) Index { return n - Index(h.count) + 1 }

// put makes e the newest event.
func (h *history) put(e *Event) {
	h.ring[h.slot(e.Index)] = e
	h.count = min(h.count+1, len(h.ring))
}

// at is the event of index i, or nil if it is not kept.
func (h *history) at(i Index) *Event {
	if e := h.ring[h.slot(i)]; e != nil && e.Index == i {
		return e
	}
	return nil
}

// loadHistory reads the events that lead without a gap to index, at most
// length of them. moved reports whether one lies in another slot than a ring
// of that length gives it: the ring on disk was written with another length.
func loadHistory(r pebble.Reader, length int, index Index) (past history, moved bool, err error) {
	past = newHistory(length)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{keyHistory}, UpperBound: []byte{keyHistory + 1}})
	if err != nil {
		return past, false, err
	}
	all := map[Index]*Event{}
	for it.First(); it.Valid(); it.Next() {
		e, err := parseEvent(it.Value())
		if err != nil {
			it.Close()
			return past, false, fmt.Errorf("history slot %x: %w", it.Key()[1:], err)
		}
		all[e.Index] = e
		moved = moved || string(it.Key()) != string(historyKey(past.slot(e.Index)))
	}
	if err := it.Close(); err != nil {
		return past, false, err
	}
	first := index
	for first > 0 && all[first] != nil && int(index-first) < length {
		first--
	}
	for i := first + 1; i <= index; i++ {
		past.put(all[i])
	}
	return past, moved, nil
}

// historyLength is how many events the ring is to hold.
func (s *Store) historyLength() (length int, err error) {
	if !s.opts.KeepHistory {
		return s.opts.HistoryLength, nil
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyHistory}, UpperBound: []byte{keyHistory + 1}})
	if err != nil {
		return 0, err
	}
	for it.First(); it.Valid(); it.Next() {
		length++
	}
	return max(length, s.opts.HistoryLength), it.Close()
}

// rewriteHistory lays the ring on disk out anew for its present length.
func (s *Store) rewriteHistory(past *history) error {
	b := s.db.NewBatch()
	if err := b.DeleteRange([]byte{keyHistory}, []byte{keyHistory + 1}, nil); err != nil {
		return err
	}
	for slot, e := range past.ring {
		if e == nil {
			continue
		}
		if err := b.Set(historyKey(slot), e.append(nil), nil); err != nil {
			return err
		}
	}
	return b.Commit(pebble.NoSync)
}
