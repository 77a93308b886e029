package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/raftlog/member"
)

func TestThreeMembersFormACluster(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	servers := mustFound(t, all...)
	servers[0].mustPut("/k", "v")
	for _, s := range servers {
		s.mustHave("/k", "v")
	}
	var founders []member.ID
	for _, p := range all {
		founders = append(founders, member.NewID([]string{p.peer}, "etcd-cluster"))
	}
	for i, s := range servers {
		if _, _, header := s.ask("GET", "/v2/keys/k", ""); header.Get("X-Etcd-Cluster-Id") != member.NewClusterID(founders).String() {
			t.Errorf("%s says it is in %s, want %v", all[i].name, header.Get("X-Etcd-Cluster-Id"), member.NewClusterID(founders))
		}
		if got := s.mustListMembers(); len(got) != 3 {
			t.Errorf("%s knows %v", all[i].name, got)
		}
		if got := s.idOf(all[i]); got != founders[i].String() {
			t.Errorf("%s is %s, want %v", all[i].name, got, founders[i])
		}
	}
}

// Each writes the list in its own order, and calls the others what it likes.
func TestFoundersNeedNotAgreeOnNamesAndOrder(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	var servers []*server
	for i, p := range all {
		pieces := []string{"x=" + all[(i+1)%3].peer, p.name + "=" + p.peer, "y=" + all[(i+2)%3].peer}
		servers = append(servers, p.mustLaunch("--initial-cluster", strings.Join(pieces, ",")))
	}
	for _, s := range servers {
		s.mustSay("ready to serve client requests")
	}
	var names []string
	if !within(t, 5*time.Second, func() bool {
		names = nil
		for _, m := range servers[0].mustListMembers() {
			names = append(names, m.Name)
		}
		slices.Sort(names)
		return slices.Equal(names, []string{"n0", "n1", "n2"})
	}) {
		t.Errorf("the members are called %v", names)
	}
}

func TestAMemberThatWaitsForTheOthersAnswersItsClients(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	early := all[0].mustLaunch("--initial-cluster", list(all...))
	early.mustSay("starting member")
	if !within(t, 5*time.Second, func() bool { _, err := http.Get(early.client + "/version"); return err == nil }) {
		t.Fatalf("nobody answers:\n%s", early.stderr)
	}
	if status, text, _ := early.ask("GET", "/version", ""); status != 200 || !strings.Contains(text, `"etcdcluster":"not_decided"`) {
		t.Errorf("/version: %d %s", status, text)
	}
	if status, text, _ := early.ask("GET", "/health", ""); status != 503 || !strings.Contains(text, `"false"`) {
		t.Errorf("/health: %d %s", status, text)
	}
	if status, text, _ := early.ask("GET", "/v2/keys/", ""); status != 200 {
		t.Errorf("/v2/keys/: %d %s", status, text)
	}
	written := make(chan string, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), "PUT", early.client+"/v2/keys/k?value=v", nil)
		if err != nil {
			written <- err.Error()
			return
		}
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			written <- err.Error()
			return
		}
		defer a.Body.Close()
		written <- a.Status
	}()
	select {
	case got := <-written:
		t.Fatalf("a write without the others: %s", got)
	case <-time.After(500 * time.Millisecond):
	}
	all[1].mustLaunch("--initial-cluster", list(all...)) // two of three will do
	if got := <-written; got != "201 Created" {
		t.Errorf("the write that waited: %s", got)
	}
}

func TestAFourthMemberJoinsARunningCluster(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2", "n3")
	servers := mustFound(t, all[:3]...)
	servers[0].mustPut("/k", "v")
	id := servers[1].mustAdd(all[3])
	fourth := all[3].mustLaunch("--initial-cluster-state", "existing", "--initial-cluster", list(all...), "--initial-cluster-token", "another")
	fourth.mustSay("starting member " + id)
	fourth.mustSay("ready to serve client requests")
	fourth.mustHave("/k", "v")
	fourth.mustPut("/l", "w")
	servers[2].mustHave("/l", "w")
	if got := fourth.mustListMembers(); len(got) != 4 || fourth.idOf(all[3]) != id {
		t.Errorf("it knows %v, and is %s", got, id)
	}
}

// The third member of a list may come last and call the cluster existing.
func TestAFounderMayJoinTheOthers(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	first := all[0].mustLaunch("--initial-cluster", list(all...))
	all[1].mustLaunch("--initial-cluster", list(all...))
	first.mustSay("ready to serve client requests")
	first.mustPut("/k", "v")
	last := all[2].mustLaunch("--initial-cluster", list(all...), "--initial-cluster-state", "existing")
	last.mustSay("ready to serve client requests")
	last.mustHave("/k", "v")
}

