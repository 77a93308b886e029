package httpapi

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog/member"
	"keytree/raftlog/replica"
)

// status is what b says of itself; with a query, of all members.
func (b *bench) status(query string) (s status) {
	b.t.Helper()
	a := b.get(statusPath + query)
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil || a.status != 200 || a.headers.Get("Content-Type") != "application/json" || !strings.HasSuffix(a.body, "}\n") {
		b.t.Fatalf("%v, %v", a, err)
	}
	return s
}

// moving are the figures of a status that differ from machine to machine.
var moving = regexp.MustCompile(`"(uptimeSeconds|rssBytes|treeBytes|logBytes|freeBytes|totalBytes)":[0-9.]+|"goVersion":"[^"]*"`)

// A status, byte by byte.
func TestTheStatusOfALoneMember(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.put("/v2/keys/a", "value=1")
		time.Sleep(1500 * time.Millisecond)
		got := moving.ReplaceAllStringFunc(b.get(statusPath).body, func(s string) string {
			name, _, _ := strings.Cut(s, ":")
			return name + ":0"
		})
		const urls = `"peerURLs":["http://127.0.0.1:21380"],"clientURLs":["http://127.0.0.1:21379"]`
		const want = `{"member":{"id":"69b38ac7138de88d","name":"node1","role":"voter",` + urls + `,"version":"0.1.0","etcdVersion":"3.4.23","uptimeSeconds":0,"goVersion":0,"rssBytes":0},` +
			`"cluster":{"id":"31c6e9f19e0fb0d9","version":"3.4.0","leader":{"id":"69b38ac7138de88d","name":"node1","clientURLs":["http://127.0.0.1:21379"]},"healthy":true,` +
			`"members":[{"id":"69b38ac7138de88d","name":"node1","role":"voter",` + urls + `}]},` +
			`"raft":{"term":2,"committed":5,"applied":5,"pending":0,"state":"leader","followers":[]},` +
			`"store":{"index":4,"watchers":0,"keysBytes":67,"quotaBytes":0},` +
			`"history":{"first":1,"last":4,"capacity":1000},` +
			`"disk":{"treeBytes":0,"logBytes":0,"freeBytes":0,"totalBytes":0}}` + "\n"
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		s := b.status("")
		if s.Member.Uptime < 1.5 || s.Member.Uptime > 60 || s.Member.RSS == 0 || !strings.HasPrefix(s.Member.GoVersion, "go") || s.Disk.TreeBytes == 0 || s.Disk.LogBytes == 0 {
			t.Errorf("got %+v %+v", s.Member, s.Disk)
		}
	})
}

func TestTheStatusCountsWatchersAndTheQuota(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b := newBench(t, func(c *Config) { c.Quota = NewQuota(1<<20, func() int64 { return 0 }) })
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/a?wait=true", "")
		synctest.Wait()
		if s := b.status(""); s.Store.Watchers != 1 || s.Store.QuotaBytes != 1<<20 {
			t.Errorf("got %+v", s.Store)
		}
		for range 1100 {
			b.put("/v2/keys/b", "value=1")
		}
		if s := b.status(""); s.History.Last != uint64(s.Store.Index) || s.History.First != s.History.Last-999 {
			t.Errorf("got %+v", s.History)
		}
	})
}

func TestAStatusThatCannotBeIsRefused(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for query, message := range map[string]string{
			"?members=":    "members must be true or false",
			"?members=all": "members must be true or false",
			"?a;b":         "invalid semicolon separator in query",
		} {
			b.get(statusPath+query).wantMessage(t, 400, message)
		}
		for _, method := range []string{"PUT", "POST", "DELETE"} {
			if a := b.do(method, statusPath, ""); a.status != 405 || a.headers.Get("Allow") != "GET,HEAD" {
				t.Errorf("%s: %v", method, a)
			}
		}
	})
}

