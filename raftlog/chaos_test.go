package raftlog

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// Proposals are made again when their leader is lost, and yet nothing is ever
// done twice, whatever becomes of leaders, members and their messages.
func TestNothingIsDoneTwiceWhateverHappens(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 3, seed, func(c *Config) {
					c.CatchUpEntries, c.TailEntries = 60, 20
				})
				defer c.stopAll()
				c.add(4, 0, 0, nil)
				for c.members[4].log.Status().Leader == 0 {
					change := oneChange(raftpb.ConfChangeAddLearnerNode, 4)
					if err := c.members[c.leader()].log.ProposeChange(t.Context(), change); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				rng := rand.New(rand.NewPCG(seed, 13))
				var acked []uint64
				for range 6 {
					victim := rng.Uint64N(4) + 1
					acked = append(acked, c.disturbed(rng, victim)...)
				}
				c.settle()
				c.check(acked)
				if len(acked) < 300 {
					t.Errorf("only %d proposals were acknowledged", len(acked))
				}
			})
		})
	}
}

// disturbed has all members but victim propose while all sorts of things
// happen. It returns what was acknowledged.
func (c *cluster) disturbed(rng *rand.Rand, victim uint64) []uint64 {
	var mu sync.Mutex
	var acked []uint64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for id, m := range c.members {
		if id == victim {
			continue
		}
		for range 4 {
			wg.Go(func() {
				for {
					got, ok := c.propose(m, 8*time.Second)
					if ok {
						mu.Lock()
						acked = append(acked, got)
						mu.Unlock()
						if at := 1 + got%4; at != victim {
							c.mustSee(at, got, 8*time.Second)
						}
					}
					select {
					case <-stop:
						return
					case <-time.After(3 * time.Millisecond):
					}
				}
			})
		}
	}
	c.net.spoil(0.02, 0.05, time.Duration(1+rng.IntN(40))*time.Millisecond)
	for range 12 {
		some := rng.Uint64N(4) + 1
		switch rng.IntN(5) {
		case 0:
			c.net.isolate(some, true)
			time.Sleep(time.Duration(rng.IntN(2500)) * time.Millisecond)
			c.net.isolate(some, false)
		case 1:
			if to := rng.Uint64N(3) + 1; to != victim {
				_ = c.members[to].log.box.ask(func(c *core) { c.raw.TransferLeader(to) })
			}
		case 2:
			for id, m := range c.members {
				if id != victim && rng.IntN(2) == 0 {
					m.log.LeaderGone(some)
				}
			}
		case 3:
			c.crash(victim, rng)
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
			c.start(victim)
		default:
			time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
		}
	}
	close(stop)
	wg.Wait()
	return acked
}
