package raftlog

import (
	"bytes"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

func TestEntriesComeBackAsTheyWere(t *testing.T) {
	for _, e := range []*raftpb.Entry{
		{Term: new(uint64(1)), Index: new(uint64(7))},
		{Term: new(uint64(1 << 60)), Index: new(uint64(7)), Data: []byte("data")},
		{Term: new(uint64(300)), Index: new(uint64(7)), Type: raftpb.EntryConfChangeV2.Enum(), Data: make([]byte, 1000)},
		{Term: new(uint64(300)), Index: new(uint64(7)), Type: raftpb.EntryConfChange.Enum()},
	} {
		b := make([]byte, encodedSize(e))
		encodeEntry(b, e)
		got, err := decodeEntry(7, b)
		if err != nil || !proto.Equal(got, e) {
			t.Errorf("got %v, %v, want %v", got, err, e)
		}
	}
}

func TestNotesComeBackAsTheyWere(t *testing.T) {
	for _, n := range []note{
		{conf: &raftpb.ConfState{}},
		{term: 1 << 63, stamp: -1, conf: &raftpb.ConfState{Voters: []uint64{1, 1 << 63}, AutoLeave: new(true)}},
		{term: 4, stamp: 5, conf: &raftpb.ConfState{
			Voters: []uint64{1}, Learners: []uint64{2}, VotersOutgoing: []uint64{3, 4}, LearnersNext: []uint64{5},
		}},
	} {
		got, err := parseNote(n.append(nil))
		if err != nil || got.term != n.term || got.stamp != n.stamp || !proto.Equal(got.conf, n.conf) {
			t.Errorf("got %+v, %v, want %+v", got, err, n)
		}
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte{0x10, 1})
	f.Add([]byte{0x12, 0x80, 1, 'x'})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(3, b)
		if err != nil {
			return
		}
		again := make([]byte, encodedSize(e))
		encodeEntry(again, e)
		if e2, err := decodeEntry(3, again); err != nil || !proto.Equal(e, e2) {
			t.Errorf("%x became %v and then %v, %v", b, e, e2, err)
		}
		_, _ = stampOf(e) // must not panic
	})
}

func FuzzEnvelope(f *testing.F) {
	b := sealed("data")
	seal(b, 7)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		env, err := openEnvelope(b)
		if err != nil {
			return
		}
		again := append(make([]byte, Headroom), env.data...)
		seal(again, env.id)
		setStamp(again, env.stamp)
		if !bytes.Equal(b, again) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

func FuzzNote(f *testing.F) {
	f.Add(Note([]uint64{1, 2, 3}, []uint64{4}, 5, 6))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := parseNote(b)
		if err != nil {
			return
		}
		n2, err := parseNote(n.append(nil))
		if err != nil || n2.term != n.term || n2.stamp != n.stamp || !proto.Equal(n2.conf, n.conf) {
			t.Errorf("%x became %+v and then %+v, %v", b, n, n2, err)
		}
	})
}

func FuzzScan(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 1}, true)
	f.Fuzz(func(t *testing.T, b []byte, isLog bool) {
		s := chunkScan{data: b, isLog: isLog, number: 1}
		if at, proof, damaged := s.damage(); damaged && proof <= at {
			t.Errorf("%d proves damage at %d", proof, at)
		}
	})
}

func FuzzChange(f *testing.F) {
	e, err := sealChange(&raftpb.ConfChange{Type: raftpb.ConfChangeAddNode.Enum(), NodeId: new(uint64(3)), Context: []byte("x")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(e.GetData())
	f.Fuzz(func(t *testing.T, b []byte) {
		cc, err := parseChange(&raftpb.Entry{Type: raftpb.EntryConfChangeV2.Enum(), Data: b})
		if err != nil {
			return
		}
		conf := &raftpb.ConfState{Voters: []uint64{1, 2}, Learners: []uint64{3}}
		_ = checkChange(conf, cc) // must not panic
	})
}
