package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"keytree/raftlog/block"
	"keytree/raftlog/member"
)

func snapshotMessage(from, to member.ID) *raftpb.Message {
	return &raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), From: new(uint64(from)), To: new(uint64(to)), Term: new(uint64(3)),
		Snapshot: &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
			Index: new(uint64(42)), Term: new(uint64(3)), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}},
		}},
	}
}

// blocksOf are bytes as blocks of a size.
func blocksOf(t *testing.T, size int, pieces ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := block.NewWriter(&out, size)
	_, err := w.Write(bytes.Join(pieces, nil))
	if err = errors.Join(err, w.End()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// body writes n bytes in pieces, and fails then if it is to.
type body struct {
	n    int
	fail error
}

func (b body) WriteTo(w io.Writer) (int64, error) {
	written := 0
	for written < b.n {
		piece := bytes.Repeat([]byte{byte(written)}, min(10_000, b.n-written))
		n, err := w.Write(piece)
		written += n
		if err != nil {
			return int64(written), err
		}
	}
	return int64(written), b.fail
}

func (b body) bytes() []byte {
	var all bytes.Buffer
	_, _ = body{n: b.n}.WriteTo(&all)
	return all.Bytes()
}

// sendSnapshot sends one and waits for its end.
func sendSnapshot(t testing.TB, from, to *node, b io.WriterTo) error {
	t.Helper()
	done := make(chan error, 2)
	from.SendSnapshot(snapshotMessage(from.id, to.id), b, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-time.After(5 * time.Minute): // in a bubble
		t.Fatal("done is not called")
		return nil
	}
}

// awaitNoSnapshot waits until those on their way in are over, whose senders may
// know of it earlier.
func (n *node) awaitNoSnapshot() {
	for len(n.incoming) > 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestASnapshotArrivesWhole(t *testing.T) {
	a, b := startPair(t, Config{})
	for _, n := range []int{0, 1, block.MaxBytes, 5_000_000} {
		if err := sendSnapshot(t, a, b, body{n: n}); err != nil {
			t.Fatal(err)
		}
		got := b.receiver.snapshots[len(b.receiver.snapshots)-1]
		if !bytes.Equal(got, body{n: n}.bytes()) {
			t.Errorf("%d bytes came of %d", len(got), n)
		}
	}
	for _, tt := range []struct {
		log  *logbook
		line string
	}{
		{a.log, `msg="sending a snapshot begins" peer=b position=42 term=3`}, {a.log, `msg="sending a snapshot is done" peer=b position=42 term=3 bytes=`},
		{b.log, `msg="receiving a snapshot begins" peer=a position=42 term=3`}, {b.log, `msg="receiving a snapshot is done" peer=a position=42 term=3 bytes=`},
	} {
		if tt.log.count(tt.line) != 4 {
			t.Errorf("%s is not logged:\n%s", tt.line, tt.log)
		}
	}
}

func TestASnapshotToNobodyFails(t *testing.T) {
	a := startLone(t)
	for _, to := range []*node{{id: 0xdead}, {id: stranger}} {
		if err := sendSnapshot(t, a, to, body{}); err == nil {
			t.Error("it was sent")
		}
	}
	before := New(Config{})
	before.Attach(Attachment{Cluster: testCluster, Member: 0xa, Receiver: newRecorder()})
	before.SetMembers([]member.Member{{ID: stranger}}, nil)
	called := 0
	before.SendSnapshot(snapshotMessage(0xa, stranger), body{}, func(err error) {
		if called++; err == nil {
			t.Error("it was sent before Run")
		}
	})
	if called != 1 {
		t.Errorf("done was called %d times", called)
	}
}

func TestASnapshotWhoseSourceFailsDoesNotArrive(t *testing.T) {
	a, b := startPair(t, Config{})
	broken := errors.New("the disk is gone")
	if err := sendSnapshot(t, a, b, body{300_000, broken}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	b.receiver.await(t, "the failure", func() bool { return len(b.receiver.failed) == 1 })
	if !errors.Is(b.receiver.failed[0], io.ErrUnexpectedEOF) || len(b.receiver.snapshots) != 0 {
		t.Errorf("the receiver saw %v", b.receiver.failed[0])
	}
}

func TestAReceiverThatFailsIsHeardOf(t *testing.T) {
	a, b := startPair(t, Config{})
	for _, read := range []func(io.Reader) ([]byte, error){
		func(io.Reader) ([]byte, error) { return nil, errors.New("my disk is full") },
		func(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, 1000)) }, // says that it has all
	} {
		b.receiver.read = read
		if err := sendSnapshot(t, a, b, body{n: 50_000_000}); err == nil {
			t.Error("it was sent")
		}
	}
}

// damaging changes what is written through it, once it has seen so many bytes.
type damaging struct {
	net.Conn
	after *int
	cut   bool
}

func (d damaging) Write(p []byte) (int, error) {
	if *d.after >= 0 && *d.after < len(p) {
		if d.cut {
			n, _ := d.Conn.Write(p[:*d.after])
			_ = d.Close()
			return n, net.ErrClosed
		}
		p = bytes.Clone(p)
		p[*d.after] ^= 4
	}
	*d.after -= len(p)
	return d.Conn.Write(p)
}

func TestASnapshotThatIsCutOrDamagedOnItsWayDoesNotArrive(t *testing.T) {
	for _, cut := range []bool{true, false} {
		after := -1
		b := startNode(t, 0xb, listen(t), Config{})
		a := startNode(t, 0xa, listen(t), Config{})
		b.SetMembers([]member.Member{a.member()}, nil)     // it is no guest of a, whose connections are bad
		p := newPeer(a.Transport, a.attached.Load(), b.id) // one without a stream of its own
		p.setURLs([]string{b.url})
		p.mu.ctx = t.Context()
		a.config.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return damaging{conn, &after, cut}, nil
		}
		size := 400_000
		send := func() error {
			b.awaitNoSnapshot()
			return p.sendSnapshot(snapshotMessage(a.id, b.id), body{n: size})
		}
		for _, at := range []int{600, 5_000, 200_000, 400_300} {
			after = at
			if err := send(); err == nil {
				t.Errorf("cut %v at %d: it is sent", cut, at)
			}
		}
		if n := get(b.receiver, func() int { return len(b.receiver.snapshots) }); n != 0 {
			t.Errorf("cut %v: %d came whole", cut, n)
		}
		after = -1
		if err := send(); err != nil {
			t.Error(err)
		}
	}
}

func TestASnapshotThatStandsStillIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		c := Config{Dial: network.dial}
		a, b := startNode(t, 0xa, network.listen("a:1"), c), startNode(t, 0xb, network.listen("b:1"), c)
		introduce(a, b)
		time.Sleep(time.Second)
		// The receiver does not read on.
		more := make(chan struct{})
		b.receiver.read = func(r io.Reader) ([]byte, error) {
			_, _ = io.ReadFull(r, make([]byte, 1000))
			<-more
			return io.ReadAll(r)
		}
		began := time.Now()
		if err := sendSnapshot(t, a, b, body{n: 1 << 20}); err == nil {
			t.Error("it was sent to who does not read")
		}
		if d := time.Since(began); d < stall || d > 3*stall {
			t.Errorf("given up after %v", d)
		}
		close(more)
		b.receiver.await(t, "the end", func() bool { return len(b.receiver.failed) == 1 })
		// The sender does not write on.
		b.receiver.read = io.ReadAll
		began = time.Now()
		if err := sendSnapshot(t, a, b, stuck{}); err == nil {
			t.Error("what does not end was sent")
		}
		if d := time.Since(began); d < stall || d > 4*stall {
			t.Errorf("given up after %v", d)
		}
		if err := get(b.receiver, func() error { return b.receiver.failed[1] }); !errors.Is(err, errStalled) {
			t.Errorf("the receiver saw %v", err)
		}
	})
}

