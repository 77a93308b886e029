package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"keytree/raftlog/block"
)

var errStalled = fmt.Errorf("the snapshot did not move on for %v", stall)

// serveSnapshot hands a snapshot to the receiver.
func (t *Transport) serveSnapshot(w http.ResponseWriter, r *http.Request, a *Attachment) {
	p := t.admit(w, r, a, http.MethodPost)
	if p == nil {
		return
	}
	select {
	case t.incoming <- struct{}{}:
		defer func() { <-t.incoming }()
	default:
		turnAway(w, http.StatusServiceUnavailable, "too many snapshots are on their way")
		return
	}
	if t.enter() == nil {
		turnAway(w, http.StatusServiceUnavailable, errNotRunning.Error())
		return
	}
	defer t.leave()
	if err := p.receiveSnapshot(p.context(), w, r); err != nil {
		p.stats.ReceiveFailed()
		turnAway(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *peer) receiveSnapshot(ctx context.Context, w http.ResponseWriter, r *http.Request) error {
	if ctx == nil {
		return errNotRunning
	}
	body := &patientBody{ctx: ctx, p: p, control: http.NewResponseController(w), r: r.Body}
	past := func() { _ = body.control.SetReadDeadline(time.Unix(1, 0)) } // a read under way fails
	defer onceDone(ctx, past)()
	blocks := block.NewReader(body)
	head, err := blocks.First(maxSnapshotMessage)
	if err != nil {
		return fmt.Errorf("receive a snapshot: %w", err)
	}
	m := &raftpb.Message{}
	if err = proto.Unmarshal(head, m); err == nil {
		err = p.checkMessage(m)
	}
	if err == nil && m.GetType() != raftpb.MsgSnap {
		err = errJunk
	}
	if err != nil {
		return fmt.Errorf("receive a snapshot: %w", err)
	}
	body.report = p.report("receiving a snapshot", m, p.stats.SnapshotsIn)
	err = p.self.Receiver.StepSnapshot(ctx, m, blocks)
	if err == nil && !blocks.Whole() {
		err = errors.New("the receiver did not read all of the snapshot")
	}
	body.report.end(err)
	return err
}

// patientBody reads the body of a request until ctx ends or nothing comes for
// too long.
type patientBody struct {
	ctx     context.Context
	p       *peer
	control *http.ResponseController
	r       io.Reader
	report  *report // nil until it is known what comes
}

func (b *patientBody) Read(p []byte) (int, error) {
	if err := b.control.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return 0, err
	}
	if b.ctx.Err() != nil {
		return 0, context.Cause(b.ctx)
	}
	n, err := b.r.Read(p)
	b.p.stats.Received(n)
	if b.report != nil {
		b.report.add(n)
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		if b.ctx.Err() != nil {
			return n, context.Cause(b.ctx)
		}
		return n, errStalled
	}
	return n, err
}
