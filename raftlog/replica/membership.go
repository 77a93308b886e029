package replica

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"keytree/raftlog"
	"keytree/raftlog/member"
	"keytree/store"
)

// conf is who takes part in raft, as of the newest entry applied. It is never
// changed, only replaced. It follows the roster: see alignUntilDone.
type conf struct {
	voters, learners []member.ID
}

func (c *conf) has(id member.ID) bool {
	return slices.Contains(c.voters, id) || slices.Contains(c.learners, id)
}

// alone says whether id is the only one to vote.
func (c *conf) alone(id member.ID) bool { return len(c.voters) == 1 && c.voters[0] == id }

// loadConf reads the note the tree was given last.
func (r *Replica) loadConf(note []byte) error {
	voters, learners, err := raftlog.Membership(note)
	if err != nil {
		return fmt.Errorf("read who takes part: %w", err)
	}
	c := &conf{}
	for _, id := range voters {
		c.voters = append(c.voters, member.ID(id))
	}
	for _, id := range learners {
		c.learners = append(c.learners, member.ID(id))
	}
	r.conf.Store(c)
	return nil
}

// rosterChanged spreads the news of another roster or conf. The apply loop
// calls it, or Open.
func (r *Replica) rosterChanged() {
	all, conf := r.roster.Load(), r.conf.Load()
	peers := slices.Clone(r.Members())
	var gone []member.ID
	for _, m := range all.removed {
		r.counters.Leader.Forget(m.ID.String())
		if conf.has(m.ID) {
			peers = append(peers, m) // raft still needs it, to agree on its leaving
		} else {
			gone = append(gone, m.ID)
		}
	}
	r.config.Transport.SetMembers(peers, gone)
	if slices.Contains(gone, r.self) {
		r.Removed()
	}
	r.changes.tell()
}

// news tells whoever waits that something has changed.
type news struct {
	mu   sync.Mutex
	next chan struct{} // closed by tell
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

// wait is closed by the next tell.
func (n *news) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	return n.next
}

// ChangeMember changes the roster, and answers with the member as it is then
// listed. Its error is one of package member's if the change is refused, or
// that of Do. A removal is done when raft has let the member go.
func (r *Replica) ChangeMember(ctx context.Context, c member.Change) (member.Member, error) {
	if c.Op == member.Add {
		c.ID = member.NewAddedID(c.PeerURLs, r.config.Now().Unix())
	}
	if r.config.StrictReconfig {
		if err := r.prudent(c); err != nil {
			return member.Member{}, err
		}
	}
	what := map[member.Op]string{member.Add: addMember, member.Remove: removeMember, member.Update: updateMember}[c.Op]
	result, err := r.submit(ctx, rosterChange{What: what, ID: c.ID.String(), PeerURLs: c.PeerURLs})
	if err == nil {
		err = result.Err
	}
	if err != nil {
		return member.Member{}, err
	}
	if c.Op == member.Remove {
		r.awaitLeaving(ctx, c.ID)
	}
	m, known := find(r.Members(), c.ID)
	if !known {
		m = member.Member{ID: c.ID, PeerURLs: c.PeerURLs}
	}
	return m, nil
}

// submit proposes c and waits for what becomes of it.
func (r *Replica) submit(ctx context.Context, c rosterChange) (store.Result, error) {
	return r.propose(ctx, c.appendJSON(make([]byte, raftlog.Headroom)))
}

// awaitLeaving waits until raft has let id go. It is only a courtesy: the
// roster has decided, and the leader sees to the rest.
func (r *Replica) awaitLeaving(ctx context.Context, id member.ID) {
	ctx, cancel := context.WithTimeout(ctx, r.config.RequestTimeout)
	defer cancel()
	for {
		changed := r.changes.wait()
		if !r.conf.Load().has(id) {
			return
		}
		select {
		case <-changed:
		case <-r.stopped:
			return
		case <-ctx.Done():
			return
		}
	}
}

// settled is how long a member must have been connected to count on it.
const settled = 5 * time.Second

// prudent refuses a change after which too few members could agree on the
// next one. It goes by what this member sees, as etcd's check does (spec:
// http.md 6, server.md 7.3).
func (r *Replica) prudent(c member.Change) error {
	switch c.Op {
	case member.Add:
		return r.prudentToAdd(c)
	case member.Remove:
		return r.prudentToRemove(c.ID)
	}
	return nil
}

func (r *Replica) prudentToAdd(c member.Change) error {
	all := voters(r.Members())
	started, quorum := countStarted(all), (len(all)+1)/2+1
	if started < quorum && !(started == 1 && len(all) == 1) {
		r.config.Logger.Warn(fmt.Sprintf("Reject add member request: the number of started member (%d) will be less than the quorum number of the cluster (%d)", started, quorum))
		return member.ErrNotEnoughStarted
	}
	if r.countSettled(all) < len(all) {
		r.config.Logger.Warn(fmt.Sprintf("not healthy for reconfigure, rejecting member add %v %v", c.ID, c.PeerURLs))
		return member.ErrUnhealthy
	}
	return nil
}

func (r *Replica) prudentToRemove(id member.ID) error {
	if m, _ := find(r.Members(), id); m.Learner {
		return nil // nobody asks for its vote
	}
	all := voters(r.Members())
	others := dropped(all, id)
	started, quorum := countStarted(others), len(others)/2+1
	if started < quorum {
		r.config.Logger.Warn(fmt.Sprintf("Reject remove member request: the number of started member (%d) will be less than the quorum number of the cluster (%d)", started, quorum))
		return member.ErrNotEnoughStarted
	}
	if id != r.self && r.config.Transport.Connected(id).IsZero() {
		return nil // it does not help anybody now
	}
	if r.countSettled(all)-1 < (len(all)-1)/2+1 {
		r.config.Logger.Warn(fmt.Sprintf("reconfigure breaks active quorum, rejecting remove member %v", id))
		return member.ErrUnhealthy
	}
	return nil
}

func countStarted(all []member.Member) (n int) {
	for _, m := range all {
		if m.Name != "" {
			n++
		}
	}
	return n
}

// countSettled is how many of all this member could count on for a while.
func (r *Replica) countSettled(all []member.Member) (n int) {
	now := r.config.Now()
	for _, m := range all {
		since := r.config.Transport.Connected(m.ID)
		if m.ID == r.self || !since.IsZero() && now.Sub(since) >= settled {
			n++
		}
	}
	return n
}

// HandOver gives leadership to the voter that is nearest to taking it, and
// returns when that one leads, or cannot, or ctx ends. Other members then need
// not wait for an election. It does nothing on a member that does not lead.
func (r *Replica) HandOver(ctx context.Context) {
	if !r.Leads() {
		return
	}
	peers, err := r.log.Peers(ctx)
	if err != nil {
		return
	}
	all := r.roster.Load()
	var best raftlog.Peer
	for _, p := range peers {
		m, listed := find(all.members, member.ID(p.ID))
		if listed && !m.Learner && !p.Learner && p.Active && p.ID != uint64(r.self) && (best.ID == 0 || p.Match > best.Match) {
			best = p
		}
	}
	if best.ID == 0 {
		r.config.Logger.Info("skipped leadership transfer: nobody else can lead")
		return
	}
	to := member.ID(best.ID)
	if err := r.log.TransferLeadership(ctx, best.ID); err != nil {
		r.config.Logger.Warn("leadership transfer failed", "to", to.String(), "error", err)
		return
	}
	r.config.Logger.Info("leadership transferred", "to", to.String())
}