func TestWrongListsEndAMember(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	n0, n1 := all[0], all[1]
	first := mustFound(t, n0)[0]
	self, cluster := member.NewID([]string{n0.peer}, "etcd-cluster"), member.NewClusterID([]member.ID{member.NewID([]string{n0.peer}, "etcd-cluster")})
	for _, tt := range []struct {
		from place
		args string
		want string
	}{
		{n1, "--initial-cluster " + list(n0), `couldn't find local name \"n1\" in the initial cluster configuration`},
		{n1, "--initial-cluster n1=" + n0.peer, "--initial-cluster has n1=" + n0.peer + " but missing from --initial-advertise-peer-urls=" + n1.peer +
			` (resolved urls: \"` + n1.peer + `\" != \"` + n0.peer + `\")`},
		{n1, "--initial-cluster " + list(n1) + ",b=" + n1.peer, "initial cluster b=" + n1.peer + "," + list(n1) + " has duplicate url"},
		{n1, "--initial-cluster n1", "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "},
		{n1, "--initial-cluster-state existing --initial-cluster " + list(n0, n1), fmt.Sprintf("error validating peerURLs {ClusterID:%v Members:[&{ID:%v "+
			"RaftAttributes:{PeerURLs:[%s] IsLearner:false} Attributes:{Name:n0 ClientURLs:[%s]}}] RemovedMemberIDs:[]}: member count is unequal", cluster, self, n0.peer, n0.client)},
		{n1, "--initial-cluster-state existing --initial-cluster " + list(n1, all[2]), "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"},
		{n1, "--initial-cluster-state existing --initial-cluster " + list(n1, all[2]), "could not get cluster response from " + all[2].peer + ": Get "},
	} {
		out, code := mustEnd(t, tt.from.command(strings.Fields(tt.args)...))
		if code != 1 || !strings.Contains(out, tt.want) {
			t.Errorf("keytree %s: exit %d, want 1 with %q:\n%s", tt.args, code, tt.want, out)
		}
		if _, err := os.Stat(tt.from.dir); err == nil {
			t.Fatalf("keytree %s: it has made its directory", tt.args)
		}
	}
	first.mustPut("/k", "still serving")
}

func TestAFounderThatLostItsDataIsNotLetInAgain(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	servers := mustFound(t, all...)
	id := servers[0].idOf(all[2])
	servers[2].kill()
	if err := os.RemoveAll(all[2].dir); err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"new", "existing"} {
		out, code := mustEnd(t, all[2].command("--initial-cluster", list(all...), "--initial-cluster-state", state))
		if code != 1 || !strings.Contains(out, "member "+id+" has already been bootstrapped") {
			t.Errorf("%s: exit %d:\n%s", state, code, out)
		}
	}
}

func TestARestartedMemberDoesNotLookAtTheInitialFlags(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	servers := mustFound(t, all...)
	servers[0].mustPut("/k", "v")
	servers[2].mustHave("/k", "v")
	servers[2].kill()
	again := all[2]
	again.name = "renamed"
	s := again.mustLaunch("--initial-cluster", "nobody=http://127.0.0.1:1", "--initial-cluster-state", "existing", "--initial-cluster-token", "other")
	s.mustSay("the server is already initialized as member before, starting as etcd member...")
	s.mustSay("restarting member " + servers[0].idOf(all[2]))
	s.mustSay("ready to serve client requests")
	s.mustHave("/k", "v")
	if !within(t, 5*time.Second, func() bool {
		return slices.ContainsFunc(servers[0].mustListMembers(), func(m listedMember) bool { return m.Name == "renamed" })
	}) {
		t.Errorf("the others know %v", servers[0].mustListMembers())
	}
}

const (
	letGo      = "the member has been permanently removed from the cluster"
	removeData = "the data-dir used by this member must be removed."
)

func TestARemovedMemberEndsWellAndComesBackWipedAndAdded(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	servers := mustFound(t, all...)
	servers[0].mustPut("/k", "v")
	old := servers[0].idOf(all[2])
	servers[0].mustRemove(old)
	if code := servers[2].mustExit(); code != 0 {
		t.Errorf("removed, it ends with %d:\n%s", code, servers[2].stderr)
	}
	servers[2].mustSay(letGo)
	servers[2].mustSay(removeData)

	again := all[2].mustLaunch("--initial-cluster", list(all...))
	if code := again.mustExit(); code != 0 {
		t.Errorf("started again, it ends with %d:\n%s", code, again.stderr)
	}
	again.mustSay(letGo)
	again.mustSay(removeData)

	if err := os.RemoveAll(all[2].dir); err != nil {
		t.Fatal(err)
	}
	id := servers[1].mustAdd(all[2])
	if id == old {
		t.Errorf("it has its old id %s again", id)
	}
	back := all[2].mustLaunch("--initial-cluster", list(all...), "--initial-cluster-state", "existing")
	back.mustSay("ready to serve client requests")
	back.mustHave("/k", "v")
}

func TestTheLeaderCanBeRemoved(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	servers := mustFound(t, all...)
	_, text, _ := servers[0].ask("GET", "/v2/members/leader", "")
	var leader listedMember
	if err := json.Unmarshal([]byte(text), &leader); err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all, func(p place) bool { return p.name == leader.Name })
	servers[at].mustRemove(leader.ID)
	if code := servers[at].mustExit(); code != 0 {
		t.Errorf("removed, it ends with %d:\n%s", code, servers[at].stderr)
	}
	rest := slices.Delete(slices.Clone(servers), at, at+1)
	rest[0].mustPut("/k", "v")
	rest[1].mustHave("/k", "v")
}

func TestOneSurvivorGoesOnAlone(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	servers := mustFound(t, all...)
	servers[0].mustPut("/k", "v")
	servers[2].mustHave("/k", "v")
	for _, s := range servers {
		s.kill()
	}
	alone := all[2].mustLaunch("--force-new-cluster")
	alone.mustSay("force new cluster")
	alone.mustSay("forcing restart of member ")
	alone.mustSay("ready to serve client requests")
	alone.mustHave("/k", "v")
	alone.mustPut("/k", "w")
	if got := alone.mustListMembers(); len(got) != 1 || got[0].Name != "n2" || !slices.Equal(got[0].PeerURLs, []string{all[2].peer}) {
		t.Errorf("the members are %v", got)
	}
	alone.kill()
	alone = all[2].mustLaunch()
	alone.mustSay("ready to serve client requests")
	alone.mustHave("/k", "w")
}

func TestForceNewClusterFoundsWhereThereIsNothing(t *testing.T) {
	p := newPlace(t, "n0")
	s := p.mustLaunch("--force-new-cluster", "--initial-cluster", list(p))
	s.mustSay("force new cluster")
	s.mustSay("ready to serve client requests")
	s.mustPut("/k", "v")
}
