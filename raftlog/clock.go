package raftlog

import (
	"sync/atomic"
	"time"
)

// maxLag is how far a follower's clock may run ahead of its leader's before it
// is set back. Below it, the difference is the network's delay.
const maxLag = 500 * time.Millisecond

// A clock is this member's continuation of the log's clock: its own monotonic
// clock plus an offset learnt from the leader. The leader stamps every entry
// with it and tells it with every heartbeat, so that whoever leads next goes on
// where the last leader stopped, whatever its wall clock says.
//
// The offset is written by the raft loop and read by anyone.
type clock struct {
	offset atomic.Int64

	// Owned by the raft loop.
	followed bool // a living leader has set this clock
}

// start sets the clock of a member that has heard from nobody yet: the wall
// clock, but never before the newest stamp it knows.
func (c *clock) start(mono, wall, stamp int64) {
	c.offset.Store(max(wall, stamp) - mono)
}

// at is the log's time when the monotonic clock shows mono.
func (c *clock) at(mono int64) int64 { return mono + c.offset.Load() }

// raise moves the clock forward to a stamp that is in the log.
func (c *clock) raise(mono, stamp int64) {
	if stamp > c.at(mono) {
		c.offset.Store(stamp - mono)
	}
}

// follow sets the clock by what a living leader's clock showed a moment ago:
// forward if it was ahead, back if ours is too far ahead, and in any case the
// first time, because until then it was a guess.
func (c *clock) follow(mono, leader int64) {
	own := c.at(mono)
	if !c.followed || leader > own || own-leader > int64(maxLag) {
		c.offset.Store(leader - mono)
	}
	c.followed = true
}

// monotonic turns the process's own time into nanoseconds since base,
// on the monotonic clock.
type monotonic struct {
	now  func() time.Time
	base time.Time
}

func (m monotonic) read() int64 { return int64(m.now().Sub(m.base)) }
