package peer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/proto"

	"keytree/raftlog/block"
	"keytree/raftlog/member"
)

const (
	// maxIncomingSnapshots bounds the disk that snapshots on their way in take.
	maxIncomingSnapshots = 2
	// maxSnapshotMessage bounds raft's message of a snapshot: it names members.
	maxSnapshotMessage = 1 << 20
	// stall is how long a snapshot may not move on.
	stall = 30 * time.Second
)

func newLimit(perSecond int64) *rate.Limiter {
	if perSecond < 0 {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(perSecond), block.MaxBytes+block.HeaderBytes)
}

// blockSize is such that even a slow sender writes about one in a second.
func (c Config) blockSize() int {
	if c.SnapshotRate < 0 {
		return block.MaxBytes
	}
	return int(min(block.MaxBytes, max(c.SnapshotRate, 1<<10)))
}

// SendSnapshot sends m, and the bytes that body writes. It does not block, and
// calls done exactly once, when the peer has it all or never will. body is
// written at most once, and is not used after done.
func (t *Transport) SendSnapshot(m *raftpb.Message, body io.WriterTo, done func(error)) {
	p := t.peer(member.ID(m.GetTo()))
	if p == nil {
		done(errUnknownPeer)
		return
	}
	if t.enter() == nil {
		done(errNotRunning)
		return
	}
	go func() {
		defer t.leave()
		err := p.sendSnapshot(m, body)
		if err != nil {
			p.stats.SendFailed(1)
		}
		done(err)
	}()
}

func (p *peer) sendSnapshot(m *raftpb.Message, body io.WriterTo) error {
	ctx := p.context()
	if ctx == nil {
		return errNotRunning
	}
	head, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("marshal a snapshot's message: %w", err)
	}
	if len(head) > maxSnapshotMessage {
		return fmt.Errorf("a snapshot's message has %d bytes", len(head))
	}
	c, err := p.callAny(ctx)
	if err != nil {
		return fmt.Errorf("send a snapshot to %v: %w", p.id, err)
	}
	defer closeWith(ctx, c.conn)()
	report := p.report("sending a snapshot", m, p.stats.SnapshotsOut)
	err = p.upload(ctx, c, head, body, report)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	report.end(err)
	if err != nil {
		return fmt.Errorf("send a snapshot to %v: %w", p.id, err)
	}
	return nil
}

// callAny asks each URL of the peer whether it would take a snapshot.
func (p *peer) callAny(ctx context.Context) (call, error) {
	err := errNoURL
	for _, raw := range p.urls() {
		var c call
		c, err = p.call(ctx, raw, http.MethodPost, pathSnapshot, http.Header{
			"Expect": {"100-continue"}, "Transfer-Encoding": {"chunked"},
			"Content-Type": {"application/octet-stream"},
		}, http.StatusContinue)
		if err == nil {
			return c, nil
		}
	}
	return call{}, err
}

// upload writes the blocks and reads the answer. The peer may answer before it
// has all: then it will not take it.
func (p *peer) upload(ctx context.Context, c call, head []byte, body io.WriterTo, report *report) error {
	out := bufio.NewWriterSize(&slowly{ctx, p, c.conn, report}, block.MaxBytes+64) // a block and its chunk's ends
	chunks := httputil.NewChunkedWriter(out)
	blocks := block.NewWriter(flushed{chunks, out}, p.t.config.blockSize())
	_, err := blocks.Write(head)
	if err == nil {
		err = blocks.Flush()
	}
	if err == nil {
		_, err = body.WriteTo(blocks)
	}
	if err == nil {
		err = blocks.End()
	}
	if err == nil {
		err = errors.Join(chunks.Close(), ended(out))
	}
	var broken net.Error
	if err != nil && (!errors.As(err, &broken) || broken.Timeout()) {
		return err // our own, or nobody is there to be asked
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(stall)); err != nil {
		return err
	}
	answer := p.await(c.answer, http.MethodPost, http.StatusNoContent)
	var refused *refusal
	if err == nil || errors.As(answer, &refused) {
		return answer
	}
	return err
}

// ended writes the line behind the last chunk.
func ended(out *bufio.Writer) error {
	_, _ = out.WriteString("\r\n") // Flush says it
	return out.Flush()
}

// flushed writes through a buffer and empties it.
type flushed struct {
	io.Writer
	buf *bufio.Writer
}

func (f flushed) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	if err == nil {
		err = f.buf.Flush()
	}
	return n, err
}

// slowly writes no faster than all snapshots may, and not to who does not read.
type slowly struct {
	ctx    context.Context
	p      *peer
	conn   net.Conn
	report *report
}

func (s *slowly) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		k := min(len(b), block.MaxBytes)
		if err := s.p.t.limit.WaitN(s.ctx, k); err != nil {
			return n, err
		}
		if err := s.conn.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return n, err
		}
		k, err = s.conn.Write(b[:k])
		n += k
		s.p.stats.Sent(k)
		s.report.add(k)
		if err != nil {
			return n, err
		}
		b = b[k:]
	}
	return n, nil
}
