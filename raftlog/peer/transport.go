package peer

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"golang.org/x/time/rate"

	"keytree/raftlog/member"
	"keytree/stats"
)

// A Receiver is who gets what comes from other members. Any goroutine calls
// it, and nothing but StepSnapshot may block.
type Receiver interface {
	// Step takes a message, and owns it. An error says that it was dropped.
	Step(context.Context, *raftpb.Message) error
	// StepSnapshot takes a snapshot with its body. If the body does not come
	// whole and undamaged, reading it ends with another error than io.EOF.
	StepSnapshot(context.Context, *raftpb.Message, io.Reader) error
	// ReportUnreachable says that messages to a member do not get through. It
	// may be called by Send.
	ReportUnreachable(member.ID)
	// Gone says that the process of a member has ended: its streams broke, and
	// all its URLs refuse connections.
	Gone(member.ID)
	// Removed says, once, that this member was removed from the cluster for
	// ever. A peer told so.
	Removed()
}

// Config is what a Transport needs. Zero values take the defaults named.
type Config struct {
	Version string // of Keytree, told to every peer

	// Tick is raft's heartbeat interval, 100 ms. What the network is given
	// time for follows from it.
	Tick time.Duration
	// SnapshotRate is how many bytes a second all snapshots sent may take,
	// 128 MiB. There is no limit if it is negative.
	SnapshotRate int64

	Dial    DialFunc // that of a net.Dialer
	DialTLS DialFunc // for https and unixs URLs, past the handshake; Dial, then the system's rules
	Logger  *slog.Logger
	Now     func() time.Time // time.Now
}

