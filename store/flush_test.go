package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Whatever is applied, and however much at once: a power cut leaves a tree
// with the whole history that leads to where it stands.
func TestTheHistoryIsWholeAfterEveryFlush(t *testing.T) {
	for _, size := range []int{0, 60, 700, 9_000, 70_000, 600_000} {
		for _, most := range []int{1, 40, 1500} {
			if size*most > 4<<20 {
				continue
			}
			t.Run(fmt.Sprintf("values=%d/batch=%d", size, most), func(t *testing.T) {
				t.Parallel()
				cutThePower(t, size, most)
			})
		}
	}
}

// cutThePower fills memtables of several sizes, with power cuts all along.
func cutThePower(t *testing.T, size, most int) {
	rnd := rand.New(rand.NewPCG(uint64(size), uint64(most)))
	fs := vfs.NewCrashableMem()
	options := Options{FS: fs, MemTableBytes: 2 << 20, HistoryLength: 300}
	s, err := Open("tree", options)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	flushed := Index(0)
	for range 12 {
		for written := 0; written < 400<<10; {
			cmds := make([]Command, 1+rnd.IntN(most))
			for i := range cmds {
				value := strings.Repeat("v", rnd.IntN(size+1))
				cmds[i] = set(fmt.Sprintf("/%d/%d", rnd.IntN(10), rnd.IntN(100)), value)
				written += len(value) + 100
			}
			mustApply(t, s, cmds...)
		}
		options.FS = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rnd.IntN(101), RNG: rnd})
		again, err := Open("tree", options)
		if err != nil {
			t.Fatal(err)
		}
		flushed = again.Index()
		if past := &again.hub.mu.history; past.count != min(past.len(), int(flushed)) {
			t.Fatalf("at index %d of %d there are %d events of %d", flushed, s.Index(), past.count, past.len())
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if flushed == 0 {
		t.Error("nothing was ever flushed: no memtable was filled")
	}
}

// The memtable of the model is never larger than Pebble's.
func TestMemtablesGrowAsTheyFill(t *testing.T) {
	m := newMemtable(8 << 20)
	if m.size != 256<<10 {
		t.Fatalf("the first memtable has %d bytes", m.size)
	}
	m.rotate()
	if m.size != 256<<10 {
		t.Errorf("after an empty memtable one of %d bytes", m.size)
	}
	m.add(130<<10, 1)
	if m.rotate(); m.size != 512<<10 {
		t.Errorf("after a memtable half full one of %d bytes", m.size)
	}
	m.add(1<<20, 1)
	if m.size != 1<<20 || m.fits(1000, 1, 0) {
		t.Errorf("a batch of 1 MiB lies in a memtable of %d bytes", m.size)
	}
	m.rotate()
	m.add(6<<20, 1)
	if m.rotate(); m.size != 2<<20 {
		t.Errorf("a batch that Pebble puts into no memtable made the next %d bytes large", m.size)
	}
	for range 5 {
		m.add(m.size-16<<10, 1)
		m.rotate()
	}
	if m.size != 8<<20 {
		t.Errorf("memtables grew to %d bytes", m.size)
	}
}

// A tree that came from the leader is durable when Restore returns, also over
// one that has not been flushed: the log before it is gone.
func TestARestoreOverAnUnflushedTreeIsDurable(t *testing.T) {
	source := mustOpen(t)
	mustApply(t, source, set("/a", "restored"))
	stream := mustWrite(t, source)
	for range 20 {
		fs := vfs.NewCrashableMem()
		s, err := Open("tree", Options{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			mustApply(t, s, set("/b", fmt.Sprint(i)))
		}
		if err := s.Restore(bytes.NewReader(stream)); err != nil {
			t.Fatal(err)
		}
		again, err := Open("tree", Options{FS: fs.CrashClone(vfs.CrashCloneCfg{})})
		if err != nil {
			t.Fatal(err)
		}
		if again.Index() != 1 {
			t.Fatalf("the tree stands at index %d", again.Index())
		}
		for _, store := range []*Store{again, s} {
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Flushes and captures are asked for by other goroutines than the one that
// applies and restores. Whatever they meet, a capture's history leads to its
// index.
func TestFlushesAndCapturesBesideApplyAndRestore(t *testing.T) {
	s, err := Open("tree", Options{FS: vfs.NewMem(), MemTableBytes: 256 << 10, HistoryLength: 20})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := s.FlushSoon(); err != nil {
				t.Error(err)
			}
			c, err := s.Capture()
			if err != nil {
				t.Error(err)
				return
			}
			if newest := c.past[int(c.Index())%len(c.past)]; c.Index() > 0 && (newest == nil || newest.Index != c.Index()) {
				t.Errorf("the history of a capture at index %d does not lead there", c.Index())
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	for range 10 {
		stream := mustWrite(t, s)
		for i := range 100 {
			mustApply(t, s, set(fmt.Sprint("/", i), strings.Repeat("v", 500)))
		}
		if err := s.Restore(bytes.NewReader(stream)); err != nil {
			t.Error(err)
		}
		mustApply(t, s, set("/n", "1"))
	}
	close(done)
	others.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
