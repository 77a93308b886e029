package replica_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"keytree/httpapi/apitest"
	"keytree/raftlog/member"
	"keytree/raftlog/replica"
	"keytree/store"
)

func as(role member.Role) func(*replica.Config) {
	return func(c *replica.Config) { c.Role = role }
}

// restartAs stops m and starts it in another role, or in no particular one.
func restartAs(m *apitest.Member, role member.Role) {
	m.Stop()
	m.Configure(as(role))
	m.Start()
	m.AwaitReady()
}

// mustJoinAsLearner adds a member to c and starts it. From then on voters must
// be all that vote, at every moment.
func mustJoinAsLearner(t *testing.T, c *apitest.Cluster, voters int) *apitest.Member {
	t.Helper()
	port := 21600 + 2*len(c.Members)
	added := mustChange(t, c.Leader(), member.Change{Op: member.Add, PeerURLs: []string{fmt.Sprintf("http://127.0.0.1:%d", port)}})
	m := c.Join(added, fmt.Sprint("reader", port), fmt.Sprintf("http://127.0.0.1:%d", port+1), as(member.Learner))
	leader, stop, ended := c.Leader(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			for _, at := range []*apitest.Member{leader, m} {
				if n, _ := at.Voting(); n > voters {
					t.Errorf("%s counts %d voters, want %d at any time", at.Name, n, voters)
					return
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	}()
	m.AwaitReady()
	time.Sleep(settled)
	close(stop)
	<-ended
	return m
}

// mustCount waits until m counts so many of each.
func mustCount(t *testing.T, m *apitest.Member, voters, learners int) {
	t.Helper()
	v, l := m.Voting()
	for end := time.Now().Add(time.Minute); (v != voters || l != learners) && time.Now().Before(end); v, l = m.Voting() {
		time.Sleep(10 * time.Millisecond)
	}
	if v != voters || l != learners {
		t.Fatalf("%s counts %d voters and %d learners, want %d and %d", m.Name, v, l, voters, learners)
	}
}

func mustRead(t *testing.T, m *apitest.Member, name, want string) {
	t.Helper()
	if n, _, err := m.Get(keyOf(name)); err != nil || n.Value != want {
		t.Errorf("%s has %q at %s, %v, want %q", m.Name, n.Value, name, err, want)
	}
}

func learners(m *apitest.Member) (names []string) {
	for _, one := range m.Members() {
		if one.Learner {
			names = append(names, one.Name)
		}
	}
	return names
}

func TestALearnerServesAndNeverVotes(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		time.Sleep(settled)
		mustSetMany(t, c.Leader(), "a", 300)
		founders := c.Members[:3]
		reader := mustJoinAsLearner(t, c, 3)
		mustCount(t, reader, 3, 1)
		for _, m := range c.Members {
			if got := fmt.Sprint(learners(m)); got != "["+reader.Name+"]" {
				t.Errorf("%s lists as learners %v", m.Name, got)
			}
		}

		// Whatever is asked of it works: writes and barriers go to the leader.
		w, err := reader.Watch(keyOf("/from"), store.WatchOptions{Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		mustSet(t, reader, "/from", "the learner", 0)
		mustSet(t, c.Leader(), "/from", "the leader", 0)
		if err := reader.Barrier(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustRead(t, reader, "/from", "the leader")
		<-w.Ready()
		if events, live := w.Take(); !live || len(events) != 2 {
			t.Errorf("its watcher got %d events, alive: %v, want 2", len(events), live)
		}
		mustAgree(t, c)

		// Two of the three voters die: it cannot stand in for one.
		dead := []*apitest.Member{c.Leader(), c.Follower(0)}
		if dead[1] == reader {
			dead[1] = c.Follower(1)
		}
		for _, m := range dead {
			m.Kill()
		}
		time.Sleep(3 * time.Second)
		term := reader.Status().Term
		time.Sleep(time.Minute)
		for _, m := range c.Members {
			if m.Running() && (m.Leads() || m.Status().Leader != 0) {
				t.Errorf("%s knows a leader without a quorum of voters: %+v", m.Name, m.Status())
			}
		}
		if s := reader.Status(); s.Term != term {
			t.Errorf("the learner came from term %d to %d", term, s.Term)
		}
		mustRead(t, reader, "/from", "the leader")
		if _, err := reader.Do(t.Context(), store.Command{Op: store.Set, Path: keyOf("/x")}); err == nil {
			t.Error("a write was done by one voter and a learner")
		}

		// One voter more is a quorum, with or without the learner.
		reader.Stop()
		dead[0].Start()
		dead[0].AwaitReady()
		mustSet(t, dead[0], "/from", "the voters", 0)
		reader.Start()
		reader.AwaitReady()
		mustRead(t, reader, "/from", "the voters")
		dead[1].Start()
		dead[1].AwaitReady()
		mustAgree(t, c)
		for _, m := range founders {
			mustCount(t, m, 3, 1)
		}
	})
}

// A leader that has lost its quorum stands down, and nobody says so to those
// who do not vote.
func TestALearnerForgetsALeaderThatHasStoodDown(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		time.Sleep(settled)
		reader, leader := mustJoinAsLearner(t, c, 3), c.Leader()
		time.Sleep(time.Minute)
		if reader.Status().Leader != uint64(leader.Self()) {
			t.Errorf("in a quiet cluster it has forgotten the leader: %+v", reader.Status())
		}
		var dead []*apitest.Member
		for _, m := range c.Members[:3] {
			if m != leader {
				m.Kill()
				dead = append(dead, m)
			}
		}
		time.Sleep(5 * time.Second)
		for _, m := range []*apitest.Member{leader, reader} {
			if m.Status().Leader != 0 {
				t.Errorf("%s still knows a leader: %+v", m.Name, m.Status())
			}
		}
		dead[0].Start()
		dead[0].AwaitReady()
		mustSet(t, reader, "/a", "1", 0)
		mustRead(t, dead[0], "/a", "1")
	})
}

// With a lone voter, a learner must not become the second whose word is needed.
func TestALearnerBesideALoneVoterIsNotNeeded(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		reader := mustJoinAsLearner(t, c, 1)
		reader.Kill()
		start := time.Now()
		mustSet(t, c.Members[0], "/a", "1", 0)
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("a write without the learner took %v", took)
		}
		c.Members[0].Stop()
		reader.Start()
		time.Sleep(time.Minute)
		if reader.Leads() || reader.Status().Leader != 0 {
			t.Errorf("the learner knows a leader: %+v", reader.Status())
		}
		c.Members[0].Start()
		reader.AwaitReady()
		mustAgree(t, c)
	})
}