// A DialFunc connects, as that of a net.Dialer does. The network is tcp or unix.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func (c Config) withDefaults() Config {
	if c.Tick == 0 {
		c.Tick = 100 * time.Millisecond
	}
	if c.SnapshotRate == 0 {
		c.SnapshotRate = 128 << 20
	}
	if c.Dial == nil {
		c.Dial = (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext // it sets TCP_NODELAY too
	}
	if c.DialTLS == nil {
		c.DialTLS = c.Dial.greet
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// dialTimeout bounds the making of a connection up to the peer's first answer.
func (c Config) dialTimeout() time.Duration { return max(10*c.Tick, time.Second) }

// pulse is how often a stream carries something even if there is nothing to say.
func (c Config) pulse() time.Duration { return 5 * c.Tick }

// patience is how long a stream may be silent.
func (c Config) patience() time.Duration { return max(20*c.Tick, 2*time.Second) }

// minPause and maxPause bound the time between two attempts to connect.
func (c Config) minPause() time.Duration { return c.Tick / 10 }
func (c Config) maxPause() time.Duration { return 5 * c.Tick }

// Attachment says whose messages a Transport carries.
type Attachment struct {
	Cluster, Member member.ID
	Receiver        Receiver
	Stats           *stats.Member
}

// A Transport connects a member with the others. Any goroutine may call its
// methods, but for Attach and Run.
type Transport struct {
	config   Config
	log      *slog.Logger
	limit    *rate.Limiter // of snapshots sent
	incoming chan struct{} // holds a token for each snapshot on its way in
	strange  *sources
	client   *http.Client // of probes

	attached atomic.Pointer[Attachment] // set once, by Attach
	told     atomic.Bool                // the receiver knows that it was removed

	// peers is replaced, never changed, by who holds mu. Who reads it may send
	// to a peer that is being stopped.
	peers atomic.Pointer[map[member.ID]*peer]

	mu struct { // everything inside is guarded
		sync.Mutex
		members []member.Member // as last set
		removed map[member.ID]bool
		ctx     context.Context // Run's; nil before it and when it ends
	}
	wg sync.WaitGroup // all goroutines, and requests under way; added to under mu while ctx is set
}

var (
	errNotRunning  = errors.New("the transport is not running")
	errNotAttached = errors.New("the transport is not attached to a member")
	errUnknownPeer = errors.New("the peer is not in the cluster")
)

// New makes a Transport that knows nobody. Nothing runs until Run.
func New(c Config) *Transport {
	c = c.withDefaults()
	t := &Transport{
		config: c, log: c.Logger,
		limit:    newLimit(c.SnapshotRate),
		incoming: make(chan struct{}, maxIncomingSnapshots),
		strange:  newSources(),
	}
	t.client = newProbeClient(c)
	t.peers.Store(&map[member.ID]*peer{})
	return t
}

// Attach says whose messages are carried. It is called once, before Run. Until
// then nothing is sent, and peers that call are told to come again.
func (t *Transport) Attach(a Attachment) {
	if a.Stats == nil {
		a.Stats = stats.New(stats.Config{ID: a.Member.String()})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.attached.Store(&a)
	t.reconcile()
}

// Run connects to the members, and keeps connected until ctx is done. When it
// returns, all its goroutines have ended, snapshots under way and streams taken
// over from the HTTP server included. It is called once.
func (t *Transport) Run(ctx context.Context) error {
	if t.attached.Load() == nil {
		return errNotAttached
	}
	t.mu.Lock()
	t.mu.ctx = ctx
	for _, p := range *t.peers.Load() {
		p.start(ctx)
	}
	t.mu.Unlock()

	<-ctx.Done()
	t.mu.Lock()
	t.mu.ctx = nil
	t.mu.Unlock()
	t.wg.Wait()
	t.client.CloseIdleConnections()
	return nil
}

// enter counts the caller among what Run waits for, until leave. It returns
// Run's context, or nil if Run is not running.
func (t *Transport) enter() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.ctx == nil || t.mu.ctx.Err() != nil {
		return nil
	}
	t.wg.Add(1)
	return t.mu.ctx
}

func (t *Transport) leave() { t.wg.Done() }

// SetMembers says who is in the cluster, and who was once and never will be
// again. It does not block.
func (t *Transport) SetMembers(members []member.Member, removed []member.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.members = members
	t.mu.removed = make(map[member.ID]bool, len(removed))
	for _, id := range removed {
		t.mu.removed[id] = true
	}
	t.reconcile()
}

// reconcile makes the peers those of the members. t.mu must be held.
func (t *Transport) reconcile() {
	a := t.attached.Load()
	if a == nil {
		return
	}
	old := *t.peers.Load()
	peers := make(map[member.ID]*peer, len(t.mu.members))
	for _, m := range t.mu.members {
		if m.ID == a.Member || t.mu.removed[m.ID] {
			continue
		}
		p := old[m.ID]
		if p == nil {
			p = newPeer(t, a, m.ID)
		}
		p.setURLs(m.PeerURLs)
		p.guest = false
		peers[m.ID] = p
	}
	for id, p := range old {
		if p.guest && !t.mu.removed[id] {
			peers[id] = p
		}
	}
	t.peers.Store(&peers)
	for id, p := range old {
		if peers[id] == nil {
			t.farewell(p)
		}
	}
	if t.mu.ctx == nil {
		return
	}
	for id, p := range peers {
		if old[id] == nil {
			p.start(t.mu.ctx)
		}
	}
}

func (t *Transport) peer(id member.ID) *peer { return (*t.peers.Load())[id] }

func (t *Transport) wasRemoved(id member.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.removed[id]
}

// Send puts messages on their way. It never blocks, does not change them, and
// drops those to members that are unknown or too slow, and those that are no
// other member's business.
func (t *Transport) Send(list []*raftpb.Message) {
	peers := *t.peers.Load()
	var last *peer
	for _, m := range list {
		p := peers[member.ID(m.GetTo())]
		if p == nil || !travels(m.GetType()) {
			continue
		}
		if p != last && last != nil {
			last.express()
		}
		p.send(m)
		last = p
	}
	if last != nil {
		last.express()
	}
}

// Connected says since when messages pass both ways between this member and
// another. It is zero while they do not.
func (t *Transport) Connected(id member.ID) time.Time {
	p := t.peer(id)
	if p == nil {
		return time.Time{}
	}
	return p.connected()
}
