package raftlog

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func TestALoopThatHangsIsNotAlive(t *testing.T) {
	c, _ := single(t, vfs.NewMem())
	l, stop := running(t, c)
	mustBeAlive(t, l)
	hangs, release := make(chan struct{}), make(chan struct{})
	if err := l.box.ask(func(*core) { close(hangs); <-release }); err != nil {
		t.Fatal(err)
	}
	<-hangs
	within, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := l.Alive(within); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while the loop hangs: got %v, want deadline exceeded", err)
	}
	close(release)
	mustBeAlive(t, l)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := l.Alive(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("after the end: got %v, want ErrStopped", err)
	}
}

func mustBeAlive(t *testing.T, l *Log) {
	t.Helper()
	within, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := l.Alive(within); err != nil {
		t.Fatal(err)
	}
}

// hanging makes syncs wait once it is armed.
type hanging struct {
	armed   atomic.Bool
	hangs   chan struct{} // gets one token per sync that waits
	release chan struct{}
}

func (h *hanging) String() string { return "hanging" }

func (h *hanging) MaybeError(op errorfs.Op) error {
	if h.armed.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
		signal(h.hangs)
		<-h.release
	}
	return nil
}

func TestALogWhoseDiskHangsIsAlive(t *testing.T) {
	fault := &hanging{hangs: make(chan struct{}, 1), release: make(chan struct{})}
	c, m := single(t, errorfs.Wrap(vfs.NewMem(), fault))
	l, stop := running(t, c)
	mustPropose(t, l, m, 1, "before")
	fault.armed.Store(true)
	if err := l.Propose(t.Context(), 2, sealed("while it hangs")); err != nil {
		t.Fatal(err)
	}
	<-fault.hangs
	mustBeAlive(t, l)
	close(fault.release)
	<-m.seen(2)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// slowMachine waits in Apply until it is let go.
type slowMachine struct {
	*fakeMachine
	applies, release chan struct{}
}

func (m *slowMachine) Apply(b Batch) error {
	signal(m.applies)
	<-m.release
	return m.fakeMachine.Apply(b)
}

func TestALogWhoseMachineIsSlowIsAlive(t *testing.T) {
	c, m := single(t, vfs.NewMem())
	slow := &slowMachine{m, make(chan struct{}, 1), make(chan struct{})}
	c.Machine = slow
	l, stop := running(t, c)
	<-slow.applies
	mustBeAlive(t, l)
	close(slow.release)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}
