package apitest

import (
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog/member"
	"keytree/store"
)

// inBubble runs test against a cluster of n members that serve their names.
func inBubble(t *testing.T, n int, test func(t *testing.T, c *Cluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		names := func(m *Member) Servers {
			return Servers{
				Clients: &http.Server{Handler: say(m.Name)},
				Peers:   &http.Server{Handler: say("peer " + m.Name)},
			}
		}
		test(t, Open(t, n, names))
	})
}

func say(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

var key = store.ParsePath(store.Keys, "/a")

// mustSet sets the key through m.
func mustSet(t *testing.T, m *Member, value string) {
	t.Helper()
	if _, err := m.Do(t.Context(), store.Command{Op: store.Set, Path: key, Value: value}); err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
}

// want fails the test unless m has value, or comes to have it within a second.
func want(t *testing.T, m *Member, value string) {
	t.Helper()
	time.Sleep(time.Second)
	if n, _, err := m.Get(key); err != nil || n.Value != value {
		t.Errorf("%s has %q, %v, want %q", m.Name, n.Value, err, value)
	}
}

func TestMembersAreThoseOfTheRecordings(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, c *Cluster) {
		for i, id := range []string{"b44f2a61405e0ed7", "15e6a73f0eabd940", "d6002d6dd81aaeb7"} {
			m := c.Members[i]
			if m.Self().String() != id || m.ClusterID().String() != "a2074287aa4113f" {
				t.Errorf("%s is %v in %v", m.Name, m.Self(), m.ClusterID())
			}
		}
	})
}

func TestAMemberThatWasStoppedGoesOnWithItsDisk(t *testing.T) {
	for name, end := range map[string]func(*Member){"stopped": (*Member).Stop, "killed": (*Member).Kill} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, func(t *testing.T, c *Cluster) {
				m := c.Follower(1)
				mustSet(t, m, "1")
				end(m)
				if m.Running() || c.Follower(0) == m {
					t.Error("it still runs")
				}
				mustSet(t, c.Leader(), "2")
				m.Start()
				m.AwaitReady()
				want(t, m, "2")
			})
		})
	}
}

func TestACutStopsMessagesUntilItHeals(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, c *Cluster) {
		leader, near, far := c.Leader(), c.Follower(0), c.Follower(1)
		link := c.network.link(leader.id)
		time.Sleep(time.Minute)
		if since := link.Connected(far.id); time.Since(since) < time.Minute {
			t.Errorf("connected since %v", since)
		}
		far.Isolate()
		mustSet(t, leader, "1")
		want(t, near, "1")
		if _, _, err := far.Get(key); err == nil {
			t.Error("a member that is cut off got the key")
		}
		if since := link.Connected(far.id); !since.IsZero() {
			t.Errorf("while it is cut off it is connected since %v", since)
		}
		c.Heal()
		if since := link.Connected(far.id); time.Since(since) != 0 {
			t.Errorf("connected again %v ago", time.Since(since))
		}
		want(t, far, "1")
	})
}

// A member that one other still hears loses nothing.
func TestACutBetweenTwoFollowersHarmsNobody(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, c *Cluster) {
		a, b := c.Follower(0), c.Follower(1)
		leader := c.Leader()
		c.Cut(a, b)
		time.Sleep(time.Minute)
		mustSet(t, a, "1")
		want(t, b, "1")
		if now := c.Leader(); now != leader {
			t.Errorf("%s leads in place of %s", now.Name, leader.Name)
		}
	})
}

// What a member has missed for long comes as a snapshot.
func TestAJoiningMemberGetsASnapshot(t *testing.T) {
	inBubble(t, 1, func(t *testing.T, c *Cluster) {
		for range 10 {
			mustSet(t, c.Leader(), "1")
		}
		added, err := c.Leader().ChangeMember(t.Context(), member.Change{Op: member.Add, PeerURLs: []string{"http://127.0.0.1:21390"}})
		if err != nil {
			t.Fatal(err)
		}
		joined := c.Join(added, "node2", "http://127.0.0.1:21389")
		joined.AwaitReady()
		want(t, joined, "1")
		if first := joined.Status().FirstPosition; first < 10 {
			t.Errorf("its log starts at %d", first)
		}
		time.Sleep(5 * time.Second)
		if _, err := c.Leader().ChangeMember(t.Context(), member.Change{Op: member.Remove, ID: added.ID}); err != nil {
			t.Fatal(err)
		}
		joined.AwaitRemoval()
	})
}

func TestMembersAreReachedAtTheirURLs(t *testing.T) {
	inBubble(t, 3, func(t *testing.T, c *Cluster) {
		client, m := c.Client(), c.Follower(0)
		for url, want := range map[string]string{m.ClientURL: m.Name, m.PeerURL + "/x": "peer " + m.Name} {
			r, err := client.Get(url)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r.Body)
			if err := errors.Join(err, r.Body.Close()); err != nil || string(text) != want {
				t.Errorf("%s says %q, %v, want %q", url, text, err, want)
			}
		}
		m.Stop()
		r, err := client.Get(m.ClientURL)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			if err == nil {
				_ = r.Body.Close()
			}
			t.Errorf("once it is stopped: %v", err)
		}
	})
}
