package raftlog

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// core is raft and the log as a value: it does what it is told, and says with
// ready what is to be done next. It starts no goroutine, writes no disk and
// reads no clock; mono is set before each call.
type core struct {
	id            uint64
	electionTicks int
	raw           *raft.RawNode
	storage       *storage
	clock         *clock
	mono          int64 // the monotonic clock, now

	conf      *raftpb.ConfState // as of the last entry handed out to be applied
	lastStamp int64             // of the newest entry in the log
	applied   uint64            // by the machine, as far as it said so

	// As of the last ready.
	leader, term, commit uint64
	state                raft.StateType
	changeAt             uint64 // the newest membership change in the log
	termStart            uint64 // what a leader must commit before it knows the commit position

	reads   reads
	late    []*raftpb.Message // proposals that raft did not take yet
	lateLen int               // entries' bytes in late
	files   []incoming        // snapshots stepped, whose acceptance ready will show

	// Scratch of propose: a leader's raft copies entries.
	slab []raftpb.Entry
	list []*raftpb.Entry
}

// A proposal waits for raft to take it.
type proposal struct {
	ctx context.Context
	buf []byte
}

// An incoming message; file is set for a snapshot and holds its body.
type incoming struct {
	m    *raftpb.Message
	file string
}

// work is what ready wants done. Messages may be sent before anything is
// written; appends and applies are done in order, each kind for itself.
type work struct {
	send          []*raftpb.Message
	append        *appendJob
	apply         *applyJob
	snapshots     []outgoing
	drop          []string // files of snapshots that raft did not want
	leaderChanged bool
}

const (
	maxMessage = 1 << 20   // bytes of entries in a message, if it is more than one
	maxLate    = 64 << 20  // bytes of proposals held back for other members
	maxApply   = 16 << 20  // bytes being applied
	maxFlight  = 64 << 20  // bytes on their way to a follower
	maxPending = 256 << 20 // bytes in the log that are not committed
)

func newCore(c Config, r *recovery, clk *clock) *core {
	clog := c.Logger.With("member", fmt.Sprintf("%x", c.ID))
	raw, err := raft.NewRawNode(&raft.Config{
		ID:                        c.ID,
		ElectionTick:              c.ElectionTicks,
		HeartbeatTick:             c.HeartbeatTicks,
		Storage:                   r.storage,
		Applied:                   r.cursor,
		AsyncStorageWrites:        true,
		MaxSizePerMsg:             maxMessage,
		MaxCommittedSizePerReady:  maxApply,
		MaxUncommittedEntriesSize: maxPending,
		MaxInflightMsgs:           256,
		MaxInflightBytes:          maxFlight,
		CheckQuorum:               true,
		PreVote:                   true,
		ReadOnlyOption:            raft.ReadOnlySafe,
		StepDownOnRemoval:         true,
		Logger:                    raftLogger{clog},
	})
	if err != nil {
		panic(fmt.Sprintf("raftlog: raft refuses its configuration: %v", err))
	}
	return &core{
		id:            c.ID,
		electionTicks: c.ElectionTicks,
		raw:           raw,
		storage:       r.storage,
		clock:         clk,
		conf:          r.note.conf,
		lastStamp:     r.stamp,
		applied:       r.cursor,
		term:          r.storage.hard.term,
		commit:        r.storage.hard.commit,
	}
}

func (c *core) leading() bool { return c.state == raft.StateLeader }

// leadsNow is leading, but true from the very message that made this member
// the leader, and not from the next ready on.
func (c *core) leadsNow() bool { return c.raw.BasicStatus().RaftState == raft.StateLeader }

// alone says whether this member is the only voter.
func (c *core) alone() bool {
	v := c.conf.GetVoters()
	return len(v) == 1 && v[0] == c.id && len(c.conf.GetVotersOutgoing()) == 0
}

// campaignIfAlone spares a sole voter the election timeout: there is nobody to
// wait for. raft refuses while a membership change is yet to be applied.
func (c *core) campaignIfAlone() {
	if c.state == raft.StateFollower && c.alone() && c.applied == c.commit {
		_ = c.raw.Campaign() // refused: the next tick tries again
	}
}

func (c *core) tick() {
	c.raw.Tick()
	c.campaignIfAlone()
	c.retryLate()
	c.retryRead()
	c.storage.snapshots.tick(c.electionTicks)
}

