package replica

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog"
	"keytree/raftlog/member"
)

// alignUntilDone brings raft's membership where the roster is, while this
// member leads: a new member first learns, and votes once it has caught up,
// so that adding one never costs the cluster its quorum; one that is to learn
// loses its vote once the others can agree without it; one that was removed is
// let go.
func (r *Replica) alignUntilDone(ctx context.Context) {
	a := &alignment{Replica: r, marks: map[member.ID]uint64{}}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed := r.changes.wait()
		_, leader := r.log.Leader()
		if !r.Leads() || a.done() {
			clear(a.marks)
			timer.Stop()
		} else {
			a.align(ctx)
			timer.Reset(r.config.Tick)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-leader:
		case <-timer.C:
		}
	}
}

// alignment is what the leader remembers while it aligns.
type alignment struct {
	*Replica
	marks map[member.ID]uint64 // what a learner must have reached to be caught up
	last  string               // the change proposed last
	at    time.Time            // and when
}

// again is how long a change that has shown no effect is left alone.
const again = time.Second

func (a *alignment) done() bool {
	all, conf := a.roster.Load(), a.conf.Load()
	if len(conf.learners)+len(conf.voters) != len(all.members) {
		return false
	}
	return !slices.ContainsFunc(all.members, func(m member.Member) bool {
		return !conf.has(m.ID) || m.Learner != slices.Contains(conf.learners, m.ID)
	})
}

// align takes the next step, one at a time.
func (a *alignment) align(ctx context.Context) {
	all, conf := a.roster.Load(), a.conf.Load()
	for _, id := range conf.learners {
		// One that has not published itself yet may still be wiped and come back.
		if m, listed := find(all.members, id); listed && m.Name != "" && !m.Learner && a.caughtUp(ctx, id) {
			a.change(ctx, raftpb.ConfChangeAddNode, id)
			return
		}
	}
	for _, m := range all.members {
		if !conf.has(m.ID) {
			a.change(ctx, raftpb.ConfChangeAddLearnerNode, m.ID)
			return
		}
	}
	for _, m := range all.removed {
		switch {
		case !conf.has(m.ID):
		case m.ID == a.self:
			a.resign(ctx)
			return
		default:
			a.change(ctx, raftpb.ConfChangeRemoveNode, m.ID)
			return
		}
	}
	for _, m := range all.members {
		if m.Learner && slices.Contains(conf.voters, m.ID) && a.dispensable(ctx, m.ID, conf) {
			if m.ID == a.self {
				a.resign(ctx)
			} else {
				a.change(ctx, raftpb.ConfChangeAddLearnerNode, m.ID)
			}
			return
		}
	}
}

// dispensable says whether the voters other than id could agree without it, as
// far as the leader hears from them.
func (a *alignment) dispensable(ctx context.Context, id member.ID, conf *conf) bool {
	peers, err := a.log.Peers(ctx)
	if err != nil {
		return false
	}
	active := 0
	for _, p := range peers {
		switch here := member.ID(p.ID); {
		case here == id || p.Learner:
		case here == a.self, p.Active && !p.Snapshot && !a.config.Transport.Connected(here).IsZero():
			active++
		}
	}
	if rest := len(conf.voters) - 1; active >= rest/2+1 {
		return true
	}
	if text := fmt.Sprintf("dispensable %v", id); text != a.last {
		a.last = text
		a.config.Logger.Warn(fmt.Sprintf("member %v is to be a learner and keeps its vote as yet: without it the others could not agree", id))
	}
	return false
}

// resign hands over, so that the next leader lets this one go. raft gives a
// handover up after an election timeout without a word: so must who waits.
func (a *alignment) resign(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(a.config.Elections)*a.config.Tick)
	defer cancel()
	a.HandOver(ctx)
}

// caughtUp says whether a learner has all that was committed when it was last
// looked at, a moment ago.
func (a *alignment) caughtUp(ctx context.Context, id member.ID) bool {
	peers, err := a.log.Peers(ctx)
	if err != nil {
		return false
	}
	i := slices.IndexFunc(peers, func(p raftlog.Peer) bool { return p.ID == uint64(id) })
	if i < 0 || !peers[i].Active || peers[i].Snapshot {
		return false
	}
	mark, marked := a.marks[id]
	a.marks[id] = a.log.Status().Commit
	return marked && peers[i].Match >= mark
}

func (a *alignment) change(ctx context.Context, what raftpb.ConfChangeType, id member.ID) {
	text := fmt.Sprintf("%s %v", what, id)
	if text == a.last && time.Since(a.at) < again {
		return
	}
	a.last, a.at = text, time.Now()
	ctx, cancel := context.WithTimeout(ctx, again)
	context.AfterFunc(ctx, cancel) // and not before: the change is only queued when ProposeChange returns
	err := a.log.ProposeChange(ctx, &raftpb.ConfChangeV2{
		Changes: []*raftpb.ConfChangeSingle{{Type: what.Enum(), NodeId: new(uint64(id))}},
	})
	if err != nil && ctx.Err() == nil {
		a.config.Logger.Warn("changing raft's membership failed, trying again", "change", text, "error", err)
	}
}
