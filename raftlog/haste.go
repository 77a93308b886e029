package raftlog

import (
	"math/rand/v2"
	"time"
)

// A member that knows there is no leader need not wait out the election
// timeout, which is there to find out. It does so after its start, and when
// the leader's process is known to be gone. A pre-vote disturbs nobody who
// hears from a living leader, so haste is safe even when it is wrong.

const (
	// firstHaste bounds the pause before the first campaign, so that those who
	// learn the same at once do not split the votes.
	firstHaste = 40 * time.Millisecond
	// A campaign that led to nothing is tried again after between haste and
	// three times haste.
	haste = 50 * time.Millisecond
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
		c.hasty = c.electionTicks
	}
}

// campaignHastily stands for election unless somebody leads by now.
func (c *core) campaignHastily() {
	if c.hasty > 0 && c.leader == 0 {
		_ = c.raw.Campaign() // refused: it may not lead
	}
}

// hurry is the raft loop's timer for campaigns.
type hurry struct {
	timer *time.Timer
	armed bool
	tries int
}

func newHurry() *hurry {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &hurry{timer: timer}
}

// follow arms the timer while the core is in haste.
func (h *hurry) follow(c *core) {
	switch {
	case c.hasty == 0 || c.leader != 0:
		h.tries = 0
	case !h.armed:
		pause := rand.N(firstHaste)
		if h.tries > 0 {
			pause = haste + rand.N(2*haste)
		}
		h.tries++
		h.armed = true
		h.timer.Reset(pause)
	}
}