// propose gives proposals to raft and returns those it does not take now.
func (c *core) propose(list []proposal) []proposal {
	for len(list) > 0 {
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+len(list[n].buf) <= maxMessage) {
			size += len(list[n].buf)
			n++
		}
		err := c.raw.Step(c.proposeMessage(list[:n]))
		for i := range min(n, len(c.slab)) {
			c.slab[i].Data = nil
		}
		if err != nil {
			return list
		}
		list = list[n:]
	}
	return nil
}

func (c *core) proposeMessage(list []proposal) *raftpb.Message {
	m := &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(c.id)}
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
		c.slab[i].Data = list[i].buf
	}
	m.Entries = c.list[:len(list):len(list)]
	return m
}

// stamp is the stamp of entries that enter this leader's log now.
func (c *core) stamp() int64 {
	c.lastStamp = max(c.lastStamp, c.clock.at(c.mono))
	return c.lastStamp
}

// proposeChange gives a membership change to raft, now or later.
func (c *core) proposeChange(e *raftpb.Entry) {
	c.stepProposal(&raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(c.id), Entries: []*raftpb.Entry{e}})
}

// step takes a message of another member.
func (c *core) step(in incoming) {
	switch in.m.GetType() {
	case raftpb.MsgProp:
		c.stepProposal(in.m)
	case raftpb.MsgHeartbeat:
		_ = c.raw.Step(in.m) // an error is a message of no use
		if b := c.raw.BasicStatus(); b.Lead == in.m.GetFrom() && b.GetTerm() == in.m.GetTerm() && in.m.RejectHint != nil {
			c.clock.follow(c.mono, int64(in.m.GetRejectHint()))
		}
	case raftpb.MsgSnap:
		c.files = append(c.files, in)
		_ = c.raw.Step(in.m)
	default:
		_ = c.raw.Step(in.m)
	}
}

