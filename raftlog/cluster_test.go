package raftlog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// cluster is a number of members on one network.
type cluster struct {
	t       *testing.T
	net     *network
	members map[uint64]*member
	nextID  atomic.Uint64
	tune    func(*Config)
}

type member struct {
	config  Config
	machine *fakeMachine
	log     *Log
	stop    func() error // nil while it is down
}

func newCluster(t *testing.T, size int, seed uint64, tune func(*Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, net: newNetwork(seed), members: map[uint64]*member{}, tune: tune}
	var voters []uint64
	for id := range uint64(size) {
		voters = append(voters, id+1)
	}
	for _, id := range voters {
		c.add(id, 1, 1, voters)
	}
	return c
}

// add makes a member, bootstraps its log and starts it.
func (c *cluster) add(id, position, term uint64, voters []uint64) {
	c.t.Helper()
	var note []byte
	if position > 0 {
		note = Note(voters, nil, term, 0)
	}
	m := &member{machine: newFakeMachine(position, note)}
	m.config = Config{ID: id, Dir: "log", FS: vfs.NewCrashableMem(), Transport: wire{c.net, id}, MemTableBytes: 1 << 20}
	if c.tune != nil {
		c.tune(&m.config)
	}
	m.config.Machine = m.machine
	if err := Bootstrap(m.config, position, term, voters); err != nil {
		c.t.Fatal(err)
	}
	c.members[id] = m
	c.start(id)
}

func (c *cluster) start(id uint64) {
	c.t.Helper()
	m := c.members[id]
	m.log, m.stop = running(c.t, m.config)
	c.net.attach(id, m.log)
}

// stop stops a member cleanly.
func (c *cluster) stop(id uint64) {
	c.t.Helper()
	m := c.members[id]
	c.net.detach(id)
	if err := m.stop(); err != nil {
		c.t.Fatalf("member %d: %v", id, err)
	}
	m.stop = nil
	m.machine = m.machine.restarted()
	m.config.Machine = m.machine
}

// crash cuts a member's power: what was not synced may be lost.
func (c *cluster) crash(id uint64, rng *rand.Rand) {
	c.t.Helper()
	m := c.members[id]
	// First the machine, then the log: the machine is durable only up to what
	// is in the log.
	machine := m.machine.crashed()
	fs := m.config.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	c.net.detach(id)
	_ = m.stop() // it works on files that are no more
	m.stop, m.machine = nil, machine
	m.config.FS, m.config.Machine = fs, machine
}

func (c *cluster) stopAll() {
	for id, m := range c.members {
		if m.stop != nil {
			c.stop(id)
		}
	}
}

