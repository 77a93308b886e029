package raftlog

import (
	"io"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// A Machine is what the log drives. One goroutine at a time calls it, the
// apply loop, but for DurablePosition, which must allow any goroutine.
type Machine interface {
	// Cursor is where the machine stands: the position of the last batch it
	// applied, and the note it was given with it.
	Cursor() (position uint64, note []byte)
	// Apply applies the next batch. An error stops the member.
	Apply(Batch) error
	// DurablePosition is the position the machine would stand at after a power
	// cut. The log keeps what comes after it.
	DurablePosition() (uint64, error)
	// Capture is a view of the machine as it stands now. It must be quick: no
	// batch is applied meanwhile.
	Capture() (Capture, error)
	// Restore replaces the machine, cursor and note included, by what a Capture
	// wrote. It does so at once or not at all, and durably.
	Restore(io.Reader) error
}

// A Capture is a view of a machine that can be written out for a follower.
// Another goroutine than the apply loop writes and closes it.
type Capture interface {
	io.WriterTo
	io.Closer
}

// A Batch is what a machine applies at once. Its slices are the machine's only
// during Apply, the bytes of Data it may keep, and must not change.
type Batch struct {
	Position uint64 // where the machine stands afterwards
	Note     []byte // to be stored with the batch, always set
	Entries  []Entry
}

// An Entry is one slot of the log that means something to the machine.
type Entry struct {
	Position, Term uint64
	ID             uint64 // given by the proposer; 0 for a membership change
	Stamp          int64  // the log's clock, Unix nanoseconds; never goes back from entry to entry
	Data           []byte // as proposed, or the context of a membership change

	// Change is set for a membership change. The log has carried it out, unless
	// it was Refused because it did not fit the membership of its moment.
	Change  *raftpb.ConfChangeV2
	Refused bool
}

// A Transport carries messages to other members. Any goroutine calls it.
type Transport interface {
	// Send never blocks and may drop messages. It must not change them.
	Send([]*raftpb.Message)
	// SendSnapshot sends m with the bytes that body writes. It does not block;
	// it calls done exactly once, when the receiver has it all or never will.
	// body is written at most once and not used after done.
	SendSnapshot(m *raftpb.Message, body io.WriterTo, done func(error))
}

// An Observer is told what the log goes through, for counters and log lines.
// Its functions may be nil, are called from the log's loops and must not block.
type Observer struct {
	// LeaderChanged is called with 0 when the leader is lost.
	LeaderChanged func(leader, term uint64)
	// Appended is called after a synced write: what it cost and carried.
	Appended func(took time.Duration, entries int)
	// Applied is called after each batch.
	Applied func(took time.Duration, entries int)
	// ProposalsDelayed is called when raft would not take proposals now. They
	// are kept and tried again.
	ProposalsDelayed func(n int)
	// SnapshotSent is called when a snapshot has reached a follower or failed to.
	SnapshotSent func(to uint64, err error)
}

// Config is what a Log needs. Zero values take the defaults named.
type Config struct {
	ID        uint64
	Dir       string
	FS        vfs.FS        // the operating system's
	Cache     *pebble.Cache // one of twice MemTableBytes
	Machine   Machine
	Transport Transport // one that drops everything: a log of a single member needs none

	Tick           time.Duration // 100 ms
	ElectionTicks  int           // 10
	HeartbeatTicks int           // 1

	CatchUpEntries int   // 5000: entries kept behind the machine for followers
	CatchUpBytes   int64 // 64 MiB: and their bytes at most
	TailEntries    int   // 5000: newest entries also kept in memory
	TailBytes      int64 // 8 MiB
	QueueBytes     int64 // 64 MiB: proposals waiting for a leader or the disk
	MemTableBytes  int64 // 4 MiB

	Logger   *slog.Logger
	Now      func() time.Time // time.Now; must carry a monotonic reading
	Observer Observer

	brief bool // the log is closed at once, and what is written for it need not be large
}

// maxProposal bounds one proposal, so that it fits into every queue and message.
const maxProposal = 32 << 20

func (c Config) withDefaults() Config {
	setDefault(&c.Tick, 100*time.Millisecond)
	setDefault(&c.ElectionTicks, 10)
	setDefault(&c.HeartbeatTicks, 1)
	setDefault(&c.CatchUpEntries, 5000)
	setDefault(&c.CatchUpBytes, 64<<20)
	setDefault(&c.TailEntries, 5000)
	setDefault(&c.TailBytes, 8<<20)
	setDefault(&c.QueueBytes, 64<<20)
	setDefault(&c.MemTableBytes, 4<<20)
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Transport == nil {
		c.Transport = nowhere{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func setDefault[T ~int | ~int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// nowhere is the Transport of a member without peers.
type nowhere struct{}

func (nowhere) Send([]*raftpb.Message) {}

func (nowhere) SendSnapshot(_ *raftpb.Message, _ io.WriterTo, done func(error)) {
	done(ErrStopped)
}
