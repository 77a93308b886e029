package raftlog

import (
	"testing"
	"testing/synctest"
	"time"
)

// The survivor of a cluster goes on alone, with all it had, and with what it
// was told to propose first.
func TestASeizedLogGoesOnAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 9, nil)
		var acked []uint64
		for range 20 {
			if id, ok := c.propose(c.members[2], 20*time.Second); ok {
				acked = append(acked, id)
			}
		}
		c.settle()
		c.stopAll()
		survivor := c.members[2]
		c.members = map[uint64]*member{2: survivor}
		if err := Seize(survivor.config, [][]byte{sealed("the others are gone")}); err != nil {
			t.Fatal(err)
		}
		c.start(2)
		defer c.stopAll()
		id, ok := c.propose(survivor, 5*time.Second)
		if !ok {
			t.Fatal("the survivor does not answer")
		}
		c.check(append(acked, id))
		facts := survivor.machine.facts()
		found := false
		for _, f := range facts {
			if f.Refused {
				t.Errorf("refused: %+v", f)
			}
			found = found || f.Data == "the others are gone"
		}
		if !found {
			t.Error("the proposal made while seizing was not applied")
		}
		voters, learners, err := Membership(survivor.machine.now.Note)
		if err != nil || len(voters) != 1 || voters[0] != 2 || len(learners) != 0 {
			t.Errorf("voters %v, learners %v, %v", voters, learners, err)
		}
	})
}
