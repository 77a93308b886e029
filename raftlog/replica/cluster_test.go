package replica_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi/apitest"
	"keytree/raftlog/member"
	"keytree/raftlog/replica"
	"keytree/store"
)

// inCluster runs test with n members in a bubble.
func inCluster(t *testing.T, n int, test func(t *testing.T, c *apitest.Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, apitest.Open(t, n, nil)) })
}

func keyOf(name string) store.Path { return store.ParsePath(store.Keys, name) }

func mustSet(t *testing.T, m *apitest.Member, name, value string, ttl time.Duration) store.Index {
	t.Helper()
	c := store.Command{Op: store.Set, Path: keyOf(name), Value: value, Expires: ttl != 0, TTL: ttl}
	result, err := m.Do(t.Context(), c)
	if err := errors.Join(err, result.Err); err != nil {
		t.Fatalf("%s: set %s: %v", m.Name, name, err)
	}
	return result.Index
}

// mustSetMany sets n keys, many at a time, a tenth of them with a lifetime.
func mustSetMany(t *testing.T, m *apitest.Member, prefix string, n int) {
	t.Helper()
	var wg sync.WaitGroup
	for worker := range 64 {
		wg.Go(func() {
			for i := worker; i < n; i += 64 {
				c := store.Command{Op: store.Set, Path: keyOf(fmt.Sprintf("/%s/%d/%d", prefix, i%50, i)), Value: fmt.Sprint(i)}
				if i%10 == 0 {
					c.Expires, c.TTL = true, time.Hour
				}
				if _, err := m.Do(t.Context(), c); err != nil {
					t.Errorf("%s: %v", m.Name, err)
				}
			}
		})
	}
	wg.Wait()
}

// mustAgree waits until all running members stand at the same position, and
// compares everything they have.
func mustAgree(t *testing.T, c *apitest.Cluster) {
	t.Helper()
	want := ""
	for _, m := range c.Members {
		if !m.Running() {
			continue
		}
		if err := m.Barrier(t.Context()); err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
	}
	time.Sleep(time.Second)
	for _, m := range c.Members {
		if !m.Running() {
			continue
		}
		got, err := m.Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s has another tree than the first member: %+v", m.Name, m.Status())
		}
	}
}

func mustChange(t *testing.T, at *apitest.Member, c member.Change) member.Member {
	t.Helper()
	m, err := at.ChangeMember(t.Context(), c)
	if err != nil {
		t.Fatalf("%s: change %+v: %v", at.Name, c, err)
	}
	return m
}

func awaitVoters(t *testing.T, m *apitest.Member, want int) {
	t.Helper()
	for range 600 {
		if voters, learners := m.Voting(); voters == want && learners == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	voters, learners := m.Voting()
	t.Fatalf("%s counts %d voters and %d learners, want %d voters", m.Name, voters, learners, want)
}

// settled is how long members must be connected for the strict check.
const settled = 6 * time.Second

// A member that was away while the log was truncated gets all of the tree in
// one piece, while writes go on.
func TestAMemberThatFellBehindGetsASnapshot(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		away := c.Follower(0)
		stood := away.Status().LastPosition
		away.Stop()
		leader := c.Leader()
		mustSetMany(t, leader, "a", 7000)
		mustSet(t, leader, "/gone", "1", 0)
		if result, err := leader.Do(t.Context(), store.Command{Op: store.Delete, Path: keyOf("/gone")}); err != nil || result.Err != nil {
			t.Fatal(err, result.Err)
		}
		time.Sleep(5 * time.Second) // the tree is flushed, then the log can be truncated
		mustSetMany(t, leader, "b", 1100)
		if first := leader.Status().FirstPosition; first <= stood {
			t.Fatalf("the log still goes back to %d: no snapshot would be needed", first)
		}
		away.Start()
		mustSetMany(t, leader, "c", 500)
		away.AwaitReady()
		mustAgree(t, c)
	})
}

// One that joins with nothing learns first, and votes once it has caught up.
func TestAMemberJoinsALoneOneWithoutCostingItsQuorum(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		first := c.Members[0]
		mustSetMany(t, first, "a", 200)
		added := mustChange(t, first, member.Change{Op: member.Add, PeerURLs: []string{"http://127.0.0.1:21531"}})
		start := time.Now()
		mustSet(t, first, "/still", "writable", 0)
		if took := time.Since(start); took > time.Second {
			t.Errorf("a write took %v while the added member was not there", took)
		}
		second := c.Join(added, "c9", "http://127.0.0.1:21539")
		second.AwaitReady()
		awaitVoters(t, first, 2)
		mustSet(t, second, "/from", "the new one", 0)
		mustAgree(t, c)

		// Alone it cannot go on now: two have to agree.
		second.Stop()
		if _, err := first.Do(t.Context(), store.Command{Op: store.Set, Path: keyOf("/x")}); err == nil {
			t.Error("one of two members accepts a write")
		}
		second.Start()
		second.AwaitReady()
		mustSet(t, second, "/y", "1", 0)
		mustAgree(t, c)
	})
}

// A leader that is removed hands over first, ends, and nobody waits for an
// election.
func TestARemovedLeaderHandsOverAndEnds(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		time.Sleep(settled)
		leader, other := c.Leader(), c.Follower(0)
		id := leader.Self()
		start := time.Now()
		mustChange(t, leader, member.Change{Op: member.Remove, ID: id})
		leader.AwaitRemoval()
		mustSet(t, other, "/a", "1", 0)
		if took := time.Since(start); took > 900*time.Millisecond {
			t.Errorf("removing the leader took %v", took)
		}
		awaitVoters(t, other, 2)
		if _, err := other.ChangeMember(t.Context(), member.Change{Op: member.Remove, ID: id}); !errors.Is(err, member.ErrRemoved) {
			t.Errorf("removing it again: %v", err)
		}
		mustAgree(t, c)

		// On its old directory it learns the same again, and ends.
		leader.Start()
		leader.AwaitRemoval()
	})
}

