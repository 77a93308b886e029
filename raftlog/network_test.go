package raftlog

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// network carries messages between logs in memory, as badly as it is told to.
// Messages take a random time, and so overtake each other.
type network struct {
	mu       sync.Mutex
	rng      *rand.Rand
	members  map[uint64]*Log
	cut      map[[2]uint64]bool
	drop     float64 // of messages
	repeat   float64 // of messages, but not of proposals: they are not idempotent
	delay    time.Duration
	snapshot int // snapshots delivered
}

func newNetwork(seed uint64) *network {
	return &network{
		rng: rand.New(rand.NewPCG(seed, seed)), members: map[uint64]*Log{}, cut: map[[2]uint64]bool{},
		delay: time.Millisecond,
	}
}

func (n *network) attach(id uint64, l *Log) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.members[id] = l
}

func (n *network) detach(id uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.members, id)
}

// isolate cuts a member off, or connects it again.
func (n *network) isolate(id uint64, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for other := uint64(1); other < 10; other++ {
		n.cut[[2]uint64{id, other}] = cut
		n.cut[[2]uint64{other, id}] = cut
	}
}

func (n *network) spoil(drop, repeat float64, delay time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop, n.repeat, n.delay = drop, repeat, delay
}

// wire is one member's Transport.
type wire struct {
	n    *network
	from uint64
}

func (w wire) Send(list []*raftpb.Message) {
	for _, m := range list {
		b, err := proto.Marshal(m)
		if err != nil {
			panic(err)
		}
		times := 1
		w.n.mu.Lock()
		if w.n.rng.Float64() < w.n.drop {
			times = 0
		} else if m.GetType() != raftpb.MsgProp && w.n.rng.Float64() < w.n.repeat {
			times = 2
		}
		delays := make([]time.Duration, times)
		for i := range delays {
			delays[i] = time.Duration(w.n.rng.Int64N(int64(w.n.delay) + 1))
		}
		w.n.mu.Unlock()
		for _, d := range delays {
			time.AfterFunc(d, func() { w.deliver(m.GetTo(), b) })
		}
	}
}

func (w wire) deliver(to uint64, b []byte) {
	l := w.n.open(w.from, to)
	if l == nil {
		return
	}
	m := &raftpb.Message{}
	if err := proto.Unmarshal(b, m); err != nil {
		panic(err)
	}
	if err := l.Step(bubble{}, m); err != nil && !errors.Is(err, ErrStopped) {
		panic(err)
	}
}

func (n *network) open(from, to uint64) *Log {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut[[2]uint64{from, to}] || n.members[from] == nil {
		return nil
	}
	return n.members[to]
}

var errLost = errors.New("lost in the network")

func (w wire) SendSnapshot(m *raftpb.Message, body io.WriterTo, done func(error)) {
	go func() {
		var b bytes.Buffer
		if _, err := body.WriteTo(&b); err != nil {
			done(err)
			return
		}
		l := w.n.open(w.from, m.GetTo())
		if l == nil {
			done(errLost)
			return
		}
		err := l.StepSnapshot(bubble{}, proto.Clone(m).(*raftpb.Message), &b)
		w.n.mu.Lock()
		w.n.snapshot++
		w.n.mu.Unlock()
		done(err)
	}()
}

// bubble is a context that never ends, for goroutines without a test.
type bubble struct{}

func (bubble) Deadline() (time.Time, bool) { return time.Time{}, false }
func (bubble) Done() <-chan struct{}       { return nil }
func (bubble) Err() error                  { return nil }
func (bubble) Value(any) any               { return nil }
