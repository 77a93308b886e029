package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// mustJoin has p added and starts it, with args more than a joiner needs.
func (p place) mustJoin(by *server, all []place, args ...string) *server {
	p.t.Helper()
	by.mustAdd(p)
	s := p.mustLaunch(append([]string{"--initial-cluster-state", "existing", "--initial-cluster", list(all...)}, args...)...)
	s.mustSay("ready to serve client requests")
	return s
}

// roles are the names of all members, and of those that learn.
func (s *server) roles() (all, learners []string) {
	s.t.Helper()
	_, text, _ := s.ask("GET", "/v2/members", "")
	var list struct {
		Members []struct {
			Name      string
			IsLearner bool
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		s.t.Fatal(err)
	}
	for _, m := range list.Members {
		all = append(all, m.Name)
		if m.IsLearner {
			learners = append(learners, m.Name)
		}
	}
	return all, learners
}

// mustKnowLearners waits until s knows exactly these learners.
func (s *server) mustKnowLearners(want string) {
	s.t.Helper()
	var got []string
	if !within(s.t, 10*time.Second, func() bool { _, got = s.roles(); return strings.Join(got, " ") == want }) {
		s.t.Fatalf("the learners are %v, want %q", got, want)
	}
}

// All of a client's requests are answered by a learner, and it counts for
// nothing: two voters go on without it, and it does not go on without them.
func TestALearnerServesClientsAndHasNoSay(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "reader")
	servers := mustFound(t, all[:2]...)
	servers[0].mustPut("/k", "v")
	reader := all[2].mustJoin(servers[0], all, "--member-role", "learner")
	reader.mustKnowLearners("reader")
	servers[1].mustKnowLearners("reader")

	seen := make(chan string, 1)
	go func() {
		a, err := http.Get(reader.client + "/v2/keys/w?wait=true")
		if err != nil {
			seen <- err.Error()
			return
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		if err != nil {
			seen <- err.Error()
		}
		seen <- string(text)
	}()
	if !within(t, 10*time.Second, func() bool {
		_, text, _ := reader.ask("GET", "/v2/stats/store", "")
		return strings.Contains(text, `"watchers":1`)
	}) {
		t.Fatal("nobody watches")
	}
	servers[0].mustPut("/w", "x")
	if got := <-seen; !strings.Contains(got, `"value":"x"`) {
		t.Errorf("its watch was answered with %s", got)
	}
	reader.mustPut("/k", "w")
	servers[1].mustHave("/k", "w")
	for path, want := range map[string]string{
		"/v2/keys/k?quorum=true": `"value":"w"`,
		"/v2/keys/?recursive=1":  `"key":"/w"`,
		"/health":                `"true"`,
		"/v2/stats/self":         `"state":"StateFollower"`,
		"/metrics":               "etcd_server_is_learner 1",
	} {
		if status, text, _ := reader.ask("GET", path, ""); status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: %d %s, want %s", path, status, text, want)
		}
	}

	reader.kill()
	servers[0].mustPut("/k", "without the learner")
	servers[0].kill()
	reader = all[2].mustLaunch() // its role is not told again
	if !within(t, 20*time.Second, func() bool {
		a, err := http.Get(reader.client + "/v2/keys/k")
		if err == nil {
			_ = a.Body.Close()
		}
		return err == nil && a.StatusCode == 200
	}) {
		t.Fatalf("it does not answer without a leader:\n%s", reader.stderr)
	}
	leader := ""
	leaderless := func() bool {
		for _, s := range []*server{reader, servers[1]} {
			if status, text, _ := s.ask("GET", "/v2/members/leader", ""); status != 503 {
				leader = text
				return false
			}
		}
		return true
	}
	if !within(t, 20*time.Second, leaderless) {
		t.Errorf("one voter and a learner keep a leader: %s", leader)
	}
	time.Sleep(3 * time.Second) // two elections
	if !leaderless() {
		t.Errorf("one voter and a learner made a leader: %s", leader)
	}
	servers[0] = all[0].mustLaunch()
	reader.mustSay("ready to serve client requests")
	reader.mustKnowLearners("reader")
	reader.mustHave("/k", "without the learner")
}

func TestALearnerBecomesAVoterByARestartAndBack(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "reader")
	servers := mustFound(t, all[:2]...)
	reader := all[2].mustJoin(servers[0], all, "--member-role=learner")
	reader.kill()
	reader = all[2].mustLaunch("--member-role=voter")
	reader.mustSay("ready to serve client requests")
	servers[0].mustKnowLearners("")
	servers[1].kill() // two of three are a quorum
	servers[0].mustPut("/k", "v")
	reader.mustHave("/k", "v")

	servers[1] = all[1].mustLaunch()
	servers[1].mustSay("ready to serve client requests")
	reader.kill()
	reader = all[2].mustLaunch("--member-role=learner")
	reader.mustSay("ready to serve client requests")
	servers[0].mustKnowLearners("reader")
	servers[0].mustRemove(servers[0].idOf(all[2]))
	if code := reader.mustExit(); code != 0 {
		t.Errorf("removed, it ends with %d", code)
	}
}

func TestSomebodyHasToVote(t *testing.T) {
	p := newPlace(t, "n0")
	out, code := mustEnd(t, p.command("--initial-cluster", list(p), "--member-role", "learner"))
	if code != 1 || !strings.Contains(out, "a member that founds a cluster votes: add this one to a cluster that runs") {
		t.Errorf("a founder that is to learn: exit %d\n%s", code, out)
	}
	if _, err := os.Stat(p.dir); err == nil {
		t.Error("it has made its directory")
	}
	out, code = mustEnd(t, p.command("--force-new-cluster", "--member-role", "learner"))
	if code != 1 || !strings.Contains(out, "so it cannot be a learner") {
		t.Errorf("a survivor that is to learn: exit %d\n%s", code, out)
	}
	alone := mustFound(t, p)[0]
	alone.mustPut("/k", "v")
	alone.kill()
	out, code = mustEnd(t, p.command("--member-role", "learner"))
	if code != 1 || !strings.Contains(out, "this member cannot become a learner, because the cluster needs one that votes") {
		t.Errorf("the only voter that is to learn: exit %d\n%s", code, out)
	}
	alone = p.mustLaunch()
	alone.mustSay("ready to serve client requests")
	alone.mustHave("/k", "v")
}