// A member that was away while it was removed is told when it comes back.
func TestAMemberRemovedWhileAwayIsTold(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		time.Sleep(settled)
		away := c.Follower(1)
		id := away.Self()
		away.Stop()
		mustChange(t, c.Leader(), member.Change{Op: member.Remove, ID: id})
		awaitVoters(t, c.Leader(), 2)
		away.Start()
		away.AwaitRemoval()

		// Wiped and added again it is another member.
		time.Sleep(settled)
		added := mustChange(t, c.Leader(), member.Change{Op: member.Add, PeerURLs: []string{away.PeerURL}})
		if added.ID == id {
			t.Errorf("the id %v is used again", id)
		}
		again := c.Join(added, "again", away.ClientURL)
		again.AwaitReady()
		awaitVoters(t, c.Leader(), 3)
		mustAgree(t, c)
	})
}

// Adding and removing under load leaves every member with the same tree.
func TestMembersComeAndGoUnderLoad(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		time.Sleep(settled)
		for round := range 3 {
			writers := c.Follower(0)
			done := make(chan struct{})
			go func() {
				defer close(done)
				mustSetMany(t, writers, fmt.Sprint("r", round), 600)
			}()
			added := mustChange(t, c.Leader(), member.Change{Op: member.Add, PeerURLs: []string{fmt.Sprintf("http://127.0.0.1:2154%d", round)}})
			fresh := c.Join(added, fmt.Sprint("x", round), fmt.Sprintf("http://127.0.0.1:2155%d", round))
			fresh.AwaitReady()
			awaitVoters(t, c.Leader(), 4)
			<-done
			time.Sleep(settled)
			old := c.Leader()
			mustChange(t, c.Follower(0), member.Change{Op: member.Remove, ID: old.Self()})
			old.AwaitRemoval()
			awaitVoters(t, c.Leader(), 3)
			mustAgree(t, c)
			time.Sleep(settled)
		}
	})
}

// The one survivor of three goes on alone, with everything, when told to; the
// others are left behind for ever.
func TestASurvivorIsForcedToGoOnAlone(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		mustSetMany(t, c.Leader(), "a", 100)
		mustAgree(t, c)
		survivor := c.Follower(0)
		id := survivor.Self()
		for _, m := range c.Members {
			m.Stop()
		}
		survivor.Configure(func(c *replica.Config) { c.ForceNew = true })
		survivor.Start()
		survivor.AwaitReady()
		if got := survivor.Members(); len(got) != 1 || got[0].ID != id {
			t.Errorf("the members are %v", got)
		}
		mustSet(t, survivor, "/alone", "1", 0)
		if n, _, err := survivor.Get(keyOf("/a/0/0")); err != nil || n.Value != "0" {
			t.Errorf("what was there before: %+v, %v", n, err)
		}
		survivor.Stop()
		survivor.Configure(func(c *replica.Config) { c.ForceNew = false })
		survivor.Start()
		survivor.AwaitReady()
		mustSet(t, survivor, "/alone", "2", 0)
		for _, m := range c.Members {
			if m != survivor {
				m.Start()
				m.AwaitRemoval()
			}
		}
	})
}

// Lives are told by the log's clock: not early and hardly late, whoever leads
// and whatever wall clocks say.
func TestLivesEndOnTimeAcrossLeadersWithOtherClocks(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		for i, off := range []time.Duration{time.Hour, 0, -time.Hour} {
			m := c.Members[i]
			m.Stop()
			m.Configure(func(c *replica.Config) { c.Now = func() time.Time { return time.Now().Add(off) } })
			m.Start()
			m.AwaitReady()
		}
		for round := range 6 {
			const life = 10 * time.Second
			leader, other := c.Leader(), c.Follower(round%2)
			name := fmt.Sprint("/life", round)
			set := time.Now()
			w, err := other.Watch(keyOf(name), store.WatchOptions{Since: mustSet(t, leader, name, "v", life) + 1})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
			stopped := time.Now()
			leader.Kill()
			c.Leader()
			outage := time.Since(stopped)
			select {
			case <-w.Ready():
			case <-time.After(time.Minute):
				t.Fatalf("round %d: the key does not end", round)
			}
			if took := time.Since(set); took < life || took > life+time.Second+outage {
				t.Errorf("round %d: a life of %v ended after %v, with an outage of %v", round, life, took, outage)
			}
			w.Close()
			leader.Start()
			leader.AwaitReady()
		}
	})
}

// What a member has shown it shows again after a power cut, although its own
// disk was never told that so much was committed.
func TestAMemberThatComesBackShowsNoOlderTree(t *testing.T) {
	for _, away := range []bool{false, true} {
		inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
			m := c.Follower(0)
			var shown store.Index
			for i := range 20 {
				shown = mustSet(t, c.Leader(), "/a", fmt.Sprint(i), 0)
			}
			if err := m.Barrier(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.Crash()
			if away {
				m.Isolate()
			}
			began := time.Now()
			m.Start()
			before := m.Status().Commit
			select {
			case <-m.Current():
			case <-time.After(time.Minute):
				t.Fatalf("it shows nothing: %+v", m.Status())
			}
			_, index, err := m.Get(keyOf("/a"))
			if err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			if !away && (index < shown || took > time.Second) {
				t.Errorf("it shows index %d after %v and has shown %d; its disk said position %d", index, took, shown, before)
			}
			if away && took < time.Second {
				t.Errorf("cut off, it shows index %d at once and had shown %d", index, shown)
			}
		})
	}
}
