package raftlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A proposal waits in this member's queue for raft to take it.
type proposal struct {
	ctx context.Context
	buf []byte
}

// A late proposal is one that raft did not take when it was stepped: a change
// of this member's, or what another member forwarded.
type late struct {
	m     *raftpb.Message
	ctx   context.Context // of a proposer here; nil for another member's
	ticks int
}

func (p late) size() int {
	n := 0
	for _, e := range p.m.GetEntries() {
		n += int(entrySize(e))
	}
	return n
}

// changes says whether p has a membership change: no other may overtake it.
func (p late) changes() bool { return slices.ContainsFunc(p.m.GetEntries(), isChange) }

// propose gives proposals to raft and returns those it does not take now.
func (c *core) propose(list []proposal) []proposal {
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+len(list[n].buf) <= maxMessage) {
			size += len(list[n].buf)
			n++
		}
		bare := c.sole() && c.leadsNow()
		err := c.raw.Step(c.proposeMessage(list[:n], bare))
		for i := range min(n, len(c.slab)) {
			c.slab[i].Data = nil
		}
		if err != nil {
			return list
		}
		if bare {
			c.bare = append(c.bare, list[:n]...)
		}
		if !c.alone() {
			c.flights.depart(list[:n], c.raw.BasicStatus().GetTerm())
		}
		list = list[n:]
	}
	return nil
}

// clothe gives the newest entries their data. raft copies what is proposed to
// it, data included. A sole voter can spare it that: no message takes entries
// to anybody, and how much is under way is bounded by the mailbox. So raft is
// given bare entries, and hands out its own copies of them, which it shares
// with whoever gets them, when it is asked next.
func (c *core) clothe(entries []*raftpb.Entry) {
	if len(c.bare) == 0 {
		return
	}
	entries = entries[len(entries)-len(c.bare):]
	for i, p := range c.bare {
		if e := entries[i]; e.GetType() != raftpb.EntryNormal || len(e.GetData()) > 0 {
			panic(fmt.Sprintf("raftlog: entry %d is not the proposal that was made", e.GetIndex()))
		}
		entries[i].Data = p.buf
	}
	c.bare = emptied(c.bare)
}

func (c *core) proposeMessage(list []proposal, bare bool) *raftpb.Message {
	m := c.proposalOf(nil)
	if !c.leadsNow() {
		slab := make([]raftpb.Entry, len(list))
		for i := range list {
			slab[i].Data = list[i].buf
			m.Entries = append(m.Entries, &slab[i])
		}
		return m
	}
	stamp := c.stamp()
	if len(c.list) < len(list) {
		c.slab = make([]raftpb.Entry, 2*len(list))
		c.list = c.list[:0]
		for i := range c.slab {
			c.list = append(c.list, &c.slab[i])
		}
	}
	for i := range list {
		setStamp(list[i].buf, stamp)
		if !bare {
			c.slab[i].Data = list[i].buf
		}
	}
	m.Entries = c.list[:len(list):len(list)]
	return m
}

// stamp is the stamp of entries that enter this leader's log now.
func (c *core) stamp() int64 {
	c.lastStamp = max(c.lastStamp, c.clock.at(c.mono))
	return c.lastStamp
}

// proposeChange gives a membership change to raft, now or later, but not after
// ctx has ended.
func (c *core) proposeChange(ctx context.Context, e *raftpb.Entry) {
	if ctx.Err() == nil {
		c.stepProposal(late{m: c.proposalOf([]*raftpb.Entry{e}), ctx: ctx})
	}
}

// proposalOf makes a proposal for this term. raft reads LogTerm in other
// messages only: in a proposal it is free, and says which leader it is for.
func (c *core) proposalOf(entries []*raftpb.Entry) *raftpb.Message {
	term := c.raw.BasicStatus().GetTerm()
	return &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(c.id), LogTerm: new(term), Entries: entries}
}

// stepProposal steps proposals that are not in this member's queue. raft drops
// them while leadership is being handed over, and quietly replaces a change by
// nothing while another is under way; they are kept and tried again, those of
// another member while this one leads in their term.
func (c *core) stepProposal(p late) {
	m := p.m
	if p.ctx != nil {
		m.LogTerm = new(c.raw.BasicStatus().GetTerm())
	} else if !c.leadsNow() || m.GetLogTerm() != c.raw.BasicStatus().GetTerm() {
		return
	}
	kept := append([]*raftpb.Entry(nil), m.GetEntries()...)
	if len(kept) == 0 {
		return
	}
	if c.leadsNow() {
		stamp := c.stamp()
		for _, e := range kept {
			if isChange(e) && (c.applied < max(c.changeAt, c.termStart) || slices.ContainsFunc(c.late, late.changes)) {
				c.keep(p, kept)
				return
			}
			if err := restamp(e, stamp); err != nil {
				return // not from a member of this cluster
			}
		}
	}
	if err := c.raw.Step(m); errors.Is(err, raft.ErrProposalDropped) {
		c.keep(p, kept)
		return
	}
	for i, e := range m.GetEntries() {
		if e != kept[i] {
			c.keep(p, kept[i:i+1])
		}
	}
}

func restamp(e *raftpb.Entry, stamp int64) error {
	if isChange(e) {
		return stampChange(e, stamp)
	}
	if _, err := openEnvelope(e.GetData()); err != nil {
		return err
	}
	setStamp(e.Data, stamp)
	return nil
}

// keep holds proposals back for retryLate. Too many are dropped, as a network
// would drop them.
func (c *core) keep(p late, entries []*raftpb.Entry) {
	p.m = &raftpb.Message{Type: p.m.Type, From: p.m.From, LogTerm: p.m.LogTerm, Entries: entries}
	if size := p.size(); c.lateLen+size <= maxLate {
		c.lateLen += size
		c.late = append(c.late, p)
	}
}

// ageLate drops the proposals nobody waits for any more. Another member's do
// not wait for ever: their proposers are gone by then.
func (c *core) ageLate() {
	c.late = slices.DeleteFunc(c.late, func(p late) bool {
		return p.ctx != nil && p.ctx.Err() != nil || p.ctx == nil && p.ticks > 3*c.electionTicks
	})
	c.lateLen = 0
	for i := range c.late {
		c.late[i].ticks++
		c.lateLen += c.late[i].size()
	}
}

func (c *core) retryLate() {
	if len(c.late) == 0 || c.leader == 0 {
		return
	}
	list := c.late
	c.late, c.lateLen = nil, 0
	for _, p := range list {
		c.stepProposal(p)
	}
}
