package raftlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A Log is one member's share of the replicated log. Any goroutine may call
// its methods, but for Run and Close.
type Log struct {
	config Config
	disk   *disk
	spool  *spool
	core   *core // the raft loop's
	clock  *clock
	mono   monotonic
	box    *mailbox

	turn    *turn
	appends *queue[*appendJob]
	applies *queue[*applyJob]
	append  *appender
	apply   *applier

	// Written by the raft loop after each ready, each value for itself: a
	// reader may see a term beside the leader of the one before.
	now struct {
		leader, term, commit, applied, first, last, state atomic.Uint64

		// No message leaves for anybody else while it is set.
		sole atomic.Bool
	}
	leader struct {
		sync.Mutex
		changed chan struct{} // closed at the next change
	}

	ended     chan struct{} // closed when Run returns
	applyDone chan struct{} // closed when the apply loop has ended
}

// Open readies the log in c.Dir. It reads all of it, ends what a crash has cut
// short, and returns a *CorruptError if something is missing that was promised.
// Nothing runs until Run.
func Open(c Config) (*Log, error) {
	c = c.withDefaults()
	if _, err := c.FS.Stat(c.FS.PathJoin(c.Dir, "entries")); err != nil {
		return nil, ErrNotBootstrapped
	}
	d, err := openDisk(c)
	if err != nil {
		return nil, err
	}
	l, err := open(c, d)
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return l, nil
}

func open(c Config, d *disk) (*Log, error) {
	r, err := recoverLog(c, d)
	if err != nil {
		return nil, err
	}
	s, err := openSpool(c.FS, c.Dir)
	if err != nil {
		return nil, err
	}
	base := c.Now()
	l := &Log{
		config: c, disk: d, spool: s, clock: &clock{},
		mono:    monotonic{now: c.Now, base: base},
		box:     newMailbox(c.QueueBytes),
		appends: newQueue[*appendJob](), applies: newQueue[*applyJob](),
		ended: make(chan struct{}), applyDone: make(chan struct{}),
	}
	l.clock.start(0, base.UnixNano(), r.stamp)
	l.core = newCore(c, r, l.clock)
	l.core.reads.salt = rand.Uint64()
	l.leader.changed = make(chan struct{})
	l.append = &appender{
		id: c.ID, disk: d, queue: l.appends, transport: c.Transport, observer: c.Observer,
		restore: l.restore, deliver: l.wrote,
		start: r.storage.truncated.position, last: r.storage.last.position, hard: r.storage.hard, synced: r.storage.hard,
	}
	l.apply = &applier{
		machine: c.Machine, queue: l.applies, observer: c.Observer,
		restore:  func(job *restoreJob) error { return s.restore(c.Machine, job.file) },
		captured: l.captured, durable: l.durable, deliver: l.box.applied,
		at: r.cursor, note: r.note, every: truncateStep(c.CatchUpEntries),
	}
	l.turn = newTurn(l)
	l.publish()
	return l, nil
}

// wrote takes from the append loop what it has written.
func (l *Log) wrote(jobs []*appendJob) error {
	l.box.putWrote(jobs)
	return l.turn.carry()
}

// Close closes the log's files. Run must have returned, or never been called.
func (l *Log) Close() error { return l.disk.close() }

// Propose offers buf to the cluster: the log's envelope goes into its first
// Headroom bytes, the rest is the caller's. The buffer is the log's from now on.
//
// Propose returns when the proposal is queued, and blocks while too much is.
// What becomes of it is seen in Machine.Apply, by its id. It waits in the queue
// while there is no leader, and is dropped if ctx ends there. After that it
// cannot be taken back; it may be lost when the leader is, so that an unseen
// proposal is one of unknown outcome.
func (l *Log) Propose(ctx context.Context, id uint64, buf []byte) error {
	if err := checkProposal(buf); err != nil {
		return err
	}
	seal(buf, id)
	wanted, err := l.box.propose(ctx, buf)
	if wanted {
		l.hurryOn()
	}
	return err
}

// hurryOn sees to a proposal that nothing keeps from being written.
func (l *Log) hurryOn() {
	if !l.turn.try() {
		signal(l.box.wake)
	}
}

