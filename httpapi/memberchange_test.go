package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Adding a member that never comes costs no quorum: it does not vote yet. etcd
// would stand still here.
func TestAddingAMemberCostsNoQuorum(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.addMember("http://127.0.0.1:21383")
		time.Sleep(5 * time.Second)
		b.put("/v2/keys/a", "value=1").wantIn(t, 201, `"modifiedIndex":5`)
		if a := b.get("/v2/members/leader"); a.status != 200 {
			t.Errorf("the leader: %v", a)
		}
		if a := b.get("/health"); a.status != 200 {
			t.Errorf("health: %v", a)
		}
	})
}

// A member's life: added, started, moved, removed. Each step moves the index
// by what it moves etcd's.
func TestAMemberIsAddedStartedMovedAndRemoved(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		time.Sleep(connected)
		step := func(what string, index int) {
			t.Helper()
			b.settle()
			for _, m := range b.each() {
				if got := m.get("/v2/keys").headers.Get("X-Etcd-Index"); got != fmt.Sprint(index) {
					t.Errorf("%s, %s: index %s, want %d", what, m.name(), got, index)
				}
			}
		}
		step("fresh", 7)
		asked := b.at("follower")
		added := asked.addMember("http://127.0.0.1:21524")
		step("added", 8)
		joined := b.members.Join(added, "c4", "http://127.0.0.1:21514")
		joined.AwaitReady()
		step("started", 9)
		listed := fmt.Sprintf(`{"id":"%v","name":"c4","peerURLs":["http://127.0.0.1:21524"],"clientURLs":["http://127.0.0.1:21514"]}`, added.ID)
		if a := b.of(joined).get("/v2/members"); !strings.Contains(a.body, listed) || strings.Count(a.body, `"id"`) != 4 {
			t.Errorf("once started: %v", a)
		}
		asked.changeMember("PUT", added.ID.String(), "http://127.0.0.1:21534", 204)
		step("moved", 10)
		asked.changeMember("PUT", added.ID.String(), "http://127.0.0.1:21534", 204)
		step("moved nowhere", 11)

		asked.changeMember("DELETE", added.ID.String(), "", 204)
		joined.AwaitRemoval()
		step("removed", 13)
		asked.changeMember("DELETE", added.ID.String(), "", 410).wantMessage(t, 410, "Member permanently removed: "+added.ID.String())
		asked.changeMember("PUT", added.ID.String(), "http://127.0.0.1:21535", 500)
		if a := asked.get("/v2/members"); strings.Count(a.body, `"id"`) != 3 {
			t.Errorf("afterwards: %v", a)
		}
		joined.Start() // on its old disk
		joined.AwaitRemoval()
		step("started again", 13)
	})
}

// A member that lost its disk is removed and added anew, under another ID.
func TestAWipedMemberIsReplaced(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		b.at("leader").put("/v2/keys/a", "value=1")
		wiped := b.members.Follower(1)
		wiped.Stop()
		b.at("leader").changeMember("DELETE", wiped.Self().String(), "", 204)
		time.Sleep(connected)
		again := b.members.Join(b.at("leader").addMember(wiped.PeerURL), wiped.Name, wiped.ClientURL)
		again.AwaitReady()
		time.Sleep(time.Second) // it votes a moment after it has caught up
		if again.Self() == wiped.Self() {
			t.Errorf("it is called %v again", again.Self())
		}
		b.of(again).get("/v2/keys/a").wantIn(t, 200, `"value":"1"`)
		b.roles["leader"].Kill() // the new one counts
		b.of(again).put("/v2/keys/a", "value=2").wantIn(t, 200, `"value":"2"`)
	})
}

// A leader that is removed hands over, and ends.
func TestTheLeaderCanBeRemoved(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		time.Sleep(connected)
		leader := b.roles["leader"]
		b.at("leader").changeMember("DELETE", leader.Self().String(), "", 204)
		leader.AwaitRemoval()
		b.at("follower").put("/v2/keys/a", "value=1").wantIn(t, 201, `"value":"1"`)
		if now := b.members.Leader(); now == leader || now.Self() == leader.Self() {
			t.Errorf("%s still leads", now.Name)
		}
	})
}

// The strict check: a member counts once it has started and been connected
// for a while.
func TestAChangeThatEndangersTheQuorumIsRefused(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		const url = "http://127.0.0.1:21524"
		asked := b.at("leader")
		asked.changeMember("POST", "", url, 500) // just connected
		time.Sleep(connected)
		asked.addMember(url)
		asked.changeMember("POST", "", "http://127.0.0.1:21525", 500) // that one has not started
		b.roles["follower"].Stop()
		asked.changeMember("DELETE", b.members.Follower(0).Self().String(), "", 500) // two of three would be away
		asked.changeMember("DELETE", b.roles["follower"].Self().String(), "", 204)   // that helps
	})
}
