package raftlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// failing makes the writes to logs fail once armed.
type failing struct{ armed atomic.Bool }

func (f *failing) String() string { return "failing" }

func (f *failing) MaybeError(op errorfs.Op) error {
	if f.armed.Load() && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) {
		return errorfs.ErrInjected
	}
	return nil
}

func TestADiskThatFailsStopsTheMemberBeforeItAnswers(t *testing.T) {
	fault := &failing{}
	c, m := single(t, errorfs.Wrap(vfs.NewMem(), fault))
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- l.Run(t.Context()) }()
	mustPropose(t, l, m, 1, "fine")
	fault.armed.Store(true)
	if err := l.Propose(t.Context(), 2, sealed("never")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("got %v, want the disk's error", err)
	}
	select {
	case <-m.seen(2):
		t.Error("a proposal was applied that could not be written")
	default:
	}
	if err := l.Close(); err == nil {
		t.Error("the log was closed as if nothing had happened")
	}
}

func TestTheLogIsTruncatedBehindTheMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		c, m := single(t, fs)
		c.CatchUpEntries, c.TailEntries = 100, 50
		m.flushEvery = 400
		l, stop := running(t, c)
		for i := range 1000 {
			mustPropose(t, l, m, uint64(i+1), "x")
			durable, _ := m.DurablePosition()
			if s := l.Status(); s.FirstPosition > durable+1 {
				t.Fatalf("the log starts at %d, but the machine would fall back to %d", s.FirstPosition, durable)
			}
		}
		s := l.Status()
		if s.FirstPosition < 500 || s.FirstPosition > 900 {
			t.Errorf("the log starts at %d after 1000 entries, want about 800", s.FirstPosition)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		c.Machine = m.crashed()
		l, stop = running(t, c)
		if err := l.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(c.Machine.(*fakeMachine).facts()); n != 1000 {
			t.Errorf("got %d entries after a power cut, want 1000", n)
		}
		if got := l.Status().FirstPosition; got != s.FirstPosition {
			t.Errorf("the log starts at %d after a restart, want %d", got, s.FirstPosition)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestTheLogIsTruncatedByBytesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := single(t, vfs.NewMem())
		c.CatchUpBytes = 4 << 20
		l, stop := running(t, c)
		for i := range 40 {
			mustPropose(t, l, m, uint64(i+1), string(make([]byte, 1<<20)))
		}
		synctest.Wait()
		if s := l.Status(); s.LastPosition-s.FirstPosition > 20 {
			t.Errorf("the log keeps %d entries of 1 MiB, want few", s.LastPosition-s.FirstPosition)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLargeProposalsFitEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 1, func(c *Config) { c.MemTableBytes = 4 << 20 })
		defer c.stopAll()
		data := bytes.Repeat([]byte("large"), 11<<20/5)
		var acked []uint64
		m := c.members[c.leader()%3+1]
		id := c.nextID.Add(1)
		if err := m.log.Propose(t.Context(), id, append(make([]byte, Headroom), data...)); err != nil {
			t.Fatal(err)
		}
		<-m.machine.seen(id)
		acked = append(acked, id)
		c.settle()
		for id := range c.members {
			c.stop(id)
			c.start(id)
		}
		c.settle()
		c.check(acked)
	})
}

func TestAFullQueueLetsGoWhenThereIsALeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 1, func(c *Config) { c.QueueBytes = 1000 })
		defer c.stopAll()
		for id := range c.members {
			c.net.isolate(id, true)
		}
		var done atomic.Int32
		for i := range 100 {
			go func() {
				m := c.members[uint64(i%3)+1]
				if _, ok := c.propose(m, time.Hour); ok {
					done.Add(1)
				}
			}()
		}
		time.Sleep(time.Minute)
		if n := done.Load(); n != 0 {
			t.Errorf("%d proposals were answered without a leader", n)
		}
		for id := range c.members {
			c.net.isolate(id, false)
		}
		time.Sleep(time.Minute)
		if n := done.Load(); n != 100 {
			t.Errorf("%d of 100 proposals were answered", n)
		}
	})
}

func TestACrashDuringARestoreIsFinishedAtTheNextStart(t *testing.T) {
	for _, restored := range []bool{true, false} {
		t.Run(fmt.Sprint("restored=", restored), func(t *testing.T) {
			fs := vfs.NewMem()
			c, m := single(t, fs)
			l, stop := running(t, c)
			for i := range 20 {
				mustPropose(t, l, m, uint64(i+1), "x")
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			d, err := openDisk(c.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			b, err := d.newBatch()
			if err := errors.Join(err, putRestoring(b, place{500, 7}), d.commit(b, true), b.Close(), d.close()); err != nil {
				t.Fatal(err)
			}
			want := uint64(22)
			c.Machine = m.restarted()
			if restored {
				want = 500
				c.Machine = newFakeMachine(500, Note([]uint64{1}, nil, 7, 99))
			}
			for range 2 {
				l, err := Open(c)
				if err != nil {
					t.Fatal(err)
				}
				if got := l.Status().LastPosition; got != want {
					t.Errorf("the log ends at %d, want %d", got, want)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
			}
			l, stop = running(t, c)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := errors.Join(l.Barrier(ctx), stop()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestBootstrapMakesAWholeLogOnce(t *testing.T) {
	c, _ := single(t, vfs.NewMem())
	if err := Bootstrap(c, 1, 1, []uint64{1}); !errors.Is(err, ErrExists) {
		t.Errorf("a second bootstrap: got %v, want ErrExists", err)
	}
	c.Dir = "elsewhere"
	if _, err := Open(c); !errors.Is(err, ErrNotBootstrapped) {
		t.Errorf("an empty directory: got %v, want ErrNotBootstrapped", err)
	}
	if err := Bootstrap(c, 0, 0, []uint64{1}); err == nil {
		t.Error("voters without a position were accepted")
	}
}