// TryPropose is Propose for who does not want to wait: ok is false if too much
// is queued, then the buffer is still the caller's. Of ctx, only Err is called.
func (l *Log) TryPropose(ctx context.Context, id uint64, buf []byte) (ok bool, err error) {
	if err := checkProposal(buf); err != nil {
		return false, err
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	seal(buf, id)
	room, wanted, err := l.box.tryPropose(ctx, buf)
	if wanted {
		l.hurryOn()
	}
	return room == nil && err == nil, err
}

func checkProposal(buf []byte) error {
	if len(buf) < Headroom {
		return fmt.Errorf("raftlog: a proposal of %d bytes leaves no headroom", len(buf))
	}
	if len(buf) > maxProposal {
		return ErrTooLarge
	}
	return nil
}

// ProposeChange offers a membership change to the cluster. It returns when it
// is queued; what becomes of it is seen in Machine.Apply, by its context. A
// change waits for the one before it, but not after ctx has ended. Like a
// proposal, it may be lost.
func (l *Log) ProposeChange(ctx context.Context, cc raftpb.ConfChangeI) error {
	e, err := sealChange(cc)
	if err != nil {
		return err
	}
	return l.box.ask(func(c *core) { c.proposeChange(ctx, e) })
}

// Sole says that this member is all there is of its cluster: it leads, nobody
// else votes or learns, and its machine has applied what earlier leaders
// committed. Whatever anybody was told was done is then applied here, and a
// Barrier would say no more.
func (l *Log) Sole() bool { return l.now.sole.Load() }

// Barrier returns when this member's machine has applied all that was committed
// in the cluster before the call. It needs a majority, and writes nothing.
func (l *Log) Barrier(ctx context.Context) error { return l.BarrierBefore(ctx, nil) }

// BarrierBefore is Barrier with a second end: it returns
// context.DeadlineExceeded when late has something. A timer that is used again
// and again costs less than a context of one's own.
func (l *Log) BarrierBefore(ctx context.Context, late <-chan time.Time) error {
	b, err := l.box.join()
	if err != nil {
		return err
	}
	select {
	case <-b.done:
		return b.err
	case <-late:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ended:
		return ErrStopped
	}
}

// Step takes a message of another member, and owns it from now on. It does not
// block; messages are dropped when far too many wait.
func (l *Log) Step(_ context.Context, m *raftpb.Message) error {
	if raft.IsLocalMsg(m.GetType()) || m.GetType() == raftpb.MsgSnap {
		return fmt.Errorf("raftlog: unexpected message %s from %x", m.GetType(), m.GetFrom())
	}
	return l.box.message(incoming{m: m})
}

// StepSnapshot takes a snapshot that another member sent, with its body. It
// returns when all of the body is kept; whether it is wanted is found out later.
func (l *Log) StepSnapshot(ctx context.Context, m *raftpb.Message, body io.Reader) error {
	if m.GetType() != raftpb.MsgSnap || raft.IsEmptySnap(m.GetSnapshot()) {
		return fmt.Errorf("raftlog: message %s from %x is no snapshot", m.GetType(), m.GetFrom())
	}
	file, err := l.spool.write(ctx, body)
	if err != nil {
		return err
	}
	return l.box.message(incoming{m: m, file: file})
}

// Campaign makes this member stand for election now.
func (l *Log) Campaign() error {
	return l.box.ask(func(c *core) { _ = c.raw.Campaign() }) // refused: it may not lead
}

// TransferLeadership has the leader, this member or another, hand over to
// member to. It returns when to leads, or with ErrNoLeader.
func (l *Log) TransferLeadership(ctx context.Context, to uint64) error {
	if leader, _ := l.Leader(); leader == 0 {
		return ErrNoLeader
	}
	if err := l.box.ask(func(c *core) { c.raw.TransferLeader(to) }); err != nil {
		return err
	}
	for {
		leader, changed := l.Leader()
		if leader == to {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.ended:
			return ErrStopped
		}
	}
}

// ReportUnreachable says that messages to a member do not get through.
func (l *Log) ReportUnreachable(id uint64) {
	_ = l.box.ask(func(c *core) { c.raw.ReportUnreachable(id) }) // stopped: nobody cares
}

// Now is the log's clock: it shows the same on all members that hear from the
// leader, but for the network's delay. Entries are stamped with the leader's.
func (l *Log) Now() time.Time { return time.Unix(0, l.clock.at(l.mono.read())) }

// Leader is the member that leads, as far as known, or 0; the channel is closed
// when that changes.
func (l *Log) Leader() (id uint64, changed <-chan struct{}) {
	l.leader.Lock()
	defer l.leader.Unlock()
	return l.now.leader.Load(), l.leader.changed
}

// Status is where this member stands.
type Status struct {
	ID, Leader, Term            uint64
	Commit, Applied             uint64 // positions; Applied is the machine's
	FirstPosition, LastPosition uint64 // of the entries on this member's disk
	State                       raft.StateType
}

// Status is cheap: each value is read for itself.
func (l *Log) Status() Status {
	n := &l.now
	return Status{
		ID: l.config.ID, Leader: n.leader.Load(), Term: n.term.Load(),
		Commit: n.commit.Load(), Applied: n.applied.Load(),
		FirstPosition: n.first.Load(), LastPosition: n.last.Load(),
		State: raft.StateType(n.state.Load()),
	}
}

// Engine is what the log's engine says of itself, and how often and how long
// writers have had to wait for it.
func (l *Log) Engine() (m *pebble.Metrics, stalls uint64, stalled time.Duration) {
	return l.disk.db.Metrics(), l.disk.stalls.Count(), l.disk.stalls.Spent()
}

// Alive returns once the raft loop has turned: it hears and answers the other
// members. It does not wait for a write or for the machine. Those wait for the
// disk, and a member whose disk is slow or hangs is no better after a restart.
func (l *Log) Alive(ctx context.Context) error {
	turned := make(chan struct{})
	if err := l.box.ask(func(*core) { close(turned) }); err != nil {
		return err
	}
	select {
	case <-turned:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ended:
		return ErrStopped
	}
}

// A Peer is another member, or this one, as raft sees it. What follows Learner
// is known to the leader only.
type Peer struct {
	ID          uint64
	Learner     bool
	Match, Next uint64 // positions
	Active      bool   // heard from lately
	Snapshot    bool   // being sent one
	Probing     bool   // how much of the log it has is being found out
}

// Peers are the members as of the last entry applied, without order.
func (l *Log) Peers(ctx context.Context) ([]Peer, error) {
	answer := make(chan []Peer, 1) // the loop does not wait for us
	if err := l.box.ask(func(c *core) { answer <- c.peers() }); err != nil {
		return nil, err
	}
	select {
	case peers := <-answer:
		return peers, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-l.ended:
		return nil, ErrStopped
	}
}
