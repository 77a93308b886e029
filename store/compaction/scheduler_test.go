package compaction

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// engine wants so many compactions, and may run some at a time.
type engine struct {
	mu                     sync.Mutex
	allowed, wanted, begun int
	refuses                bool
	offers                 int
}

func (e *engine) GetAllowedWithoutPermission() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.allowed
}

func (e *engine) GetWaitingCompaction() (bool, pebble.WaitingCompaction) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.offers++
	return e.wanted > 0, pebble.WaitingCompaction{}
}

func (e *engine) Schedule(pebble.CompactionGrantHandle) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refuses || e.wanted == 0 {
		return false
	}
	e.wanted--
	e.begun++
	return true
}

func (e *engine) set(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *engine) mustHave(t *testing.T, begun int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.begun != begun {
		t.Fatalf("%d compactions were begun, want %d", e.begun, begun)
	}
}

func open(allowed int) (*Scheduler, *engine) {
	s, e := New(), &engine{allowed: allowed}
	s.Register(2, e)
	return s, e
}

func TestNoMoreThanAllowedRunAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := open(2)
		for i, want := range []bool{true, true, false} {
			if ok, _ := s.TrySchedule(); ok != want {
				t.Fatalf("compaction %d: got %v, want %v", i, ok, want)
			}
		}
		e.set(func() { e.wanted = 3 })
		s.Done()
		e.mustHave(t, 1)
		s.Done()
		s.Done()
		e.mustHave(t, 3)
		s.Unregister()
	})
}

func TestWhatIsAllowedMoreIsOfferedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := open(1)
		s.TrySchedule()
		if ok, _ := s.TrySchedule(); ok {
			t.Fatal("two run where one may")
		}
		e.set(func() { e.wanted, e.allowed = 1, 2 })
		s.UpdateGetAllowedWithoutPermission()
		synctest.Wait()
		e.mustHave(t, 1)
		s.Unregister()
	})
}

// The engine does not tell of all that makes it allowed more.
func TestACompactionThatWaitsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := open(1)
		s.TrySchedule()
		s.TrySchedule()
		e.set(func() { e.wanted, e.allowed = 1, 2 })
		time.Sleep(2 * again)
		e.mustHave(t, 1)
		s.Unregister()
	})
}

func TestAnIdleEngineIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := open(1)
		s.TrySchedule()
		s.TrySchedule()
		s.Done()
		time.Sleep(2 * again)
		e.set(func() { e.offers = 0 })
		time.Sleep(time.Hour)
		if e.offers != 0 {
			t.Fatalf("it was asked %d times in an hour", e.offers)
		}
		s.Unregister()
	})
}

func TestARefusedOfferIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := open(1)
		s.TrySchedule()
		e.set(func() { e.wanted, e.refuses = 1, true })
		s.Done()
		e.set(func() { e.refuses = false })
		if ok, _ := s.TrySchedule(); !ok {
			t.Fatal("a compaction that nobody runs takes a place")
		}
		s.Unregister()
	})
}

func TestNothingIsOfferedAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := open(1)
		s.TrySchedule()
		s.TrySchedule()
		e.set(func() { e.wanted = 1 })
		s.Unregister()
		s.Done()
		if ok, _ := s.TrySchedule(); ok {
			t.Fatal("a compaction was let in")
		}
		time.Sleep(2 * again)
		e.mustHave(t, 0)
	})
}
