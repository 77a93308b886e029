package raftlog

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// What follows are orders of events that loops produce rarely: they are made
// by hand, with the cores of a script.

func newScript(t *testing.T, size uint64) *script {
	t.Helper()
	s := &script{nodes: map[uint64]*scriptNode{}, cut: map[uint64]bool{}, reads: map[string]*barrier{}}
	t.Cleanup(func() {
		for _, n := range s.nodes {
			n.close()
		}
	})
	var voters []uint64
	for id := range size {
		voters = append(voters, id+1)
	}
	for _, id := range voters {
		s.boot(t, id, 10, 1, voters)
	}
	if err := s.nodes[1].core.raw.Campaign(); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	return s
}

// say proposes n things at a member and settles.
func (s *script) say(t *testing.T, at uint64, n int) {
	t.Helper()
	for range n {
		s.next++
		buf := sealed(fmt.Sprint(s.next))
		seal(buf, uint64(s.next))
		if left := s.nodes[at].core.propose([]proposal{{t.Context(), buf}}); len(left) > 0 {
			t.Fatalf("%d does not take proposal %d", at, s.next)
		}
		s.settle(t)
	}
}

// snapshotFor is a snapshot of member from as it stands, on its way to member
// to.
func (s *script) snapshotFor(t *testing.T, from, to uint64) incoming {
	t.Helper()
	c := s.nodes[from].core
	st := s.nodes[from].machine.now.clone()
	n, err := parseNote(st.Note)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(st); err != nil {
		t.Fatal(err)
	}
	s.nodes[to].bodies[st.Position] = b.Bytes()
	return incoming{file: fmt.Sprint(st.Position), m: &raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), From: new(from), To: new(to), Term: new(c.term),
		Snapshot: &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
			Index: new(st.Position), Term: new(n.term), ConfState: n.conf,
		}},
	}}
}

func mustReady(t *testing.T, n *scriptNode) work {
	t.Helper()
	w, ok := n.core.ready()
	if !ok {
		t.Fatalf("%d has nothing to do", n.config.ID)
	}
	return w
}

// The machine says what it would keep while the snapshot that makes it all
// pointless is being restored: the truncation comes behind the snapshot.
func TestATruncationBehindASnapshotDoesNotUndoIt(t *testing.T) {
	s := newScript(t, 3)
	s.say(t, 1, 20)
	s.cut[3] = true
	s.say(t, 1, 20)

	n := s.nodes[3]
	n.core.step(s.snapshotFor(t, 1, 3))
	snapshot := mustReady(t, n).append
	if snapshot == nil || snapshot.file == "" {
		t.Fatalf("the snapshot is not wanted: %+v", snapshot)
	}
	truncate := n.core.truncate(n.core.applied, 0, 1<<30)
	if truncate == nil {
		t.Fatal("nothing is to be truncated")
	}
	s.write(t, n, snapshot)
	s.write(t, n, truncate)

	n.close()
	n.machine = n.machine.restarted()
	n.config.Machine = n.machine
	s.open(t, n)
	if at := n.core.applied; at != 50 && at != s.nodes[1].core.applied {
		t.Errorf("the member starts at %d", at)
	}
}

