package main

import (
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/client"
	"keytree/httpapi/tlsfiles/certtest"
)

// mustStatus is what s says of itself and of all members.
func (s *server) mustStatus() *client.Status {
	s.t.Helper()
	status, text, _ := s.ask("GET", "/keytree/v1/status?members=true", "")
	answer := &client.Status{}
	if err := json.Unmarshal([]byte(text), answer); err != nil || status != 200 {
		s.t.Fatalf("%d %s: %v", status, text, err)
	}
	return answer
}

// The members are asked where they speak to each other, with the certificates
// they have for that.
func TestOneMemberTellsHowAllAre(t *testing.T) {
	c := newCertificates(t)
	all := newSecuredPlaces(t, "n0", "n1", "n2")
	var servers []*server
	for _, p := range all {
		servers = append(servers, p.mustLaunch(c.peerFlags(c.ca.Issue(certtest.Leaf{CommonName: p.name}), "--initial-cluster", list(all...))...))
	}
	for _, s := range servers {
		s.mustSay("ready to serve client requests")
	}
	servers[0].mustPut("/k", "v")
	for i, s := range servers {
		got := s.mustStatus()
		if got.Member.Name != all[i].name || len(got.Members) != 3 || !got.Cluster.Healthy {
			t.Errorf("%s: %+v", all[i].name, got)
		}
		if runtime.GOOS == "linux" && (got.Disk.FreeBytes == 0 || got.Disk.FreeBytes > got.Disk.TotalBytes || got.Member.RSSBytes < 1<<20) {
			t.Errorf("%s: %+v", all[i].name, got.Disk)
		}
		leaders := 0
		for _, m := range got.Members {
			if m.Error != "" || m.Status == nil || m.Status.Member.ID != m.ID || m.Status.Raft.Applied == 0 || m.Status.Disk.LogBytes == 0 {
				t.Errorf("%s of %s: %s %+v", all[i].name, m.Name, m.Error, m.Status)
			} else if m.Status.Raft.State == "leader" {
				leaders++
			}
		}
		if leaders != 1 {
			t.Errorf("%s knows %d leaders", all[i].name, leaders)
		}
	}
	servers[2].kill()
	if !within(t, 5*time.Second, func() bool {
		got := servers[0].mustStatus()
		i := slices.IndexFunc(got.Members, func(m client.MemberStatus) bool { return m.Name == all[2].name })
		return got.Members[i].Status == nil && strings.Contains(got.Members[i].Error, "refused")
	}) {
		t.Errorf("one that is gone: %+v", servers[0].mustStatus().Members)
	}
}

// A member that waits for a leader lives, and is not ready. The listeners for
// metrics say so as well.
func TestProbesTellAMemberThatWaitsFromOneThatServes(t *testing.T) {
	all := newPlaces(t, "n0", "n1")
	metrics := "http://" + freeAddress(t)
	early := all[0].mustLaunch("--initial-cluster", list(all...), "--listen-metrics-urls", metrics)
	early.mustSay("starting member")
	probe := func(path string) (int, string) {
		a, err := http.Get(metrics + path)
		if err != nil {
			return 0, err.Error()
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(text)
	}
	if !within(t, 10*time.Second, func() bool { code, text := probe("/livez"); return code == 200 && text == "ok\n" }) {
		t.Fatalf("it does not live:\n%s", early.stderr)
	}
	if code, text := probe("/readyz"); code != 503 || !strings.Contains(text, "leader: no leader is known\n") {
		t.Errorf("alone: %d %s", code, text)
	}
	all[1].mustLaunch("--initial-cluster", list(all...)).mustSay("ready to serve client requests")
	if !within(t, 10*time.Second, func() bool { code, _ := probe("/readyz"); return code == 200 }) {
		t.Errorf("it does not become ready:\n%s", early.stderr)
	}
	if status, text, _ := early.ask("GET", "/readyz?verbose", ""); status != 200 || text != "loop: ok\ndisk: ok\nreplay: ok\nleader: ok\napply: ok\n" {
		t.Errorf("among clients: %d %s", status, text)
	}
}