func TestALearnerThatFellBehindGetsASnapshot(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		reader, leader := mustJoinAsLearner(t, c, 1), c.Leader()
		stood := reader.Status().LastPosition
		reader.Stop()
		mustSetMany(t, leader, "a", 7000)
		time.Sleep(5 * time.Second) // the tree is flushed, then the log can be truncated
		mustSetMany(t, leader, "b", 1100)
		if first := leader.Status().FirstPosition; first <= stood {
			t.Fatalf("the log still goes back to %d: no snapshot would be needed", first)
		}
		reader.Start()
		reader.AwaitReady()
		mustAgree(t, c)
		mustCount(t, reader, 1, 1)
	})
}

// Who restarts a learner without a word about roles gets a learner; with the
// word it votes, and gives its vote up again.
func TestARoleStaysUntilAnotherIsAskedFor(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		time.Sleep(settled)
		reader := mustJoinAsLearner(t, c, 3)
		for _, role := range []member.Role{"", member.Learner} {
			restartAs(reader, role)
			time.Sleep(settled)
			mustCount(t, c.Leader(), 3, 1)
		}
		restartAs(reader, member.Voter)
		mustCount(t, c.Leader(), 4, 0)
		restartAs(reader, "")
		mustCount(t, c.Leader(), 4, 0)
		if list := learners(c.Leader()); len(list) > 0 {
			t.Errorf("learners are %v", list)
		}
		restartAs(reader, member.Learner)
		mustCount(t, c.Leader(), 3, 1)
		mustAgree(t, c)
	})
}