// stuck writes a little, and more after a long time.
type stuck struct{}

func (stuck) WriteTo(w io.Writer) (int64, error) {
	n, _ := body{n: 2 * block.MaxBytes}.WriteTo(w)
	time.Sleep(2 * stall)
	more, err := body{n: 4 * block.MaxBytes}.WriteTo(w)
	return n + more, err
}

func TestSnapshotsTakeNoMoreThanTheirRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		c := Config{Dial: network.dial, SnapshotRate: 100_000}
		a := startNode(t, 0xa, network.listen("a:1"), c)
		b, d := startNode(t, 0xb, network.listen("b:1"), c), startNode(t, 0xd, network.listen("d:1"), c)
		introduce(a, b, d)
		time.Sleep(time.Second)
		began := time.Now()
		var wg sync.WaitGroup
		for _, to := range []*node{b, d} { // they share the rate
			wg.Go(func() {
				if err := sendSnapshot(t, a, to, body{n: 1_000_000}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took < 18*time.Second || took > 21*time.Second {
			t.Errorf("2 MB at 100 kB a second took %v", took)
		}
		if n := a.log.count(`msg="sending a snapshot" peer=b`); n < 2 || n > 4 {
			t.Errorf("progress is logged %d times:\n%s", n, a.log)
		}
		if n := b.log.count(`msg="receiving a snapshot" peer=a`); n < 2 || n > 4 {
			t.Errorf("progress is logged %d times:\n%s", n, b.log)
		}
	})
}

func TestOnlyTwoSnapshotsComeInAtATime(t *testing.T) {
	a, b := startPair(t, Config{})
	more := make(chan struct{})
	reading := make(chan struct{}, maxIncomingSnapshots)
	b.receiver.read = func(r io.Reader) ([]byte, error) {
		reading <- struct{}{}
		<-more
		return io.ReadAll(r)
	}
	done := make(chan error, maxIncomingSnapshots)
	for range maxIncomingSnapshots {
		a.SendSnapshot(snapshotMessage(a.id, b.id), body{n: 1000}, func(err error) { done <- err })
		<-reading
	}
	err := sendSnapshot(t, a, b, body{n: 1000})
	if err == nil || !strings.Contains(err.Error(), "too many snapshots are on their way") {
		t.Errorf("the third: %v", err)
	}
	close(more)
	for range maxIncomingSnapshots {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestRunWaitsForTheSnapshotsUnderWay(t *testing.T) {
	a, b := startPair(t, Config{SnapshotRate: 50_000})
	done := make(chan error, 1)
	a.SendSnapshot(snapshotMessage(a.id, b.id), body{n: 10_000_000}, func(err error) { done <- err })
	for b.log.count("receiving a snapshot begins") == 0 {
		time.Sleep(time.Millisecond)
	}
	a.cancel()
	a.ended.Go(func() { _ = a.server.Close() })
	a.ended.Wait()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it was sent")
		}
	default:
		t.Error("Run returned before the snapshot ended")
	}
	b.receiver.await(t, "the cut", func() bool { return len(b.receiver.failed) == 1 })

	c := startNode(t, 0xa, listen(t), Config{SnapshotRate: 50_000})
	introduce(c, b)
	awaitConnected(t, c, b)
	c.SendSnapshot(snapshotMessage(c.id, b.id), body{n: 10_000_000}, func(err error) { done <- err })
	for b.log.count("receiving a snapshot begins") < 2 {
		time.Sleep(time.Millisecond)
	}
	b.stop() // the receiver ends
	if n := get(b.receiver, func() int { return len(b.receiver.failed) }); n != 2 {
		t.Errorf("%d snapshots failed when Run had returned", n)
	}
	if err := <-done; err == nil {
		t.Error("it was sent")
	}
}

func TestJunkForASnapshotIsTurnedAway(t *testing.T) {
	a := startLone(t)
	head := func(m *raftpb.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":         {},
		"only an end":     {0, 0, 0, 0, 0, 0, 0, 0},
		"a huge block":    {0x7f, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3},
		"no message":      blocksOf(t, 100, []byte{0xff, 0xff}),
		"no snapshot":     blocksOf(t, 100, head(heartbeat(stranger, a.id))),
		"from another":    blocksOf(t, 100, head(snapshotMessage(0x77, a.id))),
		"for another":     blocksOf(t, 100, head(snapshotMessage(stranger, 0x77))),
		"a wrong block":   {0, 0, 0, 1, 1, 2, 3, 4, 5},
		"a block cut off": {0, 0, 0, 9, 1, 2, 3, 4, 5},
	} {
		a.awaitNoSnapshot()
		conn := a.connect(t)
		h := greeting(stranger, a.id)
		request := "POST /raft/snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: " + fmt.Sprint(len(b)) + "\r\n"
		for i := 4; i < len(h); i += 2 {
			request += h[i] + ": " + h[i+1] + "\r\n"
		}
		_, _ = conn.Write(append([]byte(request+"\r\n"), b...))
		answer := make([]byte, 12)
		if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != fmt.Sprintf("HTTP/1.1 %d", http.StatusInternalServerError) {
			t.Errorf("%s: %q, %v", name, answer, err)
		}
	}
	if len(a.receiver.snapshots)+len(a.receiver.failed) > 0 {
		t.Error("something came")
	}
}
