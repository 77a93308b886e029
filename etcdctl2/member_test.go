package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

const (
	aMember  = `{"id":"57081c5b19a5f934","name":"node1","peerURLs":["http://p:1","http://p:2"],"clientURLs":["http://c:1","http://c:2"]}`
	unborn   = `{"id":"abc","name":"","peerURLs":["http://q:1"],"clientURLs":[]}`
	nobody   = `{"message":"no leader"}`
	document = "For more details, read the documentation at https://github.com/etcd-io/etcd/blob/master/Documentation/runtime-configuration.md#remove-a-member\n\n"
)

// inNetwork is what becomes of words when the answers of the network come in turn.
func inNetwork(words string, answers ...transport) outcome {
	s, stdout, stderr := newShell(append([]string{"--endpoints", "http://a:1", "--no-sync"}, strings.Fields(words)...)...)
	s.transport = inTurn(answers...)
	return ended(s, stdout, stderr)
}

// roster is an answer with members.
func roster(members ...string) transport {
	return says(http.StatusOK, `{"members":[`+strings.Join(members, ",")+`]}`)
}

func TestArgumentsOfMemberCommandsAreCountedBeforeAnybodyIsAsked(t *testing.T) {
	for words, want := range map[string]string{
		"list x":           "No arguments accepted",
		"add":              "Provide a name and a single member peerURL",
		"add n":            "Provide a name and a single member peerURL",
		"add n http://u x": "Provide a name and a single member peerURL",
		"remove":           "Provide a single member ID",
		"remove a b":       "Provide a single member ID",
		"update":           "Provide an ID and a list of comma separated peerURL (0xabcd http://example.com,http://example1.com)",
		"update a":         "Provide an ID and a list of comma separated peerURL (0xabcd http://example.com,http://example1.com)",
		"update a b c":     "Provide an ID and a list of comma separated peerURL (0xabcd http://example.com,http://example1.com)",
	} {
		s, stdout, stderr := newShell(append([]string{"member"}, strings.Fields(words)...)...)
		s.transport = transport(func(*http.Request) (*http.Response, error) { panic("somebody was asked") })
		mustBe(t, ended(s, stdout, stderr), outcome{stderr: want + "\n", code: 1}, words)
	}
}

func TestPeerURLsAreCheckedBeforeTheyAreSent(t *testing.T) {
	for raw, want := range map[string]string{
		"127.0.0.1:22112":             `parse "127.0.0.1:22112": first path segment in URL cannot contain colon`,
		"http://127.0.0.1":            `URL address does not have the form "host:port": http://127.0.0.1`,
		"http://127.0.0.1:22112/path": "URL must not contain a path: http://127.0.0.1:22112/path",
		"ftp://127.0.0.1:22112":       "URL scheme must be http, https, unix, or unixs: ftp://127.0.0.1:22112",
	} {
		mustBe(t, inNetwork("member add n "+raw), outcome{stderr: want + "\n", code: 1}, raw)
		mustBe(t, inNetwork("member update a http://u:1,"+raw), outcome{stderr: want + "\n", code: 1}, raw)
	}
}

func TestMembersAreListedWithTheLeader(t *testing.T) {
	const rest = "peerURLs=http://p:1,http://p:2 clientURLs=http://c:1,http://c:2"
	mustBe(t, inNetwork("member list", roster(aMember, unborn), says(http.StatusOK, aMember)), outcome{
		stdout: "57081c5b19a5f934: name=node1 " + rest + " isLeader=true\nabc[unstarted]: peerURLs=http://q:1\n"}, "list")
	learner := strings.Replace(aMember, "}", `,"isLearner":true}`, 1)
	mustBe(t, inNetwork("member list", roster(learner), says(http.StatusOK, unborn)), outcome{
		stdout: "57081c5b19a5f934: name=node1 " + rest + " isLeader=false role=learner\n"}, "list")
	mustBe(t, inNetwork("member list", roster(aMember), says(http.StatusOK, unborn)), outcome{
		stdout: "57081c5b19a5f934: name=node1 " + rest + " isLeader=false\n"}, "list")
	mustBe(t, inNetwork("member list", roster(aMember), says(http.StatusServiceUnavailable, nobody)), outcome{code: 1,
		stderr: "Failed to get leader:  client: etcd cluster is unavailable or misconfigured; error #0: client: etcd member http://a:1 has no leader\n\n"}, "list")
	mustBe(t, inNetwork("member list"), outcome{code: 1,
		stderr: "client: etcd cluster is unavailable or misconfigured; error #0: dial: connection refused\n\n"}, "list")
}

