package peer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog/member"
	"keytree/stats"
)

const testCluster = member.ID(0xc1)

// recorder is a Receiver that remembers what it is told.
type recorder struct {
	mu          sync.Mutex
	messages    []*raftpb.Message
	snapshots   [][]byte
	failed      []error // of snapshots
	unreachable map[member.ID]int
	gone        map[member.ID]int
	removed     int
	changed     chan struct{} // closed at the next call

	step   func(*raftpb.Message)
	refuse error                           // what Step says
	read   func(io.Reader) ([]byte, error) // of a snapshot's body; io.ReadAll
}

func newRecorder() *recorder {
	return &recorder{unreachable: map[member.ID]int{}, gone: map[member.ID]int{}, changed: make(chan struct{}), read: io.ReadAll}
}

// note changes r and wakes those who wait for it.
func (r *recorder) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Step(_ context.Context, m *raftpb.Message) error {
	if r.step != nil {
		r.step(m)
		return nil
	}
	r.note(func() { r.messages = append(r.messages, m) })
	return r.refuse
}

func (r *recorder) StepSnapshot(_ context.Context, _ *raftpb.Message, body io.Reader) error {
	b, err := r.read(body)
	r.note(func() {
		if err != nil {
			r.failed = append(r.failed, err)
			return
		}
		r.snapshots = append(r.snapshots, b)
	})
	return err
}

func (r *recorder) ReportUnreachable(id member.ID) { r.note(func() { r.unreachable[id]++ }) }
func (r *recorder) Gone(id member.ID)              { r.note(func() { r.gone[id]++ }) }
func (r *recorder) Removed()                       { r.note(func() { r.removed++ }) }

// await waits until r is as wanted.
func (r *recorder) await(t testing.TB, what string, wanted func() bool) {
	t.Helper()
	timeout := time.After(time.Minute)
	for {
		r.mu.Lock()
		ok, changed := wanted(), r.changed
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("not seen: %s", what)
		}
	}
}

// get reads r.
func get[T any](r *recorder, read func() T) T {
	r.mu.Lock()
	defer r.mu.Unlock()
	return read()
}

// logbook keeps what is logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newLogger(l *logbook) *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// node is a member as far as its peers are concerned.
type node struct {
	id       member.ID
	url      string
	listener net.Listener
	server   *http.Server
	*Transport
	receiver *recorder
	stats    *stats.Member
	log      *logbook

	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// startNode starts a member behind l. It is stopped when the test ends.
func startNode(t testing.TB, id member.ID, l net.Listener, c Config) *node {
	t.Helper()
	n := &node{
		id: id, listener: l, url: "http://" + l.Addr().String(), receiver: newRecorder(), log: &logbook{},
		stats: stats.New(stats.Config{ID: id.String()}),
	}
	c.Logger = newLogger(n.log)
	n.Transport = New(c)
	n.start(t, Attachment{Cluster: testCluster, Member: id, Receiver: n.receiver, Stats: n.stats})
	return n
}

func (n *node) start(t testing.TB, a Attachment) {
	n.server = &http.Server{Handler: n.Handler(), ReadHeaderTimeout: 500 * time.Millisecond}
	n.Attach(a)
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.ended.Go(func() { _ = n.server.Serve(n.listener) })
	var over atomic.Bool
	n.ended.Go(func() {
		defer over.Store(true)
		if err := n.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(n.stop)
	for !n.running() && !over.Load() {
		runtime.Gosched()
	}
}

func (n *node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.ctx != nil
}

// stop ends the member as a process would: first its listener goes.
func (n *node) stop() {
	_ = n.listener.Close()
	n.cancel()
	_ = n.server.Close()
	n.ended.Wait()
}

func (n *node) member() member.Member { return member.Member{ID: n.id, PeerURLs: []string{n.url}} }

// introduce makes nodes know each other.
func introduce(nodes ...*node) {
	var all []member.Member
	for _, n := range nodes {
		all = append(all, n.member())
	}
	for _, n := range nodes {
		n.SetMembers(all, nil)
	}
}

// awaitConnected waits until messages pass both ways.
func awaitConnected(t testing.TB, a, b *node) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); a.Connected(b.id).IsZero() || b.Connected(a.id).IsZero(); {
		if time.Now().After(deadline) {
			t.Fatalf("%v and %v do not connect:\n%s\n%s", a.id, b.id, a.log, b.log)
		}
		time.Sleep(time.Millisecond)
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startPair starts two members that are connected.
func startPair(t testing.TB, c Config) (a, b *node) {
	t.Helper()
	a, b = startNode(t, 0xa, listen(t), c), startNode(t, 0xb, listen(t), c)
	introduce(a, b)
	awaitConnected(t, a, b)
	return a, b
}

func newAppend(from, to member.ID, index uint64, entries, size int) *raftpb.Message {
	m := &raftpb.Message{
		Type: raftpb.MsgApp.Enum(), From: new(uint64(from)), To: new(uint64(to)),
		Term: new(uint64(3)), LogTerm: new(uint64(3)), Index: &index, Commit: new(index),
	}
	for i := range entries {
		m.Entries = append(m.Entries, &raftpb.Entry{
			Term: new(uint64(3)), Index: new(index + uint64(i) + 1), Data: bytes.Repeat([]byte{byte(i)}, size),
		})
	}
	return m
}

func heartbeat(from, to member.ID) *raftpb.Message {
	return &raftpb.Message{
		Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(from)), To: new(uint64(to)),
		Term: new(uint64(3)), Commit: new(uint64(7)),
	}
}

func indexes(list []*raftpb.Message) []uint64 {
	var all []uint64
	for _, m := range list {
		all = append(all, m.GetIndex())
	}
	return slices.Clip(all)
}

func refusedError(addr string) error {
	return &net.OpError{Op: "dial", Net: "memory", Addr: memoryAddr(addr), Err: syscall.ECONNREFUSED}
}

// metrics are the shown numbers of the network as lines of text.
func metrics(t testing.TB, s *stats.Member) string {
	t.Helper()
	r := prometheus.NewRegistry()
	if err := s.Register(r); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		if !strings.Contains(f.GetName(), "peer") && !strings.Contains(f.GetName(), "snapshot") {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			fmt.Fprintf(&b, "%s{%s} %v\n", f.GetName(), strings.Join(labels, ","), value)
		}
	}
	return b.String()
}