// stepProposal steps proposals that are not in this member's queue. raft drops
// them while leadership is being handed over, and quietly replaces a change by
// nothing while another is under way; they are kept and tried again.
func (c *core) stepProposal(m *raftpb.Message) {
	kept := append([]*raftpb.Entry(nil), m.GetEntries()...)
	if len(kept) == 0 {
		return
	}
	if c.leadsNow() {
		stamp := c.stamp()
		for _, e := range kept {
			if isChange(e) && c.applied < max(c.changeAt, c.termStart) {
				c.keep(kept)
				return
			}
			if err := restamp(e, stamp); err != nil {
				return // not from a member of this cluster
			}
		}
	}
	if err := c.raw.Step(m); errors.Is(err, raft.ErrProposalDropped) {
		c.keep(kept)
		return
	}
	for i, e := range m.GetEntries() {
		if e != kept[i] {
			c.keep(kept[i : i+1])
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
func (c *core) keep(entries []*raftpb.Entry) {
	size := 0
	for _, e := range entries {
		size += int(entrySize(e))
	}
	if c.lateLen+size > maxLate {
		return
	}
	c.lateLen += size
	c.late = append(c.late, &raftpb.Message{Type: raftpb.MsgProp.Enum(), From: new(c.id), Entries: entries})
}

func (c *core) retryLate() {
	if len(c.late) == 0 || c.leader == 0 {
		return
	}
	late := c.late
	c.late, c.lateLen = nil, 0
	for _, m := range late {
		c.stepProposal(m)
	}
}

// ready returns what is to be done; ok is false if nothing is.
func (c *core) ready() (w work, ok bool) {
	if !c.raw.HasReady() {
		w.drop = c.unwanted("")
		return w, len(w.drop) > 0
	}
	rd := c.raw.Ready()
	w.leaderChanged = c.observe(rd)
	for _, r := range rd.ReadStates {
		c.answerRead(r.Index, r.RequestCtx)
	}
	var accepted string
	for _, m := range rd.Messages {
		switch {
		case m.GetTo() == raft.LocalAppendThread:
			w.append = c.appendWork(m)
			accepted = w.append.file
		case m.GetTo() == raft.LocalApplyThread:
			w.apply = c.applyWork(m)
		case m.GetType() == raftpb.MsgSnap:
			w.snapshots = append(w.snapshots, c.storage.snapshots.give(m))
		default:
			if m.GetType() == raftpb.MsgHeartbeat {
				// raft reads RejectHint in answers only: in a heartbeat it is
				// free, and carries the leader's clock.
				m.RejectHint = new(uint64(c.clock.at(c.mono)))
			}
			w.send = append(w.send, m)
		}
	}
	w.drop = c.unwanted(accepted)
	if c.leading() && c.reads.asked != nil && !c.reads.sent || w.leaderChanged {
		c.askRead()
		c.retryLate()
	}
	return w, true
}

// observe takes over what changed in raft's state.
func (c *core) observe(rd raft.Ready) (leaderChanged bool) {
	leader, term := c.leader, c.term
	if !raft.IsEmptyHardState(rd.HardState) {
		c.term, c.commit = rd.GetTerm(), rd.GetCommit()
	}
	if rd.SoftState != nil {
		if n := len(rd.Entries); n > 0 && rd.RaftState == raft.StateLeader && c.state != raft.StateLeader {
			c.termStart = rd.Entries[n-1].GetIndex() // or before it, at the empty entry of the term
		}
		c.leader, c.state = rd.Lead, rd.RaftState
	}
	return c.leader != leader || c.term != term && leader != 0
}

// appendWork readies a write to the log; the stamps in it continue the clock.
func (c *core) appendWork(m *raftpb.Message) *appendJob {
	job := &appendJob{m: m}
	if !raft.IsEmptySnap(m.GetSnapshot()) {
		meta := m.GetSnapshot().GetMetadata()
		for _, in := range c.files {
			if got := in.m.GetSnapshot().GetMetadata(); got.GetIndex() == meta.GetIndex() && got.GetTerm() == meta.GetTerm() {
				job.file = in.file
			}
		}
		c.conf = meta.GetConfState()
	}
	stamped := false
	for i := len(m.GetEntries()) - 1; i >= 0; i-- {
		e := m.GetEntries()[i]
		if isChange(e) {
			c.changeAt = max(c.changeAt, e.GetIndex())
		}
		if stamped {
			continue
		}
		if stamp, ok := stampOf(e); ok {
			stamped = true
			if c.lastStamp = stamp; !c.leading() {
				c.clock.raise(c.mono, stamp)
			}
		}
	}
	return job
}

// applyWork readies entries for the machine, and carries out the membership
// changes among them.
func (c *core) applyWork(m *raftpb.Message) *applyJob {
	job := &applyJob{m: m}
	for _, e := range m.GetEntries() {
		if !isChange(e) {
			continue
		}
		cc, err := parseChange(e)
		if err != nil {
			panic(diskFailure{c.storage.disk.corrupt(fmt.Sprintf("entry %d cannot be understood", e.GetIndex()), err)})
		}
		refused := checkChange(c.conf, cc) != nil
		if !refused {
			c.conf = c.raw.ApplyConfChange(cc)
		}
		job.changes = append(job.changes, change{cc, refused})
	}
	job.conf = c.conf
	return job
}

// unwanted lists the files of stepped snapshots except the accepted one.
func (c *core) unwanted(accepted string) []string {
	var drop []string
	for _, in := range c.files {
		if in.file != accepted {
			drop = append(drop, in.file)
		}
	}
	c.files = nil
	return drop
}

// wrote takes over a finished append.
func (c *core) wrote(job *appendJob) {
	if job.m == nil {
		return
	}
	if job.file != "" {
		meta := job.m.GetSnapshot().GetMetadata()
		c.storage.reset(place{meta.GetIndex(), meta.GetTerm()})
		c.applied = meta.GetIndex()
		c.lastStamp = job.stamp
		c.clock.raise(c.mono, job.stamp)
	}
	c.storage.appended(job.m.GetEntries(), c.applied)
	c.respond(job.m.GetResponses())
	c.finishReads()
}

// didApply takes over entries that the machine has applied.
func (c *core) didApply(job *applyJob) {
	entries := job.m.GetEntries()
	c.applied = entries[len(entries)-1].GetIndex()
	c.respond(job.m.GetResponses())
	c.finishReads()
}

func (c *core) respond(list []*raftpb.Message) {
	for _, m := range list {
		if m.GetTo() == c.id {
			_ = c.raw.Step(m) // an answer from an earlier term is of no use
		}
	}
}