func TestTheLeaderSaysHowFarItsFollowersAre(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		leader, lost := b.roles["leader"], b.members.Follower(1)
		b.at("leader").put("/v2/keys/a", "value=1")
		b.settle()
		for _, m := range b.each() {
			s := m.status("")
			if s.Cluster.Leader == nil || s.Cluster.Leader.Name != leader.Name || !s.Cluster.Healthy || len(s.Cluster.Members) != 3 || s.Member.Name != m.name() {
				t.Errorf("%s: %+v", m.name(), s)
			}
			if m.name() != leader.Name {
				if s.Raft.State != member.Following || s.Raft.Followers != nil {
					t.Errorf("%s: %+v", m.name(), s.Raft)
				}
				continue
			}
			if s.Raft.State != member.Leading || len(s.Raft.Followers) != 2 {
				t.Fatalf("the leader: %+v", s.Raft)
			}
			for _, f := range s.Raft.Followers {
				if f.Match != s.Raft.Committed || f.Lag != 0 || !f.Active || f.State != member.Replicating || f.Snapshot || f.Name == "" {
					t.Errorf("a follower: %+v of %d", f, s.Raft.Committed)
				}
			}
		}
		lost.Isolate()
		for range 20 {
			b.at("leader").put("/v2/keys/a", "value=2")
		}
		time.Sleep(3 * time.Second)
		s := b.at("leader").status("")
		i := slices.IndexFunc(s.Raft.Followers, func(f followerShown) bool { return f.Name == lost.Name })
		if f := s.Raft.Followers[i]; f.Active || f.Lag < 20 || f.Match+f.Lag != s.Raft.Committed || !s.Cluster.Healthy {
			t.Errorf("one that is cut off: %+v", f)
		}
		if s := b.of(lost).status(""); s.Cluster.Leader != nil || s.Cluster.Healthy || s.Raft.State != member.Campaigning {
			t.Errorf("it says of itself %+v %+v", s.Cluster, s.Raft)
		}
	})
}

// Healthy is a leader who can still be heard by most.
func TestALeaderThatMostDoNotHearIsNotHealthy(t *testing.T) {
	f := func(learner, active bool) member.Follower { return member.Follower{Learner: learner, Active: active} }
	for i, c := range []struct {
		followers []member.Follower
		want      bool
	}{
		{nil, true},
		{[]member.Follower{f(false, false)}, false},
		{[]member.Follower{f(true, false)}, true},
		{[]member.Follower{f(false, true), f(false, false)}, true},
		{[]member.Follower{f(false, false), f(false, false), f(true, true)}, false},
	} {
		if got := leadsMost(c.followers); got != c.want {
			t.Errorf("%d: got %t", i, got)
		}
	}
}

func TestALearnerSaysWhatItIs(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		time.Sleep(connected)
		added := b.at("leader").addMember("http://127.0.0.1:21524")
		l := b.members.Join(added, "c4", "http://127.0.0.1:21514", func(c *replica.Config) { c.Role = member.Learner })
		l.AwaitReady()
		b.settle()
		s := b.of(l).status("")
		if s.Member.Role != member.Learner || s.Raft.State != member.Learning || s.Cluster.Leader == nil || !s.Cluster.Healthy {
			t.Errorf("got %+v %+v", s.Member, s.Raft)
		}
		if f := b.at("leader").status("").Raft.Followers; len(f) != 3 || !slices.ContainsFunc(f, func(f followerShown) bool { return f.Name == "c4" && f.Active }) {
			t.Errorf("the leader: %+v", f)
		}
		if a := b.of(l).get(readyPath); a.status != 200 || a.body != "ok\n" {
			t.Errorf("it is not ready: %v", a)
		}
	})
}

// One member tells of all: what each of them says itself.
func TestAStatusOfAllMembers(t *testing.T) {
	clustered(t, 3, func(t *testing.T, b *bench) {
		b.settle()
		for _, m := range b.each() {
			all := m.status("?members=true").Members
			if len(all) != 3 {
				t.Fatalf("%s knows %d members", m.name(), len(all))
			}
			for _, one := range all {
				var s status
				if err := json.Unmarshal(one.Status, &s); err != nil || one.Error != "" {
					t.Errorf("%s of %s: %v, %q", m.name(), one.Name, err, one.Error)
				}
				if s.Member.ID != one.ID || s.Member.Name != one.Name || s.Members != nil || s.Member.RSS == 0 || (s.Raft.Followers != nil) != (one.ID == s.Cluster.Leader.ID) {
					t.Errorf("%s of %s: %+v", m.name(), one.Name, s)
				}
			}
		}
		gone := b.members.Follower(1)
		gone.Stop()
		time.Sleep(gatheredFor) // until then what was gathered before is shown
		for _, one := range b.at("leader").status("?members=true").Members {
			if down := one.Name == gone.Name; down != strings.Contains(one.Error, "refused") || down != (string(one.Status) == "null") {
				t.Errorf("%s: %s, %q", one.Name, one.Status, one.Error)
			}
		}
	})
}
