package raftlog

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
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

// What was forwarded to a leader that is gone is proposed again, once.
// A leader whose process is known to be gone is replaced at once, and one that
// is only said to be gone keeps on leading.