func (c *cluster) leader() uint64 {
	for {
		for id, m := range c.members {
			if m.stop != nil && m.log.Status().Leader == id {
				return id
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// propose proposes at one member and waits until that member has applied it.
func (c *cluster) propose(at *member, patience time.Duration) (id uint64, ok bool) {
	id = c.nextID.Add(1)
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	machine := at.machine
	if err := at.log.Propose(ctx, id, sealed(fmt.Sprint("value ", id))); err != nil {
		return id, false
	}
	select {
	case <-machine.seen(id):
		return id, true
	case <-ctx.Done():
		return id, false
	}
}

// settle waits until all members that are up have applied the same.
func (c *cluster) settle() {
	c.t.Helper()
	c.net.spoil(0, 0, time.Millisecond)
	for _, m := range c.members {
		if m.stop == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
		if err := m.log.Barrier(ctx); err != nil {
			c.t.Fatalf("member %d does not settle: %v, %+v", m.config.ID, err, m.log.Status())
		}
		cancel()
	}
}

// check compares what the members have applied, and that all of acked is there
// exactly once. Members without a start of the log are left out.
func (c *cluster) check(acked []uint64) {
	c.t.Helper()
	var first []fact
	for id, m := range c.members {
		facts := m.machine.facts()
		count := map[uint64]int{}
		for i, f := range facts {
			if f.ID == 0 {
				continue
			}
			if count[f.ID]++; count[f.ID] > 1 {
				c.t.Fatalf("member %d applied proposal %d twice", id, f.ID)
			}
			if i > 0 && f.Stamp < facts[i-1].Stamp {
				c.t.Fatalf("member %d: stamps go back at %+v", id, f)
			}
		}
		for _, a := range acked {
			if count[a] != 1 {
				c.t.Fatalf("member %d applied acknowledged proposal %d %d times", id, a, count[a])
			}
		}
		if first == nil {
			first = facts
		}
		if len(facts) != len(first) {
			c.t.Fatalf("member %d applied %d entries, another %d", id, len(facts), len(first))
		}
		for i := range facts {
			if facts[i] != first[i] {
				c.t.Fatalf("member %d applied %+v where another applied %+v", id, facts[i], first[i])
			}
		}
	}
}

// storm has several proposers at each member propose n times, and checks after
// each that a barrier anywhere sees it. It returns what was acknowledged.
func (c *cluster) storm(proposers, n int, patience time.Duration) []uint64 {
	var mu sync.Mutex
	var acked []uint64
	var wg sync.WaitGroup
	for id, m := range c.members {
		for p := range proposers {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(id, uint64(p)))
				for range n {
					got, ok := c.propose(m, patience)
					if !ok {
						continue
					}
					mu.Lock()
					acked = append(acked, got)
					mu.Unlock()
					if rng.IntN(4) == 0 {
						c.mustSee(rng.Uint64N(uint64(len(c.members)))+1, got, patience)
					}
				}
			})
		}
	}
	wg.Wait()
	return acked
}

func (c *cluster) mustSee(at, id uint64, patience time.Duration) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	m := c.members[at]
	if err := m.log.Barrier(ctx); err != nil {
		return // the network did not let it
	}
	select {
	case <-m.machine.seen(id):
	default:
		c.t.Errorf("member %d does not see acknowledged proposal %d behind a barrier", at, id)
	}
}

func TestMembersAgreeOverABadNetwork(t *testing.T) {
	for _, size := range []int{1, 3, 5} {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("members=%d/seed=%d", size, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCluster(t, size, seed, nil)
					defer c.stopAll()
					c.net.spoil(0.03, 0.03, 5*time.Millisecond)
					stop := make(chan struct{})
					var cutter sync.WaitGroup
					cutter.Go(func() { c.cutAtRandom(seed, stop) })
					acked := c.storm(4, 120, 10*time.Second)
					close(stop)
					cutter.Wait()
					c.settle()
					c.check(acked)
					if want := size * 4 * 120 / 2; len(acked) < want {
						t.Errorf("only %d proposals were acknowledged, want %d at least", len(acked), want)
					}
				})
			})
		}
	}
}

// cutAtRandom isolates members for a while, one after the other.
func (c *cluster) cutAtRandom(seed uint64, stop chan struct{}) {
	rng := rand.New(rand.NewPCG(seed, 77))
	for {
		id := rng.Uint64N(uint64(len(c.members))) + 1
		for _, cut := range []bool{len(c.members) > 1, false} {
			c.net.isolate(id, cut)
			select {
			case <-time.After(time.Duration(rng.IntN(3000)) * time.Millisecond):
			case <-stop:
				c.net.isolate(id, false)
				return
			}
		}
	}
}

func TestTheLogGoesOnWhenTheLeaderStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 1, nil)
		defer c.stopAll()
		var acked []uint64
		for range 5 {
			old := c.leader()
			c.stop(old)
			for id, m := range c.members {
				if id != old {
					// The barrier finds the new leader: what is forwarded to the
					// old one is lost.
					if err := m.log.Barrier(t.Context()); err != nil {
						t.Fatal(err)
					}
					got, ok := c.propose(m, 20*time.Second)
					if !ok {
						t.Fatalf("no answer at %d after the leader stopped", id)
					}
					acked = append(acked, got)
				}
			}
			c.start(old)
		}
		c.settle()
		c.check(acked)
	})
}

