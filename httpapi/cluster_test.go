package httpapi

import (
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog/member"
)

// clustered runs test against a fresh cluster of n members.
func clustered(t *testing.T, n int, test func(t *testing.T, b *bench)) {
	t.Helper()
	t.Parallel()
	onFronts(t, func(t *testing.T, over front) { test(t, newCluster(t, n, over)) })
}

// each is b speaking to each member that runs.
func (b *bench) each() (all []*bench) {
	for _, m := range b.members.Members {
		if m.Running() {
			all = append(all, b.of(m))
		}
	}
	return all
}

func (b *bench) name() string { return b.roles[""].Name }

// at is b speaking to who has role.
func (b *bench) at(role string) *bench { return b.of(b.roles[role]) }

// settle waits until all that was answered is applied everywhere.
func (b *bench) settle() {
	b.t.Helper()
	for _, m := range b.each() {
		if a := m.get("/v2/keys/?quorum=true"); a.status != 200 {
			b.t.Fatalf("%s does not settle: %v", m.name(), a)
		}
	}
}

// changeMember asks for a change and fails the test unless it gets status.
func (b *bench) changeMember(method, id, peerURL string, status int) *answer {
	b.t.Helper()
	a := b.do(method, "/v2/members/"+id, fmt.Sprintf(`{"peerURLs":[%q]}`, peerURL), jsonType)
	if a.status != status {
		b.t.Fatalf("%s of member %s: got %v, want %d", method, id, a, status)
	}
	return a
}

// addMember adds a member that lives at peerURL.
func (b *bench) addMember(peerURL string) member.Member {
	b.t.Helper()
	var added struct {
		ID       string
		PeerURLs []string
	}
	a := b.changeMember("POST", "", peerURL, 201)
	if err := json.Unmarshal([]byte(a.body), &added); err != nil {
		b.t.Fatal(err)
	}
	id, err := member.ParseID(added.ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return member.Member{ID: id, PeerURLs: added.PeerURLs}
}

// connected is how long members must have been connected before one may be
// added.
const connected = 5 * time.Second

// Founding N members takes 2N+1 steps of the index, on all of them; then the
// headers are the same everywhere, and true.
func TestEveryMemberTellsWhereTheClusterStands(t *testing.T) {
	for n, cluster := range map[int]string{1: "31c6e9f19e0fb0d9", 3: "a2074287aa4113f", 5: "42e624843ec0dfb8"} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			clustered(t, n, func(t *testing.T, b *bench) {
				b.settle()
				leader := b.members.Leader()
				position, term := leader.Progress()
				want := fmt.Sprintf("%s: index %d, position %d, term %d", cluster, 2*n+1, position, term)
				for _, m := range b.each() {
					h := m.get("/v2/keys").headers
					got := fmt.Sprintf("%s: index %s, position %s, term %s",
						h.Get("X-Etcd-Cluster-Id"), h.Get("X-Etcd-Index"), h.Get("X-Raft-Index"), h.Get("X-Raft-Term"))
					if got != want {
						t.Errorf("%s: %s, want %s", m.name(), got, want)
					}
				}
			})
		})
	}
}

func TestEveryMemberKnowsTheOthers(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		leader := b.roles["leader"]
		for _, m := range b.each() {
			if a := m.get("/v2/machines"); a.body != "http://127.0.0.1:21511, http://127.0.0.1:21512, http://127.0.0.1:21513" {
				t.Errorf("%s: machines %v", m.name(), a)
			}
			m.get("/v2/members/leader").want(t, 200, fmt.Sprintf(`{"id":"%v","name":"%s","peerURLs":["%s"],"clientURLs":["%s"]}`,
				leader.Self(), leader.Name, leader.PeerURL, leader.ClientURL))
			if a, b := m.get("/v2/members"), b.at("leader").get("/v2/members"); a.body != b.body {
				t.Errorf("%s lists %s, the leader %s", m.name(), a.body, b.body)
			}
		}
	})
}

func TestTheLeaderTellsHowItsFollowersFare(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		type follower struct {
			Latency struct{ Current, Average, Minimum, Maximum float64 }
			Counts  struct{ Fail, Success uint64 }
		}
		stats := func() (all struct {
			Leader    string
			Followers map[string]follower
		}) {
			if err := json.Unmarshal([]byte(b.at("leader").get("/v2/stats/leader").body), &all); err != nil {
				t.Fatal(err)
			}
			return all
		}
		b.at("leader").put("/v2/keys/a", "value=1")
		all := stats()
		if all.Leader != b.roles["leader"].Self().String() || len(all.Followers) != 2 {
			t.Errorf("got %+v", all)
		}
		for id, f := range all.Followers {
			if l := f.Latency; f.Counts.Success == 0 || f.Counts.Fail != 0 || l.Current <= 0 || l.Average <= 0 || l.Minimum <= 0 || l.Maximum > 100 {
				t.Errorf("follower %s: %+v", id, f)
			}
		}
		lost := b.roles["follower"]
		lost.Isolate()
		b.at("leader").put("/v2/keys/a", "value=2")
		synctest.Wait()
		if f := stats().Followers[lost.Self().String()]; f.Counts.Fail == 0 {
			t.Errorf("a follower that hears nothing: %+v", f)
		}
		if a := b.at("follower").get("/v2/stats/leader"); a.status != 403 || a.body != `{"message":"not current leader"}` {
			t.Errorf("a follower answers %v", a)
		}
	})
}

// selfStats is what a member tells of itself.
type selfStats struct {
	Name, ID, State string
	LeaderInfo      struct{ Leader, Uptime string }
	Received        uint64 `json:"recvAppendRequestCnt"`
	Sent            uint64 `json:"sendAppendRequestCnt"`
}

