package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog/member"
)

// receive hands the messages of the peer that come in on conn to the receiver,
// until the stream ends or ctx does.
func (p *peer) receive(ctx context.Context, conn net.Conn, early []byte) error {
	in := newFrameReader(&attentive{p: p, conn: conn}, early)
	for {
		frame, err := in.next()
		if err == nil && len(frame) > 0 {
			err = p.take(ctx, frame)
		}
		if err != nil {
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case errors.Is(err, io.EOF):
				return errPeerEnded
			}
			return err
		}
	}
}

// take hands on one message. An error says that the stream is not to be
// trusted any more.
func (p *peer) take(ctx context.Context, frame []byte) error {
	m, err := decode(frame)
	if err == nil {
		err = p.checkMessage(m)
	}
	if err != nil {
		p.stats.ReceiveFailed()
		p.t.log.Warn(fmt.Sprintf("peer %v sent what it must not", p.id), "error", err)
		return err
	}
	switch m.GetType() {
	case raftpb.MsgApp:
		p.self.Stats.Self.ReceivedAppend(frameHeader+len(frame), p.t.config.Now())
	case raftpb.MsgAppResp:
		p.answered(m)
	}
	if !travels(m.GetType()) {
		p.stats.ReceiveFailed()
		return nil
	}
	if err := p.self.Receiver.Step(ctx, m); err != nil {
		p.stats.ReceiveFailed()
		p.t.log.Debug(fmt.Sprintf("a message of peer %v was dropped", p.id), "type", m.GetType(), "error", err)
	}
	return nil
}

// answered counts the appends that m answers.
func (p *peer) answered(m *raftpb.Message) {
	at, ok := p.sent.answered(m)
	if !ok {
		return
	}
	id, now := p.id.String(), p.t.config.Now()
	for ; ok; at, ok = p.sent.answered(m) {
		p.self.Stats.Leader.Reached(id, now.Sub(at))
	}
}

// checkMessage makes sure that m is from and for who it should be. A request
// to hand over the leadership is from the member that shall have it, whoever
// passes it on.
func (p *peer) checkMessage(m *raftpb.Message) error {
	if member.ID(m.GetTo()) != p.self.Member {
		return fmt.Errorf("a message for member %x", m.GetTo())
	}
	if member.ID(m.GetFrom()) != p.id && m.GetType() != raftpb.MsgTransferLeader {
		return fmt.Errorf("a message from member %x", m.GetFrom())
	}
	return nil
}

// travels is whether messages of a type pass between members in a stream.
func travels(k raftpb.MessageType) bool {
	switch k {
	case raftpb.MsgProp, raftpb.MsgApp, raftpb.MsgAppResp,
		raftpb.MsgVote, raftpb.MsgVoteResp, raftpb.MsgPreVote, raftpb.MsgPreVoteResp,
		raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp,
		raftpb.MsgReadIndex, raftpb.MsgReadIndexResp,
		raftpb.MsgTransferLeader, raftpb.MsgTimeoutNow:
		return true
	}
	return false
}

// attentive reads a stream of the peer and gives it signs of life, at most one
// in a tick. When the peer gives none for too long, reading fails.
type attentive struct {
	p    *peer
	conn net.Conn

	until  time.Time // the deadline set
	signed time.Time
}

func (a *attentive) Read(b []byte) (int, error) {
	patience := a.p.t.config.patience()
	now := time.Now()
	if a.until.Sub(now) < patience*3/4 { // set anew now and then only
		a.until = now.Add(patience)
		if err := a.conn.SetReadDeadline(a.until); err != nil {
			return 0, err
		}
	}
	n, err := a.conn.Read(b)
	a.p.stats.Received(n)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return n, errSilent
	}
	if now := time.Now(); n > 0 && now.Sub(a.signed) >= a.p.t.config.Tick {
		a.signed = now
		if err := a.conn.SetWriteDeadline(now.Add(patience)); err != nil {
			return n, err
		}
		if _, err := a.conn.Write([]byte{0}); err != nil {
			return n, err
		}
	}
	return n, err
}