// What was forwarded to a leader that is gone is proposed again, once.
func TestAProposalOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 2, nil)
		defer c.stopAll()
		var acked []uint64
		for range 5 {
			old := c.leader()
			c.net.isolate(old, true)
			ids := make(chan uint64)
			for id, m := range c.members {
				if id == old {
					continue
				}
				go func() {
					got, ok := c.propose(m, 5*time.Second)
					if !ok {
						t.Errorf("the proposal at %d was lost with the leader", id)
					}
					ids <- got
				}()
			}
			acked = append(acked, <-ids, <-ids)
			c.net.isolate(old, false)
			c.settle()
		}
		c.check(acked)
	})
}

// A leader whose process is known to be gone is replaced at once, and one that
// is only said to be gone keeps on leading.
func TestALeaderThatIsGoneIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 3, nil)
		defer c.stopAll()
		for range 10 {
			old := c.leader()
			c.stop(old)
			start := time.Now()
			for id, m := range c.members {
				if id != old {
					m.log.LeaderGone(old)
				}
			}
			for id, m := range c.members {
				if id == old {
					continue
				}
				if _, ok := c.propose(m, 20*time.Second); !ok {
					t.Fatalf("no answer at %d after the leader stopped", id)
				}
			}
			if took := time.Since(start); took > 400*time.Millisecond {
				t.Errorf("a new leader took %v", took)
			}
			c.start(old)
			c.settle()
		}
		leader := c.leader()
		term := c.members[leader].log.Status().Term
		for id, m := range c.members {
			if id != leader {
				m.log.LeaderGone(leader)
				break
			}
		}
		time.Sleep(3 * time.Second)
		if s := c.members[leader].log.Status(); s.Leader != leader || s.Term != term {
			t.Errorf("after a false report member %d leads in term %d, not %d in term %d", s.Leader, s.Term, leader, term)
		}
	})
}

func TestNothingAcknowledgedIsLostInPowerCuts(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(seed, 5))
				size := []int{1, 3}[seed%2]
				c := newCluster(t, size, seed, func(c *Config) {
					c.CatchUpEntries, c.CatchUpBytes = 40, 1<<20
				})
				for _, m := range c.members {
					m.machine.mu.Lock()
					m.machine.flushEvery = 17
					m.machine.mu.Unlock()
				}
				defer c.stopAll()
				var acked []uint64
				for range 12 {
					victim := rng.Uint64N(uint64(size)) + 1
					m := c.members[victim]
					// Acknowledged at the victim, which then loses its power in
					// the middle of more.
					for range 10 + rng.IntN(20) {
						if id, ok := c.propose(m, 20*time.Second); ok {
							acked = append(acked, id)
						}
					}
					for range 20 {
						id := c.nextID.Add(1)
						if err := m.log.Propose(t.Context(), id, sealed("unanswered")); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(time.Duration(rng.IntN(2000)) * time.Microsecond)
					c.crash(victim, rng)
					if size > 1 {
						time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
					}
					c.start(victim)
				}
				c.settle()
				c.check(acked)
			})
		})
	}
}

func TestAFollowerFarBehindIsGivenASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 1, func(c *Config) { c.CatchUpEntries, c.TailEntries = 20, 10 })
		defer c.stopAll()
		leader := c.leader()
		behind := leader%3 + 1
		var acked []uint64
		more := func(n int) {
			for range n {
				id, ok := c.propose(c.members[leader], 10*time.Second)
				if !ok {
					t.Fatal("no answer")
				}
				acked = append(acked, id)
			}
		}
		more(5)
		for round := range 3 {
			c.stop(behind)
			more(300)
			if first := c.members[leader].log.Status().FirstPosition; first < 200 {
				t.Fatalf("round %d: the log still starts at %d", round, first)
			}
			c.start(behind)
			time.Sleep(10 * time.Second)
			more(5)
		}
		c.settle()
		c.check(acked)
		if c.net.snapshot < 3 {
			t.Errorf("%d snapshots were delivered, want 3", c.net.snapshot)
		}
		for id, m := range c.members {
			if m.machine.captures != 0 {
				t.Errorf("member %d has %d open captures", id, m.machine.captures)
			}
		}
	})
}

func TestMembersJoinAndLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1, nil)
		defer c.stopAll()
		var acked []uint64
		say := func(at uint64) {
			id, ok := c.propose(c.members[at], 10*time.Second)
			if !ok {
				t.Fatalf("no answer at %d", at)
			}
			acked = append(acked, id)
		}
		change := func(at uint64, typ raftpb.ConfChangeType, id uint64) {
			cc := &raftpb.ConfChange{Type: typ.Enum(), NodeId: new(id), Context: []byte("why")}
			if err := c.members[at].log.ProposeChange(t.Context(), cc); err != nil {
				t.Fatal(err)
			}
		}
		say(1)
		for id := uint64(2); id <= 3; id++ {
			change(1, raftpb.ConfChangeAddNode, id)
			c.add(id, 0, 0, nil)
			time.Sleep(5 * time.Second)
			say(id)
		}
		// Two changes at once: the second waits for the first.
		change(2, raftpb.ConfChangeAddLearnerNode, 4)
		change(2, raftpb.ConfChangeAddLearnerNode, 5)
		// One that does not fit is refused by all, and hurts nobody.
		cc := &raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{
			{Type: raftpb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(1))},
			{Type: raftpb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(2))},
			{Type: raftpb.ConfChangeRemoveNode.Enum(), NodeId: new(uint64(3))},
		}}
		if err := c.members[1].log.ProposeChange(t.Context(), cc); err != nil {
			t.Fatal(err)
		}
		c.add(4, 0, 0, nil)
		time.Sleep(5 * time.Second)
		say(3)
		peers, err := c.members[c.leader()].log.Peers(t.Context())
		if err != nil || len(peers) != 5 {
			t.Errorf("got peers %+v, %v, want 5", peers, err)
		}
		refused := 0
		for _, f := range c.members[1].machine.facts() {
			if f.Refused {
				refused++
			}
			if f.ID == 0 && !f.Refused && f.Data != "why" {
				t.Errorf("change %+v has lost its context", f)
			}
		}
		if refused != 1 {
			t.Errorf("%d changes were refused, want 1", refused)
		}
		change(3, raftpb.ConfChangeRemoveNode, c.leader())
		time.Sleep(5 * time.Second)
		gone := uint64(0)
		for id, m := range c.members {
			if m.log.Status().Leader == 0 {
				gone = id
			}
		}
		if gone == 0 {
			t.Fatal("nobody has left")
		}
		c.stop(gone)
		delete(c.members, gone)
		say(c.leader())
		c.settle()
		c.check(acked)
	})
}

func TestLeadershipIsHandedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 1, nil)
		defer c.stopAll()
		from := c.leader()
		to := from%3 + 1
		start := time.Now()
		if err := c.members[from].log.TransferLeadership(t.Context(), to); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 500*time.Millisecond {
			t.Errorf("the handover took %v", took)
		}
		if got := c.leader(); got != to {
			t.Errorf("%d leads, want %d", got, to)
		}
	})
}

func TestABrokenDiskOrMachineStopsTheMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m := single(t, vfs.NewMem())
		l, err := Open(c)
		if err != nil {
			t.Fatal(err)
		}
		m.err = errors.New("no space left")
		if err := l.Run(t.Context()); !errors.Is(err, m.err) {
			t.Errorf("got %v, want %v", err, m.err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