func (b *bench) selfStats() (s selfStats) {
	b.t.Helper()
	if err := json.Unmarshal([]byte(b.get("/v2/stats/self").body), &s); err != nil {
		b.t.Fatal(err)
	}
	return s
}

func TestEveryMemberKnowsItsOwnState(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		leader := b.members.Leader()
		for _, m := range b.each() {
			s, want := m.selfStats(), "StateFollower"
			if m.roles[""] == leader {
				want = "StateLeader"
			}
			if s.Name != m.name() || s.ID != m.roles[""].Self().String() || s.State != want || s.LeaderInfo.Leader != leader.Self().String() {
				t.Errorf("%s: %+v, want %s", m.name(), s, want)
			}
			if up, err := time.ParseDuration(s.LeaderInfo.Uptime); err != nil || up <= 0 {
				t.Errorf("%s: the leader is up for %q", m.name(), s.LeaderInfo.Uptime)
			}
			if leads := want == "StateLeader"; leads != (s.Sent > 0) || leads != (s.Received == 0) {
				t.Errorf("%s: sent %d and received %d append messages", m.name(), s.Sent, s.Received)
			}
		}
	})
}

// Who has no quorum goes on reading, and refuses what needs one.
func TestWithoutAQuorumWritesFailAndReadsGoOn(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		b.at("follower").put("/v2/keys/a", "value=1")
		b.settle()
		b.members.Follower(1).Kill()
		b.roles["leader"].Kill()
		time.Sleep(3 * time.Second)
		alone := b.at("follower")

		const timedOut = `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`
		for what, ask := range map[string]func() *answer{
			"PUT":         func() *answer { return alone.put("/v2/keys/a", "value=2") },
			"POST":        func() *answer { return alone.post("/v2/keys/q", "value=2") },
			"DELETE":      func() *answer { return alone.delete("/v2/keys/a") },
			"quorum read": func() *answer { return alone.get("/v2/keys/a?quorum=true") },
		} {
			start := time.Now()
			ask().want(t, 500, timedOut)
			if took := time.Since(start); took != 7*time.Second {
				t.Errorf("%s: refused after %v, want 7 s", what, took)
			}
		}
		alone.get("/v2/keys/a").want(t, 200, `{"action":"get","node":{"key":"/a","value":"1","modifiedIndex":8,"createdIndex":8}}`)
		alone.get("/v2/keys/a?wait=true&waitIndex=8").want(t, 200, `{"action":"set","node":{"key":"/a","value":"1","modifiedIndex":8,"createdIndex":8}}`)
		alone.get("/v2/members/leader").wantMessage(t, 503, "During election")
		alone.get("/v2/stats/leader").wantMessage(t, 403, "not current leader")
		if a := alone.get("/health"); a.status != 503 {
			t.Errorf("health: %v", a)
		}
		if s := alone.selfStats(); s.State == "StateLeader" || s.LeaderInfo.Leader != "" {
			t.Errorf("self: %+v", s)
		}
	})
}

// wantMessage fails the test unless a is an error outside of the keys.
func (a *answer) wantMessage(t *testing.T, status int, text string) {
	t.Helper()
	if want := fmt.Sprintf(`{"message":%q}`, text); a.status != status || a.body != want {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, want)
	}
}

// A leader that is cut off shows what it has, promises nothing, and is told
// the rest when it is back.
func TestALeaderThatIsCutOffPromisesNothing(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		old := b.at("leader")
		old.put("/v2/keys/a", "value=1")
		b.roles["leader"].Isolate()
		if a := old.get("/v2/keys/a?quorum=true"); a.status != 500 {
			t.Errorf("a quorum read: %v", a)
		}
		old.put("/v2/keys/a", "value=lost?").wantIn(t, 500, "etcdserver: request timed out")
		old.get("/v2/keys/a").wantIn(t, 200, `"value":"1"`)
		old.get("/v2/members/leader").wantMessage(t, 503, "During election")

		b.of(b.members.Leader()).put("/v2/keys/a", "value=2").wantIn(t, 200, `"value":"2"`)
		b.members.Heal()
		b.members.Leader()
		b.settle()
		for _, m := range b.each() {
			m.get("/v2/keys/a").wantIn(t, 200, `"value":"2"`)
		}
	})
}

// When the leader's process ends, its followers need not wait for it. Now and
// then two of them stand at once and both lose: then there is a second try, and
// even that comes sooner than an election timeout.
func TestAKilledLeaderIsReplacedAtOnce(t *testing.T) {
	var late atomic.Int32
	t.Run("cluster", func(t *testing.T) {
		for i := range 5 {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				clustered(t, 3, func(t *testing.T, b *bench) {
					b.roles["leader"].Kill()
					start := time.Now()
					b.at("follower").put("/v2/keys/a", "value=1").wantIn(t, 201, `"value":"1"`)
					took := time.Since(start)
					if took > 400*time.Millisecond {
						late.Add(1)
					}
					if took >= time.Second {
						t.Errorf("a write took %v", took)
					}
				})
			})
		}
	})
	if n := late.Load(); n > 1 {
		t.Errorf("%d of 5 writes took more than 400 ms", n)
	}
}

func TestALeaderThatIsToldToStopHandsOver(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		b.roles["leader"].Stop()
		start := time.Now()
		b.at("follower").put("/v2/keys/a", "value=1").wantIn(t, 201, `"value":"1"`)
		if took := time.Since(start); took > 200*time.Millisecond {
			t.Errorf("a write took %v", took)
		}
	})
}
