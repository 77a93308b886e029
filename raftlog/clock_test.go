package raftlog

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestTheClockFollowsItsLeader(t *testing.T) {
	const s = int64(time.Second)
	c := &clock{}
	c.start(0, 1000*s, 900*s)
	expect := func(what string, mono, want int64) {
		t.Helper()
		if got := c.at(mono); got != want {
			t.Errorf("%s: got %v, want %v", what, time.Duration(got), time.Duration(want))
		}
	}
	expect("a cold start takes the wall clock", 0, 1000*s)
	expect("and goes on", s, 1001*s)
	c.follow(s, 500*s)
	expect("the first leader is believed, even far back", s, 500*s)
	c.follow(2*s, 501*s-int64(100*time.Millisecond))
	expect("a little behind is the network", 2*s, 501*s)
	c.follow(3*s, 502*s+1)
	expect("ahead is followed at once", 3*s, 502*s+1)
	c.follow(4*s, 502*s)
	expect("far behind is followed back", 4*s, 502*s)
	c.raise(4*s, 400*s)
	expect("an old stamp changes nothing", 4*s, 502*s)
	c.raise(4*s, 600*s)
	expect("a stamp in the log is the past", 4*s, 600*s)

	c = &clock{}
	c.start(0, 10*s, 900*s)
	expect("a cold start does not go behind the log", 0, 900*s)
}

// wrong is a wall clock that is off by so much.
func wrong(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

func TestStampsGoOnOverLeadersWhoseWallClocksAreHoursOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		off := []time.Duration{0, 0, -3 * time.Hour, 5 * time.Hour}
		c := newCluster(t, 3, 1, func(c *Config) { c.Now = wrong(off[c.ID]) })
		defer c.stopAll()
		first := c.leader()
		base := time.Now().Add(off[first])
		began := time.Now()
		var acked []uint64
		for range 6 {
			leader := c.leader()
			for id, m := range c.members {
				got, ok := c.propose(m, 10*time.Second)
				if !ok {
					t.Fatalf("no answer at %d", id)
				}
				acked = append(acked, got)
			}
			time.Sleep(time.Minute)
			for id, m := range c.members {
				want := base.Add(time.Since(began))
				if d := m.log.Now().Sub(want); d < -maxLag || d > maxLag {
					t.Errorf("the clock at %d is %v off", id, d)
				}
			}
			// The old leader comes back with its own idea of the time.
			c.stop(leader)
			next := c.leader()
			if next == leader {
				t.Fatal("a member leads that is down")
			}
			c.start(leader)
			time.Sleep(5 * time.Second)
		}
		c.settle()
		c.check(acked)
		facts := c.members[1].machine.facts()
		got := time.Unix(0, facts[len(facts)-1].Stamp).Sub(base)
		if want := time.Since(began); got < want-2*time.Minute || got > want+time.Second {
			t.Errorf("the last stamp is %v after the first leader's start, want about %v", got, want)
		}
	})
}

func TestStampsDoNotGoBackOverARestartWithAnEarlierWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var off time.Duration
		c := newCluster(t, 1, 1, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(off) } })
		defer c.stopAll()
		var acked []uint64
		for range 3 {
			for range 3 {
				id, ok := c.propose(c.members[1], time.Second)
				if !ok {
					t.Fatal("no answer")
				}
				acked = append(acked, id)
			}
			c.stop(1)
			off -= time.Hour
			c.start(1)
			c.leader()
		}
		c.check(acked)
	})
}