// Entries that come right behind a snapshot share a write with it, and with
// the commit position that lies among them.
func TestACrashBetweenASnapshotAndTheEntriesBehindIt(t *testing.T) {
	s := newScript(t, 3)
	s.cut[3] = true
	s.say(t, 1, 20)
	snapshot := s.snapshotFor(t, 1, 3)
	p := s.nodes[1].core.applied
	s.say(t, 1, 3)
	entries, err := s.nodes[1].core.storage.Entries(p+1, p+4, 1<<20)
	if err != nil || len(entries) != 3 {
		t.Fatal(len(entries), err)
	}

	n := s.nodes[3]
	n.close()
	n.machine = newFakeMachine(10, Note([]uint64{1, 2, 3}, nil, 1, 0))
	n.config.FS, n.config.Machine = vfs.NewCrashableMem(), n.machine
	if err := Bootstrap(n.config, 10, 1, []uint64{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	s.open(t, n)
	type image struct {
		fs      vfs.FS
		machine *fakeMachine
	}
	var images []image
	n.append.observer.Appended = func(time.Duration, int) {
		fs := n.config.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
		images = append(images, image{fs, n.machine.crashed()})
	}
	n.core.step(snapshot)
	n.core.step(incoming{m: &raftpb.Message{
		Type: raftpb.MsgApp.Enum(), From: new(uint64(1)), To: new(uint64(3)), Term: new(s.nodes[1].core.term),
		Index: new(p), LogTerm: new(snapshot.m.GetSnapshot().GetMetadata().GetTerm()), Commit: new(p + 3),
		Entries: clones(entries),
	}})
	w := mustReady(t, n)
	if w.append == nil || w.append.file == "" || len(w.append.m.GetEntries()) != 3 || w.append.m.GetCommit() != p+3 {
		t.Fatalf("snapshot and entries are not in one write: %v", w.append.m)
	}
	s.write(t, n, w.append)
	if len(images) < 3 {
		t.Fatalf("%d syncs", len(images))
	}
	for i, im := range images {
		c := n.config
		c.FS, c.Machine, c.Cache = im.fs, im.machine, nil
		l, err := Open(c)
		if err != nil {
			t.Errorf("after sync %d: %v", i, err)
			continue
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func clones(list []*raftpb.Entry) []*raftpb.Entry {
	var all []*raftpb.Entry
	for _, e := range list {
		all = append(all, proto.Clone(e).(*raftpb.Entry))
	}
	return all
}

// Word of entries applied before a snapshot was restored may come after that
// of the snapshot: the two have different ways.
func TestTheAppliedPositionDoesNotGoBack(t *testing.T) {
	s := newScript(t, 3)
	s.say(t, 1, 5)
	n := s.nodes[3]
	old := n.core.applied
	entries, err := n.core.storage.Entries(old, old+1, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	s.cut[3] = true
	s.say(t, 1, 20)
	n.core.step(s.snapshotFor(t, 1, 3))
	s.write(t, n, mustReady(t, n).append)
	n.core.didApply(&applyJob{m: &raftpb.Message{Entries: entries}})
	if want := s.nodes[1].core.applied; n.core.applied != want {
		t.Errorf("%d is applied, want %d", n.core.applied, want)
	}
}

// A sole voter that has just begun to lead does not know how far it had
// committed before: a learner that asks must not be told what it thinks.
func TestALearnerReadsWhatALoneVoterAcknowledgedBeforeItsRestart(t *testing.T) {
	s := newScript(t, 1)
	s.boot(t, 2, 0, 0, nil)
	e, err := sealChange(oneChange(raftpb.ConfChangeAddLearnerNode, 2))
	if err != nil {
		t.Fatal(err)
	}
	s.nodes[1].core.proposeChange(t.Context(), e)
	for range 10 {
		s.settle(t)
		s.nodes[1].core.tick()
	}
	s.settle(t)
	if got := s.nodes[2].core.leader; got != 1 {
		t.Fatalf("the learner knows leader %d", got)
	}
	lone := s.nodes[1]
	lone.machine.mu.Lock()
	lone.machine.flushEvery = 1 << 20
	lone.machine.mu.Unlock()
	s.cut[2] = true
	s.say(t, 1, 5)
	acked := lone.core.applied

	lone.close()
	lone.machine = lone.machine.crashed()
	lone.config.Machine = lone.machine
	s.open(t, lone)
	s.cut[2] = false
	// It applies what it knows to be committed, and leads.
	for !lone.core.leadsNow() {
		if w, ok := lone.core.ready(); ok {
			if w.append != nil {
				s.write(t, lone, w.append)
			}
			if w.apply != nil {
				if _, err := lone.apply.do([]*applyJob{w.apply}); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		lone.core.tick()
	}
	if lone.core.commit >= acked {
		t.Fatalf("after the restart %d is known to be committed: the test tests nothing", lone.core.commit)
	}
	b := newBarrier()
	s.nodes[2].core.read(b)
	for _, m := range mustReady(t, s.nodes[2]).send {
		lone.core.step(incoming{m: m})
	}
	w := mustReady(t, lone)
	for _, m := range w.send {
		if m.GetType() == raftpb.MsgReadIndexResp && m.GetIndex() < acked {
			t.Errorf("the learner is told to read at %d, but %d was acknowledged", m.GetIndex(), acked)
		}
	}
	s.wire = append(s.wire, w.send...)
	s.write(t, lone, w.append)
	for range 30 {
		s.settle(t)
		for _, n := range s.nodes {
			n.core.tick()
		}
	}
	select {
	case <-b.done:
	default:
		t.Error("the read is not answered")
	}
}

// Streams carry only what their sender says itself.
func TestAFollowerDoesNotPassOnAnothersRead(t *testing.T) {
	s := newScript(t, 3)
	n := s.nodes[2]
	n.core.step(incoming{m: &raftpb.Message{
		Type: raftpb.MsgReadIndex.Enum(), From: new(uint64(3)), To: new(uint64(2)),
		Entries: []*raftpb.Entry{{Data: []byte("a context")}},
	}})
	for {
		w, ok := n.core.ready()
		if !ok {
			return
		}
		for _, m := range w.send {
			if m.GetFrom() != 2 {
				t.Errorf("it sends %v", m)
			}
		}
	}
}

// A capture that is made while the log stops reaches nobody, and must not stay
// open: the tree could not be closed.
func TestACaptureMadeWhileTheLogStopsIsClosed(t *testing.T) {
	c, m := single(t, vfs.NewMem())
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	l.applies.push(&applyJob{capture: true})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := errors.Join(l.Run(ctx), l.Close()); err != nil {
		t.Fatal(err)
	}
	if m.captures != 0 {
		t.Errorf("%d captures are open", m.captures)
	}
}
