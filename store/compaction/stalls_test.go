package compaction

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

func TestStallsAreCountedAndTimed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Stalls
		var l pebble.EventListener
		s.Observe(&l)
		for range 2 {
			l.WriteStallBegin(pebble.WriteStallBeginInfo{Reason: "memtable count limit reached"})
			time.Sleep(3 * time.Second)
			l.WriteStallEnd()
			time.Sleep(time.Hour)
		}
		l.WriteStallBegin(pebble.WriteStallBeginInfo{})
		if s.Count() != 3 || s.Spent() != 6*time.Second {
			t.Errorf("got %d stalls, %v long, want 3 and 6 s", s.Count(), s.Spent())
		}
	})
}