// A voter gives its vote up only when the others can agree without it.
func TestAVoteThatIsNeededIsKept(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		away, leader := c.Follower(0), c.Leader()
		other := c.Follower(1)
		away.Kill()
		restartAs(other, member.Learner)
		time.Sleep(time.Minute)
		mustCount(t, leader, 3, 0)
		mustSet(t, other, "/a", "1", 0)

		away.Start()
		away.AwaitReady()
		mustCount(t, leader, 2, 1)
		mustAgree(t, c)

		// Nor does one that is cut off while it still thinks that it votes.
		other.Isolate()
		mustSet(t, leader, "/a", "2", 0)
		c.Heal()
		mustAgree(t, c)
	})
}

// Even the leader may become a learner, but for the last voter.
func TestTheLastVoterCannotBecomeALearner(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *apitest.Cluster) {
		first, second := c.Leader(), c.Follower(0)
		restartAs(first, member.Learner)
		mustCount(t, second, 1, 1)
		second.Stop()
		second.Configure(as(member.Learner))
		second.Start()
		second.AwaitEnd(member.ErrLastVoter)

		second.Configure(as(""))
		second.Start()
		second.AwaitReady()
		mustSet(t, first, "/a", "1", 0)
		mustCount(t, second, 1, 1)
		mustAgree(t, c)
	})
}

// The strict check counts those who vote: a learner may come when another is
// away, and go at any time.
func TestALearnerIsRemovedWithoutCaution(t *testing.T) {
	inCluster(t, 2, func(t *testing.T, c *apitest.Cluster) {
		time.Sleep(settled)
		reader, second := mustJoinAsLearner(t, c, 2), mustJoinAsLearner(t, c, 2)
		second.Stop()
		third := mustJoinAsLearner(t, c, 2)
		mustChange(t, third, member.Change{Op: member.Remove, ID: reader.Self()})
		reader.AwaitRemoval()
		mustChange(t, third, member.Change{Op: member.Remove, ID: second.Replica.Self()})
		mustCount(t, third, 2, 1)
		if _, err := third.ChangeMember(t.Context(), member.Change{Op: member.Remove, ID: reader.Self()}); !errors.Is(err, member.ErrRemoved) {
			t.Errorf("removing it again: %v", err)
		}
		time.Sleep(settled)
		mustChange(t, c.Leader(), member.Change{Op: member.Remove, ID: third.Self()})
		third.AwaitRemoval()
	})
}

// When the voters are lost for ever, a learner has all the data there is.
func TestALearnerCanBeForcedToGoOnAlone(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		mustSetMany(t, c.Leader(), "a", 100)
		reader := mustJoinAsLearner(t, c, 1)
		mustAgree(t, c)
		c.Members[0].Kill()
		reader.Stop()
		reader.Configure(func(c *replica.Config) { c.ForceNew, c.Role = true, "" })
		reader.Start()
		reader.AwaitReady()
		mustSet(t, reader, "/alone", "1", 0)
		mustCount(t, reader, 1, 0)
		if list := learners(reader); len(list) > 0 || len(reader.Members()) != 1 {
			t.Errorf("the members are %v", reader.Members())
		}
		reader.Configure(func(c *replica.Config) { c.ForceNew = false })
		restartAs(reader, "")
		mustRead(t, reader, "/a/0/0", "0")
		mustSet(t, reader, "/alone", "2", 0)
	})
}
