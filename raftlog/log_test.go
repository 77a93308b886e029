package raftlog

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// single bootstraps a one-member log on fs and returns how to open it.
func single(t testing.TB, fs vfs.FS) (Config, *fakeMachine) {
	t.Helper()
	m := newFakeMachine(1, Note([]uint64{1}, nil, 1, 0))
	c := Config{ID: 1, Dir: "log", FS: fs, Machine: m}
	if err := Bootstrap(c, 1, 1, []uint64{1}); err != nil {
		t.Fatal(err)
	}
	return c, m
}

// running opens and runs a log; stop ends it and returns what Run returned.
func running(t testing.TB, c Config) (l *Log, stop func() error) {
	t.Helper()
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return l, func() error {
		cancel()
		return errors.Join(<-done, l.Close())
	}
}

func mustPropose(t testing.TB, l *Log, m *fakeMachine, id uint64, data string) {
	t.Helper()
	if err := l.Propose(t.Context(), id, sealed(data)); err != nil {
		t.Fatal(err)
	}
	<-m.seen(id)
}

func TestALoneMemberKeepsItsProposalsOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		c, m := single(t, fs)
		l, stop := running(t, c)
		for i := range 10 {
			mustPropose(t, l, m, uint64(i+1), fmt.Sprintf("value %d", i))
		}
		if err := l.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := l.Status(); s.Leader != 1 || s.Applied != s.Commit || s.Applied != 12 {
			t.Errorf("got %+v, want leader 1 and 12 applied", s)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		// The machine starts from nothing: the log replays all.
		again := newFakeMachine(1, Note([]uint64{1}, nil, 1, 0))
		c.Machine = again
		l, stop = running(t, c)
		if err := l.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := again.facts()
		if len(got) != 10 || got[9].Data != "value 9" || got[9].ID != 10 {
			t.Errorf("got %+v after a restart, want 10 values", got)
		}
		mustPropose(t, l, again, 11, "more")
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPeopleWhoWaitAreToldOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := single(t, vfs.NewMem())
		l, stop := running(t, c)
		synctest.Wait()
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := l.Barrier(t.Context()); !errors.Is(err, ErrStopped) {
			t.Errorf("barrier after the end: got %v, want ErrStopped", err)
		}
		if err := l.Propose(t.Context(), 1, sealed("")); !errors.Is(err, ErrStopped) {
			t.Errorf("propose after the end: got %v, want ErrStopped", err)
		}
	})
}

func TestProposalsWaitForALeaderAndGoWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newFakeMachine(1, Note([]uint64{1, 2, 3}, nil, 1, 0))
		c := Config{ID: 1, Dir: "log", FS: vfs.NewMem(), Machine: m, QueueBytes: 100}
		if err := Bootstrap(c, 1, 1, []uint64{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		l, stop := running(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Propose(ctx, 1, make([]byte, 90)); err != nil {
			t.Fatal(err)
		}
		if err := l.Propose(ctx, 2, make([]byte, 90)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a full queue: got %v, want deadline exceeded", err)
		}
		// The first is dropped with its context, so there is room again.
		if err := l.Propose(t.Context(), 3, make([]byte, 90)); err != nil {
			t.Error(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}
