package raftlog

import (
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

	silence   int    // ticks since the leader was last heard of
	hasty     int    // ticks during which this member stands for election without waiting
	forgotten uint64 // the leader whose process was last known to be gone
	losses    uint64 // how many leaders were
	reads     reads
	flights   flights
	awaited   map[uint64]uint64 // of each other proposer, the newest of its entries
	told      map[uint64]uint64 // how far each knows the log to be committed
	late      []late            // proposals that raft did not take yet
	lateLen   int               // entries' bytes in late
	files     []incoming        // snapshots stepped, whose acceptance ready will show

	// Scratch of propose: a leader's raft copies entries.
	slab []raftpb.Entry
	list []*raftpb.Entry
	bare []proposal // whose entries raft has without their data, until the next ready
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
	drop          []string   // files of snapshots that raft did not want
	lost          []proposal // to be proposed again
	leaderChanged bool
}

const (
	maxMessage = 1 << 20   // bytes of entries in a message, if it is more than one
	maxLate    = 64 << 20  // bytes of proposals held back, other than this member's queue
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

// sole says whether nothing can be done in the cluster that this member's
// machine has not applied before anybody is told.
func (c *core) sole() bool {
	return c.leading() && c.alone() && len(c.conf.GetLearners()) == 0 && len(c.conf.GetLearnersNext()) == 0 &&
		c.applied >= c.termStart
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
	c.missLeader()
	c.hasty = max(0, c.hasty-1)
	c.campaignIfAlone()
	c.ageLate()
	c.flights.sweep()
	c.retryLate()
	c.retryRead()
	c.storage.snapshots.tick(c.electionTicks)
}

// step takes a message of another member.
func (c *core) step(in incoming) {
	if in.m.GetFrom() == c.leader {
		c.silence = 0
	}
	switch in.m.GetType() {
	case raftpb.MsgProp:
		// One that is a term late may have been proposed again by its sender.
		if b := c.raw.BasicStatus(); b.RaftState == raft.StateLeader && b.GetTerm() == in.m.GetLogTerm() {
			c.await(in.m.GetFrom())
			c.stepProposal(late{m: in.m})
		}
	case raftpb.MsgHeartbeat:
		_ = c.raw.Step(in.m) // an error is a message of no use
		if b := c.raw.BasicStatus(); b.Lead == in.m.GetFrom() && b.GetTerm() == in.m.GetTerm() && in.m.RejectHint != nil {
			c.clock.follow(c.mono, int64(in.m.GetRejectHint()))
		}
	case raftpb.MsgSnap:
		c.files = append(c.files, in)
		_ = c.raw.Step(in.m)
	case raftpb.MsgReadIndex:
		if c.mayAnswerReads() {
			_ = c.raw.Step(in.m)
		}
	default:
		_ = c.raw.Step(in.m)
	}
}

// mayAnswerReads says whether another member's read may be given to raft. A
// member that does not lead would pass it on, in another's name; who asks will
// hear of the leader and ask that one. A sole voter would answer before it has
// committed an entry of its own term, and so knows how far the log was
// committed; other leaders wait for that.
func (c *core) mayAnswerReads() bool {
	return c.leadsNow() && !(c.alone() && (!c.leading() || c.commit < c.termStart))
}

// ready returns what is to be done; ok is false if nothing is.
func (c *core) ready() (w work, ok bool) {
	if !c.raw.HasReady() {
		w.drop = c.unwanted("")
		return w, len(w.drop) > 0
	}
	rd := c.raw.Ready()
	c.clothe(rd.Entries)
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
			w.apply, w.lost = c.applyWork(m)
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
	if n := len(rd.Entries); n > 0 {
		c.placed(rd.Entries[n-1].GetIndex())
	}
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
		c.changeAt = min(c.changeAt, meta.GetIndex())
	}
	if len(m.GetEntries()) > 0 { // those they put out of the log may have been changes
		c.changeAt = min(c.changeAt, m.GetEntries()[0].GetIndex()-1)
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
func (c *core) applyWork(m *raftpb.Message) (job *applyJob, lost []proposal) {
	job = &applyJob{m: m}
	for _, e := range m.GetEntries() {
		lost = append(lost, c.flights.arrive(e)...)
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
	return job, lost
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
		c.flights.skip(meta.GetTerm())
		c.clock.raise(c.mono, job.stamp)
	}
	c.storage.appended(job.m.GetEntries(), c.applied)
	c.respond(job.m.GetResponses())
	c.finishReads()
}

// didApply takes over entries that the machine has applied.
func (c *core) didApply(job *applyJob) {
	entries := job.m.GetEntries()
	c.applied = max(c.applied, entries[len(entries)-1].GetIndex()) // a snapshot may have overtaken it
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
