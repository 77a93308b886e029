package replica_test

import (
	"testing"
	"time"

	"keytree/httpapi/apitest"
	"keytree/raftlog/member"
)

// A handover may come to nothing: then the removed leader tries again, and
// does not lead for ever.
func TestARemovedLeaderWhoseHandoverFailsTriesAgain(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		time.Sleep(settled)
		leader, near, far := c.Leader(), c.Follower(0), c.Follower(1)
		c.Cut(leader, far) // so that near is the one to hand over to
		done := make(chan error, 1)
		go func() {
			_, err := near.ChangeMember(t.Context(), member.Change{Op: member.Remove, ID: leader.Self()})
			done <- err
		}()
		for len(leader.Members()) == 3 {
			time.Sleep(20 * time.Microsecond)
		}
		c.Heal()
		c.Cut(leader, near)
		time.Sleep(900 * time.Millisecond)
		if !leader.Leads() {
			t.Fatal("the handover was not prevented")
		}
		time.Sleep(2 * time.Second)
		c.Heal()
		time.Sleep(5 * time.Second)
		if leader.Leads() {
			t.Fatalf("it leads on: %+v", leader.Status())
		}
		leader.AwaitRemoval()
		if err := <-done; err != nil {
			t.Error(err)
		}
		awaitVoters(t, near, 2)
		mustAgree(t, c)
	})
}
