package replica

import (
	"context"
	"errors"
	"io"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog"
	"keytree/raftlog/member"
)

// Transport carries messages and snapshots to the other members. Any goroutine
// may call it; none of its methods blocks.
type Transport interface {
	raftlog.Transport
	// SetMembers says who is in the cluster, this member included, and who has
	// been removed for ever: those are refused and told so.
	SetMembers(members []member.Member, removed []member.ID)
	// Connected is since when messages pass both ways between id and this
	// member, or zero.
	Connected(id member.ID) time.Time
}

// nowhere is the Transport of a member without peers.
type nowhere struct{}

var errNoTransport = errors.New("this member has no transport")

func (nowhere) Send([]*raftpb.Message)                  {}
func (nowhere) SetMembers([]member.Member, []member.ID) {}
func (nowhere) Connected(member.ID) time.Time           { return time.Time{} }
func (nowhere) SendSnapshot(_ *raftpb.Message, _ io.WriterTo, done func(error)) {
	done(errNoTransport)
}

// What follows is for the transport: what it hears.

// Step takes a message of another member, and owns it from now on.
func (r *Replica) Step(ctx context.Context, m *raftpb.Message) error { return r.log.Step(ctx, m) }

// StepSnapshot takes a snapshot that another member sent, with its body, and
// returns when it has all of it.
func (r *Replica) StepSnapshot(ctx context.Context, m *raftpb.Message, body io.Reader) error {
	return r.log.StepSnapshot(ctx, m, body)
}

// ReportUnreachable says that messages to id do not get through.
func (r *Replica) ReportUnreachable(id member.ID) { r.log.ReportUnreachable(uint64(id)) }

// Gone says that the process of id has ended. If it led, another leader is
// found at once.
func (r *Replica) Gone(id member.ID) { r.log.LeaderGone(uint64(id)) }

// ErrRemoved is returned by Run when this member has been removed from the
// cluster: nobody will talk to it again.
var ErrRemoved = errors.New("the member has been permanently removed from the cluster")

// Removed says that this member is in the cluster no longer: Run ends.
func (r *Replica) Removed() { r.removal.Do(func() { close(r.removed) }) }
