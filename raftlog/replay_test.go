package raftlog

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// A machine that is replayed comes to where the member stood, changes of the
// membership and the note included; it can be done again.
func TestAReplayBringsTheMachineToTheEndOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 9, nil)
		for range 20 {
			if _, ok := c.propose(c.members[2], 20*time.Second); !ok {
				t.Fatal("there is no answer")
			}
		}
		if err := c.members[1].log.ProposeChange(t.Context(), oneChange(raftpb.ConfChangeAddLearnerNode, 7)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		c.settle()
		c.stopAll()
		for id, m := range c.members {
			if _, learners, err := Membership(m.machine.now.Note); err != nil || len(learners) != 1 {
				t.Fatalf("member %d knows the learners %v, %v", id, learners, err)
			}
			was := fmt.Sprintf("%+v %x", m.machine.facts(), m.machine.now.Note)
			for range 2 {
				if err := Replay(m.config); err != nil {
					t.Fatal(err)
				}
				if is := fmt.Sprintf("%+v %x", m.machine.facts(), m.machine.now.Note); is != was {
					t.Errorf("the machine is at\n%s, was at\n%s", is, was)
				}
			}
			fresh := m.config
			machine := newFakeMachine(1, Note([]uint64{1, 2, 3}, nil, 1, 0))
			fresh.Machine = machine
			if err := Replay(fresh); err != nil {
				t.Fatal(err)
			}
			if is := fmt.Sprintf("%+v %x", machine.facts(), machine.now.Note); is != was {
				t.Errorf("a new machine is at\n%s, the old one at\n%s", is, was)
			}
		}
	})
}

func TestAReplayNeedsALog(t *testing.T) {
	c, _ := single(t, vfs.NewMem())
	c.Dir = "elsewhere"
	if err := Replay(c); !errors.Is(err, ErrNotBootstrapped) {
		t.Errorf("got %v", err)
	}
}

func TestARenotedMachineKeepsItsClock(t *testing.T) {
	note, term, stamp, err := Renote(Note([]uint64{1, 2, 3}, []uint64{4}, 7, 99), []uint64{5})
	if err != nil || term != 7 || stamp != 99 {
		t.Errorf("term %d, stamp %d, %v", term, stamp, err)
	}
	if voters, learners, err := Membership(note); err != nil || len(voters) != 1 || voters[0] != 5 || len(learners) != 0 {
		t.Errorf("voters %v, learners %v, %v", voters, learners, err)
	}
	if _, _, _, err := Renote(nil, []uint64{5}); err == nil {
		t.Error("a machine that never had a note got one")
	}
}
