package raftlog

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

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
			if took := time.Since(start); took > 120*time.Millisecond {
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
