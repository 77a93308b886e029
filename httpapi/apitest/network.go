package apitest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"keytree/raftlog/member"
	"keytree/raftlog/replica"
)

// latency is how long a message takes from member to member.
const latency = 200 * time.Microsecond

// network carries messages between members and connections of clients, in
// memory. Messages between two members arrive in the order they were sent in.
type network struct {
	ctx  context.Context // ends with the network
	stop context.CancelFunc
	wg   sync.WaitGroup // one goroutine for each pair of members, one for each snapshot

	mu struct { // everything inside is guarded
		sync.Mutex
		closed    bool
		members   map[member.ID]*attached
		rosters   map[member.ID]roster // what each was told last, by its replica
		queues    map[pair]chan parcel
		cuts      map[pair]bool
		healed    map[pair]time.Time   // when a pair was last not cut any more
		listeners map[string]*listener // by address
	}
}

// attached is a member that runs.
type attached struct {
	*replica.Replica
	since time.Time
	calls sync.WaitGroup // of the replica, by the network
}

// roster is who a member talks to, and whom it never will again.
type roster struct {
	members []member.Member
	removed []member.ID
}

func (r roster) has(id member.ID) bool {
	return slices.ContainsFunc(r.members, func(m member.Member) bool { return m.ID == id })
}

// pair is a direction between two members.
type pair struct{ from, to member.ID }

func (p pair) back() pair { return pair{p.to, p.from} }

// parcel is a message on its way.
type parcel struct {
	kind raftpb.MessageType
	body []byte
	sent time.Time
}

// queued is how many messages wait for a slow receiver; more are dropped.
const queued = 4096

func newNetwork() *network {
	n := &network{}
	n.ctx, n.stop = context.WithCancel(context.Background())
	n.mu.members = map[member.ID]*attached{}
	n.mu.rosters = map[member.ID]roster{}
	n.mu.queues = map[pair]chan parcel{}
	n.mu.cuts = map[pair]bool{}
	n.mu.healed = map[pair]time.Time{}
	n.mu.listeners = map[string]*listener{}
	return n
}

// close ends the goroutines of n. No member may be attached any more.
func (n *network) close() {
	n.mu.Lock()
	n.mu.closed = true
	n.mu.Unlock()
	n.stop()
	n.wg.Wait()
}

// attach lets the member called id take part.
func (n *network) attach(id member.ID, r *replica.Replica) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.members[id] = &attached{Replica: r, since: time.Now()}
}

// detach ends that, and returns when nothing of the network calls the replica
// any more. The others notice at once, for the member's port refuses.
func (n *network) detach(id member.ID) {
	n.mu.Lock()
	leaving, found := n.mu.members[id]
	delete(n.mu.members, id)
	var rest []*attached
	for other, m := range n.mu.members {
		if found && !n.mu.cuts[pair{other, id}] {
			m.calls.Add(1)
			rest = append(rest, m)
		}
	}
	n.mu.Unlock()
	if !found {
		return // it was killed
	}
	leaving.calls.Wait()
	for _, m := range rest {
		m.Gone(id)
		m.calls.Done()
	}
}

// cut stops what travels between two members, in both directions, or lets it
// travel again.
func (n *network) cut(p pair, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range []pair{p, p.back()} {
		if n.mu.cuts[p] && !cut {
			n.mu.healed[p] = time.Now()
		}
		n.mu.cuts[p] = cut
	}
}

// ends are who says what travels in the direction p, nil if it is gone, and
// who hears it, nil if nobody does. Both are given back with calls.Done. One
// who was removed is told so instead of being heard.
func (n *network) ends(p pair) (from, to *attached) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if from = n.mu.members[p.from]; from == nil {
		return nil, nil
	}
	from.calls.Add(1)
	to = n.mu.members[p.to]
	switch {
	case to == nil || n.mu.cuts[p] || !n.mu.rosters[p.from].has(p.to) && !n.mu.rosters[p.to].has(p.from):
		return from, nil
	case slices.Contains(n.mu.rosters[p.to].removed, p.from):
		from.Removed()
		return from, nil
	}
	to.calls.Add(1)
	return from, to
}

