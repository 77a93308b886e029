// Package compaction says when an engine may compact: as often as the engine's
// own limit allows, like its default scheduler, but without a clock that ticks
// while there is nothing to do.
package compaction

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// again is how soon a compaction that had to wait is tried again, should
// nobody tell before that there is room.
const again = 100 * time.Millisecond

// Scheduler is for one pebble.DB. The engine alone calls its methods.
type Scheduler struct {
	granting sync.Mutex // held while the engine is offered to compact

	mu      sync.Mutex
	db      pebble.DBForCompaction
	running int
	allowed int // as it was last known
	closed  bool
	timer   *time.Timer // nil: nothing has waited yet
	armed   bool
}

var (
	_ pebble.CompactionScheduler   = (*Scheduler)(nil)
	_ pebble.CompactionGrantHandle = (*Scheduler)(nil)
)

// New makes a scheduler for an engine that is going to be opened.
func New() *Scheduler { return &Scheduler{} }

// Register notes whose compactions these are.
func (s *Scheduler) Register(_ int, db pebble.DBForCompaction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db = db
}

// Unregister returns when the engine is offered nothing any more.
func (s *Scheduler) Unregister() {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.granting.Lock() // waits for an offer under way; the next one sees that it is over
	defer s.granting.Unlock()
}

// TrySchedule lets the engine compact if it may at this moment. If not, it is
// offered to later.
func (s *Scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.take() {
		s.offerIn(again)
		return false, nil
	}
	return true, s
}

// take counts one more compaction, if it is allowed. s.mu must be held.
func (s *Scheduler) take() bool {
	if s.closed {
		return false
	}
	s.allowed = s.db.GetAllowedWithoutPermission()
	if s.running >= s.allowed {
		return false
	}
	s.running++
	return true
}

// UpdateGetAllowedWithoutPermission is the engine's word that it may be allowed
// more. The engine may hold locks that an offer needs.
func (s *Scheduler) UpdateGetAllowedWithoutPermission() {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.allowed
	if s.allowed = s.db.GetAllowedWithoutPermission(); s.allowed > before {
		s.offerIn(0)
	}
}

// offerIn has the engine offered to compact. s.mu must be held.
func (s *Scheduler) offerIn(d time.Duration) {
	switch {
	case s.closed || s.armed && d > 0:
		return
	case s.timer == nil:
		s.timer = time.AfterFunc(d, s.offer)
	default:
		s.timer.Reset(d)
	}
	s.armed = true
}

// offer lets the engine compact as much as it wants and may. If it may not,
// some compaction is running, and there is another try.
func (s *Scheduler) offer() {
	s.granting.Lock()
	defer s.granting.Unlock()
	s.mu.Lock()
	s.armed = false
	s.mu.Unlock()
	for s.offerOne() {
	}
}

// offerOne reports whether the engine has taken the offer. s.granting must be held.
func (s *Scheduler) offerOne() bool {
	s.mu.Lock()
	free := s.take()
	if !free {
		s.offerIn(again)
	}
	s.mu.Unlock()
	if !free {
		return false
	}
	if waiting, _ := s.db.GetWaitingCompaction(); waiting && s.db.Schedule(s) {
		return true
	}
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
	return false
}

// Done is told when a compaction has ended.
func (s *Scheduler) Done() {
	s.mu.Lock()
	s.running--
	s.mu.Unlock()
	s.offer()
}

// Started, MeasureCPU and CumulativeStats are for schedulers that look closer.
func (*Scheduler) Started()                                          {}
func (*Scheduler) MeasureCPU(pebble.CompactionGoroutineKind)         {}
func (*Scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}
