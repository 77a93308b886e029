package replica

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/store"
)

// mustSetExpiring sets n keys in /k, pause apart, that all live for life.
func mustSetExpiring(t *testing.T, m *running, n int, life, pause time.Duration) {
	t.Helper()
	for i := range n {
		c := set(fmt.Sprintf("/k/%d", i), "v")
		c.Expires, c.TTL = true, life
		m.mustDo(t, c)
		time.Sleep(pause)
	}
}

// mustStream watches all that mustSetExpiring sets.
func mustStream(t *testing.T, m *running) *store.Watcher {
	t.Helper()
	w, err := m.Watch(store.ParsePath(store.Keys, "/k"), store.WatchOptions{Recursive: true, Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestKeysThatEndCloseTogetherShareASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustRun(t, config(vfs.NewMem()))
		defer m.mustStop(t)
		mustSetExpiring(t, m, 1000, 10*time.Second, time.Millisecond)
		before, _ := m.Progress()
		time.Sleep(11 * time.Second)
		after, _ := m.Progress()
		if most := uint64(time.Second / sweepRest); after-before > most+1 {
			t.Errorf("1000 keys that ended within a second took %d sweeps, want at most %d", after-before, most+1)
		}
		if n := m.index(t); n < 2000 {
			t.Errorf("the index is %d: not all keys have ended", n)
		}
	})
}

// A reader that does a little between two looks is not overrun by sweeps.
func TestReadersKeepUpWithKeysThatEndTogether(t *testing.T) {
	const keys = 5000
	synctest.Test(t, func(t *testing.T) {
		m := mustRun(t, config(vfs.NewMem()))
		defer m.mustStop(t)
		mustSetExpiring(t, m, keys, time.Minute, 0)
		w := mustStream(t, m)
		defer w.Close()
		seen := 0
		for live := true; live && seen < keys; {
			<-w.Ready()
			var events []*store.Event
			events, live = w.Take()
			seen += len(events)
			time.Sleep(time.Millisecond)
		}
		if seen != keys {
			t.Errorf("the reader had %d events of %d before it was given up", seen, keys)
		}
		if e := m.index(t); e < 2*keys {
			t.Errorf("the index is %d: not all keys have ended", e)
		}
	})
}

func TestAReaderThatStoppedHoldsUpNoExpiryForLong(t *testing.T) {
	const keys = 5000
	synctest.Test(t, func(t *testing.T) {
		m := mustRun(t, config(vfs.NewMem()))
		defer m.mustStop(t)
		mustSetExpiring(t, m, keys, time.Minute, 0)
		stuck := mustStream(t, m)
		defer stuck.Close()
		time.Sleep(time.Minute + sweepLate + 50*time.Millisecond)
		l, err := m.List(store.ParsePath(store.Keys, "/k"), false)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for l.Next() {
			if l.Item().Kind == store.Leaf {
				t.Fatalf("%s is still there", l.Item().Path)
			}
		}
	})
}

// Large values make small slices.
func TestSlicesAreBoundedInBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := mustRun(t, config(vfs.NewMem()))
		defer m.mustStop(t)
		big := string(make([]byte, sweepBytes/4))
		for i := range 16 {
			c := set(fmt.Sprintf("/k/%d", i), big)
			c.Expires, c.TTL = true, time.Minute
			m.mustDo(t, c)
		}
		before, _ := m.Progress()
		time.Sleep(time.Minute + time.Second)
		if after, _ := m.Progress(); after-before != 4 {
			t.Errorf("%d sweeps removed 4 times what one may, want 4", after-before)
		}
	})
}
