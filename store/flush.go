package store

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// Only the events that are in the history at the moment of a flush are ever
// read from disk: by the next Open. So Apply leaves them out of its batches,
// and who has a memtable flushed first writes those that the memtable lacks.
// To know when, all flushes are asked for here, before Pebble finds by itself
// that a memtable is full.

// turn is taken by whoever applies, flushes or captures: nobody of them sees
// the work of another half done.
type turn struct {
	sync.Mutex
	memtable memtable
	saved    Index // up to here events have been written
	unsaved  int64 // at most so many bytes are the events after that, as far as the history still has them
}

// memtable is what is known of the one that Pebble writes to now: it has room
// for size bytes at least, and between least and most of it are taken.
type memtable struct {
	size, least, most int64
	largest           int64
}

// What Pebble's memtables are known to take. The bounds of an entry hold for
// some dozens of them together: each has links for a random number of levels,
// 1.6 on the average. A batch is let in if there is room for all its links.
const (
	memtableFirst    = 256 << 10 // Pebble's first; a full one is followed by one of twice the size
	memtableEmpty    = 2 << 10
	memtableSlack    = 8 << 10
	memtableEntryMin = 29  // beside what it takes in a batch
	memtableEntryMax = 56  // likewise
	memtableEntryTop = 200 // likewise, with all the links that there may be
	batchHeader      = 12
)

func newMemtable(largest uint64) memtable {
	return memtable{size: min(memtableFirst, int64(largest)), most: memtableEmpty, largest: int64(largest)}
}

// fits reports whether a batch of n entries goes in, and after it events that
// take so many bytes.
func (m *memtable) fits(bytes, n, events int64) bool {
	return m.most+bytes+n*memtableEntryTop+events+memtableSlack <= m.size
}

// add notes that a batch of n entries went in, into an empty memtable if it did
// not fit: Pebble makes a larger one for it then, or none at all.
func (m *memtable) add(bytes, n int64) {
	if !m.fits(bytes, n, -memtableSlack) {
		if 2*(bytes+n*memtableEntryTop+memtableSlack) > m.largest {
			m.least, m.most = 0, m.size
			return
		}
		for m.size < bytes {
			m.size *= 2
		}
	}
	m.least += bytes - batchHeader + n*memtableEntryMin
	m.most += bytes + n*memtableEntryMax
}

// rotate notes that there is a new memtable. Pebble makes it larger than the
// last only if that was half full.
func (m *memtable) rotate() {
	if 2*m.least >= m.size {
		m.size = min(2*m.size, m.largest)
	}
	m.least, m.most = 0, memtableEmpty
}

// historyBytes is at most what e takes in a memtable.
func (e *Event) historyBytes() int64 {
	n := memtableEntryMax + 80 + len(e.Node.Path.name) + len(e.Node.Value)
	if e.Prev != nil {
		n += 32 + len(e.Prev.Value)
	}
	return int64(n)
}

// makeRoom sees to it that the batch of t goes into the memtable together
// with all events that are not written. A batch too large for that takes the
// events along. s.turn must be held.
func (s *Store) makeRoom(t *txn) error {
	events := int64(0)
	for _, e := range t.events {
		events += e.historyBytes()
	}
	m := &s.turn.memtable
	bytes, n := int64(t.b.Len()), int64(t.b.Count())
	if m.fits(bytes, n, s.turn.unsaved+events) {
		s.turn.unsaved += events - s.fallingOut(t.events)
		return nil
	}
	if _, err := s.flush(); err != nil {
		return err
	}
	if m.fits(bytes, n, events) {
		s.turn.unsaved = events - s.fallingOut(t.events)
		return nil
	}
	for _, e := range t.events[max(0, len(t.events)-s.hub.mu.history.len()):] {
		if err := s.saveEvent(t.b, e); err != nil {
			return err
		}
	}
	s.turn.saved = t.index
	return nil
}

// fallingOut is what the unwritten events take that new ones push out of the
// history, the first of the new ones included if there are so many.
func (s *Store) fallingOut(events []*Event) (bytes int64) {
	past := &s.hub.mu.history
	for i, e := range events {
		var old *Event
		if i < past.len() {
			old = past.at(e.Index - Index(past.len()))
		} else {
			old = events[i-past.len()]
		}
		if old != nil && old.Index > s.turn.saved {
			bytes += old.historyBytes()
		}
	}
	return bytes
}

// saveEvents is how many events are written at once: their links fit into
// memtableSlack.
const saveEvents = 32

// saveHistory writes the events that the memtable lacks. s.turn must be held.
func (s *Store) saveHistory() error {
	newest := s.Index()
	if s.turn.saved == newest {
		return nil
	}
	b := s.db.NewBatch()
	defer func() { _ = b.Close() }() // what was not committed is of no use
	past := &s.hub.mu.history
	for i := max(s.turn.saved+1, past.oldest(newest)); i <= newest; i++ {
		if e := past.at(i); e != nil {
			if err := s.saveEvent(b, e); err != nil {
				return err
			}
		}
		if b.Count() < saveEvents && i < newest {
			continue
		}
		s.turn.memtable.add(int64(b.Len()), int64(b.Count()))
		if err := b.Commit(pebble.NoSync); err != nil {
			return err
		}
		b.Reset()
	}
	s.turn.saved, s.turn.unsaved = newest, 0
	return nil
}

func (s *Store) saveEvent(b *pebble.Batch, e *Event) error {
	s.scratch = e.append(s.scratch[:0])
	return b.Set(historyKey(s.hub.slot(e.Index)), s.scratch, nil)
}

// flush begins to make all that is applied durable; the channel is closed
// when it is. s.turn must be held.
func (s *Store) flush() (<-chan struct{}, error) {
	if err := s.saveHistory(); err != nil {
		return nil, err
	}
	done, err := s.db.AsyncFlush()
	if err != nil {
		return nil, err
	}
	s.turn.memtable.rotate()
	s.flushed = s.at.position
	s.fitCaches()
	return done, nil
}

// fitCaches has the caches follow what is on disk. s.turn must be held, or
// nobody know of s yet.
func (s *Store) fitCaches() {
	total := s.db.Metrics().Total()
	s.cache.fit(total.TablesSize)
	s.blocks.fit(total.TablesSize)
}

// FlushSoon begins to make everything applied so far durable, and does not
// wait.
func (s *Store) FlushSoon() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	_, err := s.flush()
	return err
}

// Flush makes everything applied so far durable.
func (s *Store) Flush() error {
	s.turn.Lock()
	done, err := s.flush()
	s.turn.Unlock()
	if err != nil {
		return err
	}
	<-done
	return nil
}
