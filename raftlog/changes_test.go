package raftlog

import (
	"slices"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// Changes of the membership are carried out in the order they came in: the
// second may undo the first.
func TestChangesThatWaitAreNotOvertaken(t *testing.T) {
	s := newScript(t, 3)
	leader := s.nodes[1]
	propose := func(id uint64, from uint64) {
		e, err := sealChange(oneChange(raftpb.ConfChangeAddLearnerNode, id))
		if err != nil {
			t.Fatal(err)
		}
		if from == 1 {
			leader.core.proposeChange(t.Context(), e)
			return
		}
		leader.core.step(incoming{m: &raftpb.Message{
			Type: raftpb.MsgProp.Enum(), From: new(from), To: new(uint64(1)), LogTerm: new(leader.core.term), Entries: []*raftpb.Entry{e},
		}})
	}
	propose(4, 1)
	w := mustReady(t, leader)
	s.wire = append(s.wire, w.send...)
	s.write(t, leader, w.append)
	propose(5, 2) // waits for the first
	s.settle(t)   // the first is applied
	propose(6, 1)
	for range 5 {
		s.settle(t)
		leader.core.tick()
	}
	s.settle(t)
	var got []string
	for _, f := range leader.machine.facts() {
		if f.Change != "" {
			got = append(got, f.Change)
		}
	}
	want := []string{"ConfChangeAddLearnerNode(4)", "ConfChangeAddLearnerNode(5)", "ConfChangeAddLearnerNode(6)"}
	if !slices.Equal(got, want) {
		t.Errorf("the order is %v, want %v", got, want)
	}
}

// A change that was lost with its leader holds up no other.
func TestALostChangeHoldsUpNoOther(t *testing.T) {
	s := newScript(t, 3)
	s.cut[1] = true
	s.say(t, 1, 20)
	lost, err := sealChange(oneChange(raftpb.ConfChangeAddLearnerNode, 4))
	if err != nil {
		t.Fatal(err)
	}
	s.nodes[1].core.proposeChange(t.Context(), lost)
	s.settle(t)
	if err := s.nodes[2].core.raw.ForgetLeader(); err != nil {
		t.Fatal(err)
	}
	if err := s.nodes[3].core.raw.ForgetLeader(); err != nil {
		t.Fatal(err)
	}
	if err := s.nodes[2].core.raw.Campaign(); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	s.cut[1] = false
	for range 5 {
		for _, n := range s.nodes {
			n.core.tick()
		}
		s.settle(t)
	}
	s.nodes[2].core.raw.TransferLeader(1)
	s.settle(t)
	if !s.nodes[1].core.leading() {
		t.Fatal("1 does not lead")
	}
	e, err := sealChange(oneChange(raftpb.ConfChangeAddLearnerNode, 5))
	if err != nil {
		t.Fatal(err)
	}
	s.nodes[1].core.proposeChange(t.Context(), e)
	for range 20 {
		for _, n := range s.nodes {
			n.core.tick()
		}
		s.settle(t)
	}
	if got := s.nodes[3].core.conf.GetLearners(); !slices.Equal(got, []uint64{5}) {
		t.Errorf("the learners are %v, want 5", got)
	}
}
