package main

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// hosts is a network of hosts by name. Others refuse connections.
func hosts(byName map[string]transport) transport {
	return func(r *http.Request) (*http.Response, error) {
		if host, ok := byName[r.URL.Host]; ok {
			return host(r)
		}
		return alone(r)
	}
}

func TestTheHealthOfAClusterIsThatOfItsMembers(t *testing.T) {
	well, ill := says(http.StatusOK, `{"health":"true"}`), says(http.StatusServiceUnavailable, `{"health":"false"}`)
	for _, tt := range []struct {
		name, members string
		hosts         map[string]transport
		stdout        string
		code          int
	}{
		{"all are well", `{"id":"1","clientURLs":["http://c1"]},{"id":"2","clientURLs":["http://c2"]}`,
			map[string]transport{"c1": well, "c2": says(http.StatusOK, `{"health":true}`)},
			"member 1 is healthy: got healthy result from http://c1\nmember 2 is healthy: got healthy result from http://c2\ncluster is healthy\n", 0},
		{"one is ill", `{"id":"1","clientURLs":["http://c1"]},{"id":"2","clientURLs":["http://c2"]}`,
			map[string]transport{"c1": ill, "c2": well},
			"member 1 is unhealthy: got unhealthy result from http://c1\nmember 2 is healthy: got healthy result from http://c2\ncluster is degraded\n", 5},
		{"all are ill", `{"id":"1","clientURLs":["http://c1"]}`, map[string]transport{"c1": ill},
			"member 1 is unhealthy: got unhealthy result from http://c1\ncluster is unavailable\n", 5},
		{"one URL is dead", `{"id":"1","clientURLs":["http://c0","http://c1"]}`, map[string]transport{"c1": well},
			"failed to check the health of member 1 on http://c0: Get \"http://c0/health\": dial: connection refused\n" +
				"member 1 is healthy: got healthy result from http://c1\ncluster is healthy\n", 0},
		{"all URLs are dead", `{"id":"1","clientURLs":["http://c0","http://c9"]}`, nil,
			"failed to check the health of member 1 on http://c0: Get \"http://c0/health\": dial: connection refused\n" +
				"failed to check the health of member 1 on http://c9: Get \"http://c9/health\": dial: connection refused\n" +
				"member 1 is unreachable: [http://c0 http://c9] are all unreachable\ncluster is unavailable\n", 5},
		{"one has no URLs", `{"id":"1","clientURLs":[]},{"id":"2","clientURLs":["http://c2"]}`, map[string]transport{"c2": well},
			"member 1 is unreachable: no available published client urls\nmember 2 is healthy: got healthy result from http://c2\ncluster is degraded\n", 5},
		{"one is something else", `{"id":"1","clientURLs":["http://c1"]}`, map[string]transport{"c1": says(http.StatusOK, "hello")},
			"failed to check the health of member 1 on http://c1: invalid character 'h' looking for beginning of value\n" +
				"member 1 is unreachable: [http://c1] are all unreachable\ncluster is unavailable\n", 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.hosts == nil {
				tt.hosts = map[string]transport{}
			}
			tt.hosts["a:1"] = roster(tt.members)
			s, stdout, stderr := newShell("--endpoints", "http://a:1", "--debug", "-o", "json", "cluster-health")
			s.transport = hosts(tt.hosts)
			mustBe(t, ended(s, stdout, stderr), outcome{stdout: tt.stdout, code: tt.code, // the questions to the members are not shown
				stderr: "Cluster-Endpoints: http://a:1\ncURL Command: curl -X GET http://a:1/v2/members\n"}, "cluster-health")
		})
	}
}

func TestHealthIsAskedForAsAStrangerDoes(t *testing.T) {
	s, stdout, stderr := newShell("--endpoints", "http://a:1", "-u", "root:pw", "cluster-health")
	s.transport = hosts(map[string]transport{"a:1": roster(`{"id":"1","clientURLs":["http://c1"]}`), "c1": func(r *http.Request) (*http.Response, error) {
		if name, _, ok := r.BasicAuth(); ok {
			t.Errorf("a member was told who asks: %s", name)
		}
		return says(http.StatusOK, `{"health":"true"}`)(r)
	}})
	if got := ended(s, stdout, stderr); got.code != 0 {
		t.Error(got)
	}
}

func TestAnAnswerThatMakesNoSenseIsNotTakenForNone(t *testing.T) {
	got := inNetwork("cluster-health", roster(`{"id":"1","clientURLs":["http://c1"]}`), says(http.StatusOK, "[]"))
	if !strings.HasPrefix(got.stdout, "failed to check the health of member 1 on http://c1: json: cannot unmarshal array ") || got.code != 5 {
		t.Error(got)
	}
}

func TestHealthWithoutAListOfMembersIsAnError(t *testing.T) {
	s, stdout, stderr := newShell("--endpoints", "http://a:1", "cluster-health")
	s.transport = alone
	mustBe(t, ended(s, stdout, stderr), outcome{stdout: "cluster may be unhealthy: failed to list members\n", stderr: refusedBlock, code: 4}, "cluster-health")
}

func TestHealthTellsOfFilesAsOfAnAnswer(t *testing.T) {
	for words, want := range map[string]outcome{
		"--ca-file missing.pem":     {stderr: "Error:  open missing.pem: no such file or directory\n", code: 4},
		"--endpoints 127.0.0.1:1":   {stderr: "parse \"127.0.0.1:1\": first path segment in URL cannot contain colon\n", code: 1},
		"--cert-file a -C http://a": {stderr: "Error:  KeyFile and CertFile must both be present[key: , cert: a]\n", code: 4},
	} {
		s, stdout, stderr := newShell(append(strings.Fields(words), "cluster-health")...)
		s.transport = alone
		mustBe(t, ended(s, stdout, stderr), want, words)
	}
}

func TestHealthForEverIsAskedForEveryTenSeconds(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		id := w.members.Members[0].Members()[0].ID.String()
		f := w.follow("cluster-health", "-f")
		time.Sleep(10*time.Second - time.Millisecond)
		round := "member " + id + " is healthy: got healthy result from http://127.0.0.1:21379\ncluster is healthy\n\nnext check after 10 second...\n\n"
		synctest.Wait()
		if got := f.stdout.String(); got != round {
			t.Errorf("before ten seconds: %q", got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		w.members.Members[0].Stop()
		time.Sleep(10 * time.Second)
		got := f.interrupted()
		if rest, ok := strings.CutPrefix(got.stdout, round+round); !ok || !strings.HasSuffix(rest, "cluster is unavailable\n\nnext check after 10 second...\n\n") || got.code != 0 {
			t.Error(got)
		}
	})
}