// queue is what waits to travel in the direction p, nil at the end.
func (n *network) queue(p pair) chan<- parcel {
	n.mu.Lock()
	defer n.mu.Unlock()
	q := n.mu.queues[p]
	if q == nil && !n.mu.closed {
		q = make(chan parcel, queued)
		n.mu.queues[p] = q
		n.wg.Go(func() { n.carry(p, q) })
	}
	return q
}

// carry takes messages from one member to another until the network ends.
func (n *network) carry(p pair, q <-chan parcel) {
	for {
		select {
		case <-n.ctx.Done():
			return
		case one := <-q:
			time.Sleep(time.Until(one.sent.Add(latency)))
			n.deliver(p, one)
		}
	}
}

func (n *network) deliver(p pair, one parcel) {
	from, to := n.ends(p)
	if from == nil {
		return // its words went with it
	}
	defer from.calls.Done()
	appends := one.kind == raftpb.MsgApp
	if to == nil {
		from.ReportUnreachable(p.to)
		if appends {
			from.Stats().Leader.Missed(p.to.String())
		}
		return
	}
	defer to.calls.Done()
	m := &raftpb.Message{}
	if err := proto.Unmarshal(one.body, m); err != nil {
		panic(err) // we marshalled it
	}
	if appends {
		from.Stats().Self.SentAppend(len(one.body), time.Now())
		from.Stats().Leader.Reached(p.to.String(), time.Since(one.sent))
		to.Stats().Self.ReceivedAppend(len(one.body), time.Now())
	}
	_ = to.Step(n.ctx, m) // it stops, or the message is of no use
}

// link is the transport of one member.
type link struct {
	*network
	from member.ID
}

func (n *network) link(from member.ID) link { return link{n, from} }

// Send implements raftlog.Transport. Messages belong to the log: what travels
// is a copy.
func (l link) Send(list []*raftpb.Message) {
	for _, m := range list {
		body, err := proto.Marshal(m)
		if err != nil {
			panic(err) // raft made it
		}
		select {
		case l.queue(pair{l.from, member.ID(m.GetTo())}) <- parcel{m.GetType(), body, time.Now()}:
		default:
		}
	}
}

var errUnreachable = errors.New("the receiver cannot be reached")

// SendSnapshot implements raftlog.Transport.
func (l link) SendSnapshot(m *raftpb.Message, body io.WriterTo, done func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.closed {
		go done(errUnreachable)
		return
	}
	l.wg.Go(func() { done(l.carrySnapshot(proto.Clone(m).(*raftpb.Message), body)) })
}

func (l link) carrySnapshot(m *raftpb.Message, body io.WriterTo) error {
	var text bytes.Buffer
	if _, err := body.WriteTo(&text); err != nil {
		return err
	}
	time.Sleep(latency)
	from, to := l.ends(pair{l.from, member.ID(m.GetTo())})
	if from == nil {
		return errUnreachable
	}
	defer from.calls.Done()
	if to == nil {
		return errUnreachable
	}
	defer to.calls.Done()
	return to.StepSnapshot(l.ctx, m, &text)
}

// SetMembers implements replica.Transport. Who was removed and can be reached
// is told at once, as one is whose stream ends and who asks why.
func (l link) SetMembers(members []member.Member, removed []member.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.rosters[l.from] = roster{members, removed}
	for _, id := range removed {
		if m := l.mu.members[id]; m != nil && l.mu.members[l.from] != nil && !l.mu.cuts[pair{l.from, id}] {
			m.Removed()
		}
	}
}

// Connected implements replica.Transport: since when both members have been
// up with nothing cut between them.
func (l link) Connected(id member.ID) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := pair{l.from, id}
	from, to := l.mu.members[l.from], l.mu.members[id]
	if from == nil || to == nil || l.mu.cuts[p] || l.mu.cuts[p.back()] {
		return time.Time{}
	}
	times := []time.Time{from.since, to.since, l.mu.healed[p], l.mu.healed[p.back()]}
	return slices.MaxFunc(times, time.Time.Compare)
}
