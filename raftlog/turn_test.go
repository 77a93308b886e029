package raftlog

import (
	"errors"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.etcd.io/raft/v3/raftpb"
)

// A caller remembers from where a function was called last.
type caller struct {
	mu    sync.Mutex
	stack string
}

func (c *caller) note(stack string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stack = stack
}

func (c *caller) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stack
}

// tracedMachine notes from where it is called.
type tracedMachine struct {
	*fakeMachine
	by caller
}

func (m *tracedMachine) Apply(b Batch) error {
	m.by.note(string(debug.Stack()))
	return m.fakeMachine.Apply(b)
}

func TestALoneVotersAppendLoopCarriesItsWritesThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := single(t, vfs.NewMem())
		traced := &tracedMachine{fakeMachine: m}
		c.Machine = traced
		l, stop := running(t, c)
		if err := l.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mustPropose(t, l, m, 1, "one")
		if by := traced.by.last(); !strings.Contains(by, "(*turn).carry") {
			t.Errorf("it was applied by:\n%s", by)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWithOthersTheApplyLoopApplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traced := map[uint64]*tracedMachine{}
		c := newCluster(t, 3, 1, nil)
		for id := range uint64(3) {
			id++
			c.stop(id)
			traced[id] = &tracedMachine{fakeMachine: c.members[id].machine}
			c.members[id].config.Machine = traced[id]
		}
		for id := range traced {
			c.start(id)
		}
		defer c.stopAll()
		leader := c.leader()
		if _, ok := c.propose(c.members[leader], time.Minute); !ok {
			t.Fatal("a proposal got lost")
		}
		if by := traced[leader].by.last(); strings.Contains(by, "(*turn).carry") {
			t.Errorf("it was applied by:\n%s", by)
		}
	})
}

// Who proposes while others turn does not wait for them.
func TestAProposerDoesNotWaitForTheTurn(t *testing.T) {
	c, m := single(t, vfs.NewMem())
	l, stop := running(t, c)
	mustPropose(t, l, m, 1, "before")
	hangs, release := make(chan struct{}), make(chan struct{})
	if err := l.box.ask(func(*core) { close(hangs); <-release }); err != nil {
		t.Fatal(err)
	}
	<-hangs
	if ok, err := l.TryPropose(t.Context(), 2, sealed("meanwhile")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	close(release)
	<-m.seen(2)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// runToTheEnd opens and runs a log that is to end by itself; done has what of.
func runToTheEnd(t *testing.T, c Config) (l *Log, done <-chan error) {
	t.Helper()
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run(t.Context()) }()
	return l, ended
}

// What raft finds in the turn of a proposer ends the member, and not the
// proposer.
func TestAFailureInAProposersTurnEndsTheLog(t *testing.T) {
	c, m := single(t, vfs.NewMem())
	l, done := runToTheEnd(t, c)
	mustPropose(t, l, m, 1, "before")
	broken := errors.New("broken")
	if _, err := l.turn.once(func() { panic(diskFailure{broken}) }); !errors.Is(err, broken) {
		t.Errorf("whoever turned got %v", err)
	}
	if err := <-done; !errors.Is(err, broken) {
		t.Errorf("the log ended with %v", err)
	}
	if ok, err := l.TryPropose(t.Context(), 2, sealed("after")); ok || !errors.Is(err, ErrStopped) {
		t.Errorf("a proposal after it: %v, %v", ok, err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A bug is no failure: it ends the process, from whichever goroutine.
func TestAPanicInAProposersTurnIsTheRaftLoops(t *testing.T) {
	c, _ := single(t, vfs.NewMem())
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	l.turn.begin()
	if _, err := l.turn.once(func() { panic("a bug") }); err == nil {
		t.Error("whoever turned saw nothing")
	}
	func() {
		defer func() {
			if p, ok := recover().(error); !ok || !strings.Contains(p.Error(), "a bug") {
				t.Errorf("the raft loop went on with %v", p)
			}
		}()
		l.turn.end()
	}()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheMachinesErrorEndsALogThatCarries(t *testing.T) {
	c, m := single(t, vfs.NewMem())
	l, done := runToTheEnd(t, c)
	mustPropose(t, l, m, 1, "before")
	broken := errors.New("broken")
	m.mu.Lock()
	m.err = broken
	m.mu.Unlock()
	if err := l.Propose(t.Context(), 2, sealed("never")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, broken) {
		t.Errorf("got %v, want the machine's error", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// Many stop a log while they propose: none is left waiting, and what was
// applied is what was seen.
func TestALogThatStopsInTheMidstOfWrites(t *testing.T) {
	for range 20 {
		c, m := single(t, vfs.NewMem())
		l, stop := running(t, c)
		var wg sync.WaitGroup
		for i := range uint64(8) {
			wg.Go(func() {
				for n := uint64(1); ; n++ {
					id := i<<32 | n
					if err := l.Propose(t.Context(), id, sealed("x")); err != nil {
						return
					}
					select {
					case <-m.seen(id):
					case <-l.ended:
						return
					}
				}
			})
		}
		for len(m.facts()) < 50 {
			time.Sleep(time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
	}
}

// A lone voter that gets company while it carries hands over to the loops in
// order: nothing is applied twice or out of order (the machine checks).
func TestALoneVoterThatGetsCompanyStopsCarrying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1, nil)
		defer c.stopAll()
		c.leader()
		first := c.members[1].log
		if !first.Sole() {
			synctest.Wait()
		}
		if !first.Sole() {
			t.Error("a lone voter does not know that it is alone")
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						c.propose(c.members[1], time.Minute)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		c.net.spoil(0, 0, time.Millisecond)
		if err := first.ProposeChange(t.Context(), oneChange(raftpb.ConfChangeAddLearnerNode, 2)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if first.Sole() {
			t.Error("a voter with a learner thinks that nobody else is there")
		}
		close(stop)
		wg.Wait()
	})
}

func TestWhatComesDuringASyncSharesTheNext(t *testing.T) {
	fault := &hanging{hangs: make(chan struct{}, 1), release: make(chan struct{})}
	c, m := single(t, errorfs.Wrap(vfs.NewMem(), fault))
	var entries []int
	var mu sync.Mutex
	c.Observer.Appended = func(_ time.Duration, n int) {
		mu.Lock()
		defer mu.Unlock()
		entries = append(entries, n)
	}
	l, stop := running(t, c)
	mustPropose(t, l, m, 1, "before")
	fault.armed.Store(true)
	if err := l.Propose(t.Context(), 2, sealed("first")); err != nil {
		t.Fatal(err)
	}
	<-fault.hangs
	for id := uint64(3); id < 13; id++ {
		if err := l.Propose(t.Context(), id, sealed("more")); err != nil {
			t.Fatal(err)
		}
	}
	fault.armed.Store(false)
	close(fault.release)
	<-m.seen(12)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if got := entries[len(entries)-2:]; got[0] != 1 || got[1] != 10 {
		t.Errorf("the last two syncs carried %v entries, want 1 and 10", got)
	}
}
