package raftlog

import (
	"encoding/binary"

	"go.etcd.io/raft/v3/raftpb"
)

// flights are the proposals of this member that raft has taken and that have
// not come back as entries yet. The core owns it.
//
// A proposal can enter the log in one term only, the one it was given to raft
// in: a leader of another term does not take it (see core.step). So when an
// entry of a later term is applied, what is still missing was lost with its
// leader, and can be proposed again without being done twice.
type flights struct {
	byID map[uint64]flight
	term uint64 // of the newest entry handed out to be applied
}

type flight struct {
	proposal
	term uint64
}

// depart notes proposals that raft has taken in term.
func (f *flights) depart(list []proposal, term uint64) {
	if f.byID == nil {
		f.byID = map[uint64]flight{}
	}
	for _, p := range list {
		f.byID[proposalID(p.buf)] = flight{p, term}
	}
}

// arrive takes an entry that is about to be applied. It returns the proposals
// that its term shows to be lost.
func (f *flights) arrive(e *raftpb.Entry) []proposal {
	var lost []proposal
	if e.GetTerm() > f.term {
		f.term = e.GetTerm()
		for id, one := range f.byID {
			if one.term < f.term {
				delete(f.byID, id)
				lost = append(lost, one.again())
			}
		}
	}
	if len(f.byID) > 0 && !isChange(e) && len(e.GetData()) >= Headroom {
		delete(f.byID, proposalID(e.GetData()))
	}
	return lost
}

// again is the proposal in a buffer of its own: the log may still hold the
// other one, in an entry that is not to be.
func (f flight) again() proposal {
	return proposal{f.ctx, append([]byte(nil), f.buf...)}
}

// proposalID is the request id in a sealed buffer.
func proposalID(buf []byte) uint64 { return binary.BigEndian.Uint64(buf[9:Headroom]) }

// sweep forgets the proposals nobody waits for.
func (f *flights) sweep() {
	for id, one := range f.byID {
		if one.ctx.Err() != nil {
			delete(f.byID, id)
		}
	}
}

// skip is told that the machine jumped to an entry of term by a snapshot:
// which proposals are in it cannot be known. Their proposers see no outcome.
func (f *flights) skip(term uint64) {
	clear(f.byID)
	f.term = max(f.term, term)
}
