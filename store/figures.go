package store

import (
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Figures are numbers for who watches over the tree. What counts does so from
// Open on.
type Figures struct {
	Polls, Streams  int    // watches registered now: for one event, for all
	Cleared         uint64 // watches refused with CodeHistoryCleared
	Published       uint64 // events made known
	Oldest, Newest  Index  // events in the history; Oldest is 0 if there are none
	OldestAt        int64  // when that happened, by the log's clock
	HistoryCapacity int
	Near, Rows      CacheFigures // the node caches
	CacheKept       int64        // bytes of the block cache that stay empty for now
}

// CacheFigures are those of one node cache. Who finds a node in the near one
// leaves no trace, so nothing is counted there.
type CacheFigures struct {
	Bytes, Limit int64
	Hits, Misses uint64
}

// Figures takes the numbers. It is for people to call, not for requests.
func (s *Store) Figures() Figures {
	f := Figures{Near: s.cache.near.figures(), Rows: s.cache.rows.Load().figures(), CacheKept: s.blocks.kept.Load()}
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	f.Polls, f.Streams = h.mu.count-h.mu.streams, h.mu.streams
	f.Cleared, f.Published = h.mu.cleared, h.mu.published
	f.Newest, f.HistoryCapacity = h.mu.index, h.mu.history.len()
	if oldest := h.mu.history.at(h.mu.history.oldest(h.mu.index)); oldest != nil {
		f.Oldest, f.OldestAt = oldest.Index, oldest.Now
	}
	return f
}

// Published is how many events were made known since Open.
func (s *Store) Published() uint64 {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.hub.mu.published
}

// Engine is what the tree's engine says of itself, and how often and how long
// writers have had to wait for it.
func (s *Store) Engine() (m *pebble.Metrics, stalls uint64, stalled time.Duration) {
	return s.db.Metrics(), s.engine.stalls.Count(), s.engine.stalls.Spent()
}

func (c *nodeCache) figures() CacheFigures {
	f := CacheFigures{Limit: c.limit * cacheShards}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		f.Bytes += s.mu.bytes
		s.mu.Unlock()
	}
	return f
}

func (c *rowCache) figures() CacheFigures {
	f := CacheFigures{Limit: c.limit, Hits: c.hits, Misses: c.misses}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		f.Hits += uint64(s.hits)
		f.Misses += uint64(s.misses)
		if f.Bytes += int64(s.head); s.wrapped {
			f.Bytes += int64(s.end - s.tail)
		}
		s.mu.Unlock()
	}
	return f
}
