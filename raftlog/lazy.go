package raftlog

import (
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// lazyDelay is how long a follower may have to wait for the news that
// something was committed, if none of its own proposals is in it. Usually the
// next entries bring that news along, which spares every member a message, an
// answer, and being woken for them.
const lazyDelay = time.Millisecond

// lazy holds back a leader's messages that say nothing but how far the log is
// committed. The raft loop owns it.
type lazy struct {
	timer *time.Timer
	held  map[uint64]*raftpb.Message // by receiver
}

func newLazy() *lazy {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &lazy{timer: timer, held: map[uint64]*raftpb.Message{}}
}

// pass returns the messages to be sent now, in order.
func (l *lazy) pass(c *core, list []*raftpb.Message) []*raftpb.Message {
	if !c.leading() {
		if len(l.held) == 0 {
			return list
		}
		// The last a leader has to say may be that it was removed.
		l.timer.Stop()
		return append(l.due(c), list...)
	}
	var now []*raftpb.Message
	for _, m := range list {
		to := m.GetTo()
		old := l.held[to]
		switch {
		case c.mayWait(m):
			if len(l.held) == 0 {
				l.timer.Reset(lazyDelay)
			}
			l.held[to] = m // it says all that an older one did
			continue
		case old != nil && m.GetType() != raftpb.MsgApp:
			now = append(now, old)
		}
		delete(l.held, to)
		now = append(now, m)
		c.tell(m)
	}
	if len(l.held) == 0 {
		l.timer.Stop()
	}
	return now
}

// due returns all that is held back.
func (l *lazy) due(c *core) []*raftpb.Message {
	var list []*raftpb.Message
	for to, m := range l.held {
		c.tell(m)
		list = append(list, m)
		delete(l.held, to)
	}
	return list
}

// mayWait says whether m is news of a commit that its receiver does not wait
// for.
func (c *core) mayWait(m *raftpb.Message) bool {
	return m.GetType() == raftpb.MsgApp && len(m.GetEntries()) == 0 && c.leading() && m.GetTerm() == c.term &&
		c.awaited[m.GetTo()] <= c.told[m.GetTo()]
}

// await notes that another member has proposed something: it waits for the
// news that the entries that are yet to be handed out are committed.
func (c *core) await(from uint64) {
	if c.awaited == nil {
		c.awaited, c.told = map[uint64]uint64{}, map[uint64]uint64{}
	}
	c.awaited[from] = unplaced
}

// unplaced is the position of an entry that has not been handed out yet.
const unplaced = ^uint64(0)

// placed notes that the log reaches up to last now.
func (c *core) placed(last uint64) {
	for id, position := range c.awaited {
		if position == unplaced {
			c.awaited[id] = last
		}
	}
}

// tell notes how far a member will know the log to be committed.
func (c *core) tell(m *raftpb.Message) {
	if m.GetType() == raftpb.MsgApp && c.told != nil {
		c.told[m.GetTo()] = max(c.told[m.GetTo()], m.GetCommit())
	}
}
