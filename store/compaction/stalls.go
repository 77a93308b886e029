package compaction

import (
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Stalls counts how often an engine has made writers wait until it had flushed
// or compacted, and for how long. The engine begins and ends them one after
// the other; any goroutine may read. The zero value is ready.
type Stalls struct {
	count atomic.Uint64
	spent atomic.Int64
	since time.Time // the engine's
}

// Observe has s be told by l.
func (s *Stalls) Observe(l *pebble.EventListener) {
	l.WriteStallBegin = func(pebble.WriteStallBeginInfo) {
		s.since = time.Now()
		s.count.Add(1)
	}
	l.WriteStallEnd = func() { s.spent.Add(int64(time.Since(s.since))) }
}

// Count is how many there were, one under way included, and Spent how long
// those took that are over.
func (s *Stalls) Count() uint64        { return s.count.Load() }
func (s *Stalls) Spent() time.Duration { return time.Duration(s.spent.Load()) }