func TestAMemberIsAddedAndTheUserToldHowToStartIt(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustFail(1, "membership: peerURL exists\n", "member", "add", "n2", w.members.Members[0].PeerURL)
		got := w.run("member", "add", "n2", "http://127.0.0.1:22112")
		want := regexp.MustCompile(`^Added member named n2 with ID [0-9a-f]+ to cluster

ETCD_NAME="n2"
ETCD_INITIAL_CLUSTER="node1=http://127.0.0.1:21380,n2=http://127.0.0.1:22112"
ETCD_INITIAL_CLUSTER_STATE="existing"
$`)
		swapped := strings.Replace(got.stdout, `"n2=http://127.0.0.1:22112,node1=http://127.0.0.1:21380"`,
			`"node1=http://127.0.0.1:21380,n2=http://127.0.0.1:22112"`, 1) // in the order of IDs, which are random
		if !want.MatchString(swapped) || got.stderr != "" || got.code != 0 {
			t.Error(got)
		}
	})
}

func TestOthersThatAreNotStartedHaveNoNameInTheInitialCluster(t *testing.T) {
	got := inNetwork("member add n9 http://127.0.0.1:9",
		says(http.StatusCreated, `{"id":"9","peerURLs":["http://127.0.0.1:9"]}`),
		roster(aMember, unborn, `{"id":"9","name":"","peerURLs":["http://127.0.0.1:9"]}`))
	mustBe(t, got, outcome{stdout: "Added member named n9 with ID 9 to cluster\n\nETCD_NAME=\"n9\"\n" +
		"ETCD_INITIAL_CLUSTER=\"node1=http://p:1,node1=http://p:2,=http://q:1,n9=http://127.0.0.1:9\"\nETCD_INITIAL_CLUSTER_STATE=\"existing\"\n"}, "add")
	mustBe(t, inNetwork("member add n9 http://127.0.0.1:9", says(http.StatusUnauthorized, `{"message":"Insufficient credentials"}`)),
		outcome{stderr: "unexpected status code 401\n", code: 1}, "add")
}

func TestAMemberIsRemovedByItsID(t *testing.T) {
	gone := says(http.StatusNoContent, "")
	mustBe(t, inNetwork("member remove abc", roster(aMember, unborn), gone), outcome{stdout: "Removed member abc from cluster\n"}, "remove")
	mustBe(t, inNetwork("member remove abc", roster(aMember, unborn), says(http.StatusGone, "")), outcome{stdout: "Removed member abc from cluster\n"}, "remove")
	mustBe(t, inNetwork("member remove zzz", roster(aMember, unborn)), outcome{code: 1,
		stderr: "Couldn't find a member in the cluster with an ID of zzz.\n"}, "remove")
	mustBe(t, inNetwork("member remove node1", roster(aMember, unborn)), outcome{code: 1,
		stderr: "Found a member named node1; if this is correct, please use its ID, eg:\n\tetcdctl member remove 57081c5b19a5f934\n" + document +
			"Couldn't find a member in the cluster with an ID of node1.\n"}, "remove")
	mustBe(t, inNetwork("member remove abc"), outcome{code: 1, stderr: "Error while verifying ID against known members: " +
		"client: etcd cluster is unavailable or misconfigured; error #0: dial: connection refused\n\n"}, "remove")
	mustBe(t, inNetwork("member remove abc", roster(unborn), says(http.StatusInternalServerError, "")), outcome{code: 1, stderr: "Received an error trying to remove member abc: " +
		"client: etcd cluster is unavailable or misconfigured; error #0: client: etcd member http://a:1 has no leader\n"}, "remove")
}

func TestPeerURLsOfAMemberAreUpdated(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		id := w.members.Members[0].Members()[0].ID.String()
		w.mustFail(1, "No such member: zzz\n", "member", "update", "zzz", "http://127.0.0.1:1")
		w.must("Updated member with ID "+strings.ToUpper(id)+" in cluster\n", "member", "update", strings.ToUpper(id), "http://127.0.0.1:21380,http://127.0.0.1:2")
		w.must(id+": name=node1 peerURLs=http://127.0.0.1:2,http://127.0.0.1:21380 clientURLs=http://127.0.0.1:21379 isLeader=true\n", "-o", "json", "member", "list")
	})
}
