package raftlog

import (
	"math/rand/v2"
	"slices"
	"time"
)

// A member that knows there is no leader need not wait out the election
// timeout, which is there to find out. It does so after its start, and when
// the leader's process is known to be gone. A pre-vote disturbs nobody who
// hears from a living leader, so haste is safe even when it is wrong.

const (
	// firstHaste is the pause before the first campaign for each voter with a
	// lower id: all learn the same at once, and must not split the votes.
	firstHaste = 25 * time.Millisecond
	// A campaign that led to nothing is tried again after between haste and
	// three times haste. That doubles from one try to the next, for where
	// messages take long: a new campaign makes the votes of the last one void.
	haste        = 50 * time.Millisecond
	maxDoublings = 4
)

// LeaderGone says that the process of member id has ended. If it led, this
// member forgets it and stands for election soon.
func (l *Log) LeaderGone(id uint64) {
	_ = l.box.ask(func(c *core) { c.leaderGone(id) }) // stopped: nobody cares
}

func (c *core) leaderGone(id uint64) {
	if b := c.raw.BasicStatus(); b.Lead != id || id == c.id {
		return
	}
	if c.raw.ForgetLeader() == nil {
		c.hasty, c.forgotten = c.electionTicks, id
		c.losses++
	}
}

// missLeader is called with every tick. A member without a vote, which will
// not stand for election, has raft believe for ever in the leader it knew last.
func (c *core) missLeader() {
	if c.silence++; c.silence >= 2*c.electionTicks && !c.votes() {
		_ = c.raw.ForgetLeader() // refused: it knows of none
	}
}

// campaignHastily stands for election, unless somebody leads by now, or has
// stood for it since the term was seen: that one is to have its chance.
func (c *core) campaignHastily(term uint64) {
	if b := c.raw.BasicStatus(); c.hasty > 0 && b.Lead == 0 && b.GetTerm() == term {
		_ = c.raw.Campaign() // refused: it may not lead
	}
}

// rank is how many voters have a lower id, the leader that was forgotten left
// out.
func (c *core) rank() (n int) {
	for _, id := range c.conf.GetVoters() {
		if id < c.id && id != c.forgotten {
			n++
		}
	}
	return n
}

// votes says whether this member is one of those who vote.
func (c *core) votes() bool { return slices.Contains(c.conf.GetVoters(), c.id) }

// hurry is the raft loop's timer for campaigns. The haste is not over when a
// leader is known: two who stand at the same time may still undo each other.
type hurry struct {
	timer *time.Timer
	armed bool
	term  uint64 // when it was armed
	tries int
	loss  uint64 // the one that it makes up for, as core.losses counts
}

func newHurry() *hurry {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &hurry{timer: timer}
}

// follow arms the timer while the core is in haste. When another leader is
// lost, what was tried before that says nothing about how soon to try now.
func (h *hurry) follow(c *core) {
	if h.loss != c.losses {
		h.loss, h.tries, h.armed = c.losses, 0, false
	}
	switch {
	case c.hasty == 0 || !c.votes():
		h.tries = 0
	case c.leader == 0 && !h.armed:
		pause := time.Duration(c.rank())*firstHaste + rand.N(firstHaste/4)
		if h.tries > 0 {
			least := haste << min(h.tries-1, maxDoublings)
			pause = least + rand.N(2*least)
		}
		h.tries++
		h.armed, h.term = true, c.raw.BasicStatus().GetTerm()
		h.timer.Reset(pause)
	}
}
