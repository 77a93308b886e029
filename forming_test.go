package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keytree/raftlog/member"
	"keytree/raftlog/replica"
)

// fakePeer is what a member of a running cluster says to those who ask.
type fakePeer struct {
	cluster member.ID
	members []member.Member
	version string // JSON
}

const (
	keytreeVersion = `{"etcdserver":"3.4.23","etcdcluster":"3.4.0","keytree":"0.1.0"}`
	etcdVersion    = `{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`
	youngVersion   = `{"etcdserver":"3.4.23","etcdcluster":"not_decided","keytree":"0.1.0"}`
)

func (p *fakePeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Etcd-Cluster-Id", p.cluster.String())
	if r.URL.Path == "/version" {
		fmt.Fprint(w, p.version)
		return
	}
	type one struct {
		ID         uint64   `json:"id"`
		PeerURLs   []string `json:"peerURLs"`
		Name       string   `json:"name,omitempty"`
		ClientURLs []string `json:"clientURLs,omitempty"`
	}
	var all []one
	for _, m := range p.members {
		all = append(all, one{uint64(m.ID), m.PeerURLs, m.Name, m.ClientURLs})
	}
	_ = json.NewEncoder(w).Encode(all) // a test server
}

func mustServe(t *testing.T, h http.Handler) (url string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// mustForm forms the member that args describe, and returns what the log says
// as well.
func mustForm(ctx context.Context, t *testing.T, args ...string) (f founding, said string, err error) {
	t.Helper()
	var log bytes.Buffer
	c := mustReadConfig(t, append([]string{"--data-dir", filepath.Join(t.TempDir(), "d")}, args...)...)
	f, err = form(ctx, c, new(security), slog.New(slog.NewTextHandler(&log, nil)))
	if entries, _ := os.ReadDir(c.dataDir); len(entries) > 0 && err != nil {
		t.Errorf("the refused member has left %v", entries)
	}
	return f, log.String(), err
}

func TestAFounderKnowsAllFoundersAndTheToken(t *testing.T) {
	f, _, err := mustForm(t.Context(), t, "--name", "b", "--initial-advertise-peer-urls", "http://127.0.0.1:2", "--initial-cluster-token", "tok",
		"--initial-cluster", "a=http://127.0.0.1:1,b=http://127.0.0.1:2")
	if err != nil {
		t.Fatal(err)
	}
	if got := f.founders.String(); got != "a=http://127.0.0.1:1,b=http://127.0.0.1:2" || f.token != "tok" || f.join != nil {
		t.Errorf("founders %s, token %s, join %v", got, f.token, f.join)
	}
}

// Which of several refusals comes first is etcd's order.
func TestAFounderWithAWrongListIsRefused(t *testing.T) {
	tests := []struct{ cluster, want string }{
		{"default", "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "},
		{"127.0.0.1:1", "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "},
		{"other=http://127.0.0.1:1,b=http://127.0.0.1:1", `couldn't find local name "default" in the initial cluster configuration`},
		{"default=http://127.0.0.1:2,b=http://127.0.0.1:2",
			`--initial-cluster has default=http://127.0.0.1:2 but missing from --initial-advertise-peer-urls=http://127.0.0.1:1 (resolved urls: "http://127.0.0.1:1" != "http://127.0.0.1:2")`},
		{"default=http://127.0.0.1:1,b=http://127.0.0.1:1", "initial cluster b=http://127.0.0.1:1,default=http://127.0.0.1:1 has duplicate url"},
	}
	for _, tt := range tests {
		_, _, err := mustForm(t.Context(), t, "--initial-advertise-peer-urls", "http://127.0.0.1:1", "--initial-cluster", tt.cluster)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %v\nwant %s", tt.cluster, err, tt.want)
		}
	}
}

func TestAFounderThatOthersKnowAsStartedIsRefused(t *testing.T) {
	const own = "http://127.0.0.1:1"
	id := member.NewID([]string{own}, "etcd-cluster")
	for _, tt := range []struct {
		name    string
		known   []member.Member
		refused bool
	}{
		{"started", []member.Member{{ID: id, Name: "a", PeerURLs: []string{own}, ClientURLs: []string{"http://127.0.0.1:9"}}}, true},
		{"founded, not started", []member.Member{{ID: id, PeerURLs: []string{own}}}, false},
		{"another at its place", []member.Member{{ID: 7, Name: "a", PeerURLs: []string{own}, ClientURLs: []string{"http://127.0.0.1:9"}}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			other := mustServe(t, &fakePeer{9, tt.known, keytreeVersion})
			_, _, err := mustForm(t.Context(), t, "--name", "a", "--initial-advertise-peer-urls", own, "--initial-cluster", "a="+own+",b="+other+",c=http://127.0.0.1:2")
			want := fmt.Sprintf("member %v has already been bootstrapped", id)
			if tt.refused != (err != nil && strings.Contains(err.Error(), want)) || !tt.refused && err != nil {
				t.Errorf("%v, want refused: %v", err, tt.refused)
			}
		})
	}
}

// A founder must not wait long for others that are not up.
func TestASilentPeerHoldsAFounderUpForASecondAtMost(t *testing.T) {
	gone := make(chan struct{})
	silent := mustServe(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-gone:
		}
	}))
	t.Cleanup(func() { close(gone) })
	begin := time.Now()
	_, _, err := mustForm(t.Context(), t, "--initial-advertise-peer-urls", "http://127.0.0.1:1", "--initial-cluster", "default=http://127.0.0.1:1,b="+silent)
	if took := time.Since(begin); err != nil || took > probeTime+time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

func TestANewcomerGetsItsIDFromTheRunningCluster(t *testing.T) {
	p := &fakePeer{9, nil, keytreeVersion}
	url := mustServe(t, p)
	p.members = []member.Member{
		{ID: 3, Name: "n0", PeerURLs: []string{url}, ClientURLs: []string{"http://127.0.0.1:9"}},
		{ID: 5, PeerURLs: []string{"http://127.0.0.1:1"}},
	}
	f, log, err := mustForm(t.Context(), t, "--name", "new", "--initial-cluster-state", "existing",
		"--initial-cluster", "new=http://127.0.0.1:1,whatever="+url)
	if err != nil {
		t.Fatal(err, log)
	}
	if f.join == nil || f.join.Self != 5 || f.join.Cluster != 9 || len(f.join.Members) != 2 || f.founders != nil {
		t.Errorf("%+v", f)
	}
}

func TestANewcomerIsRefused(t *testing.T) {
	const own, dead = "http://127.0.0.1:1", "http://127.0.0.1:2"
	refused := func(u string) string {
		return "could not get cluster response from " + u + ": Get \\\"" + u + "/members\\\": dial tcp " + strings.TrimPrefix(u, "http://") + ": connect: connection refused"
	}
	const nobody = "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"
	for _, tt := range []struct {
		name    string
		list    string // OTHER is a peer's URL
		members []member.Member
		version string
		args    string
		want    string
		log     []string
	}{
		{name: "own name missing", list: "x=" + own, want: `couldn't find local name "new" in the initial cluster configuration`},
		{name: "a URL twice", list: "new=" + own + ",b=" + own, want: "initial cluster b=" + own + ",new=" + own + " has duplicate url"},
		{name: "only itself", list: "new=" + own, want: nobody},
		{name: "nobody answers", list: "new=" + own + ",b=" + dead + ",c=http://127.0.0.1:3", want: nobody, log: []string{refused(dead), refused("http://127.0.0.1:3")}},
		{name: "not added yet", list: "new=" + own + ",b=OTHER", version: keytreeVersion,
			members: []member.Member{{ID: 3, Name: "n0", PeerURLs: []string{"OTHER"}, ClientURLs: []string{"http://127.0.0.1:9"}}},
			want:    "error validating peerURLs {ClusterID:9 Members:[&{ID:3 RaftAttributes:{PeerURLs:[OTHER] IsLearner:false} Attributes:{Name:n0 ClientURLs:[http://127.0.0.1:9]}}] RemovedMemberIDs:[]}: member count is unequal"},
		{name: "added under another URL", list: "new=" + own + ",b=OTHER", version: keytreeVersion,
			members: []member.Member{{ID: 3, PeerURLs: []string{"OTHER"}}, {ID: 5, PeerURLs: []string{dead}}},
			want:    `PeerURLs: no match found for existing member (5, [` + dead + `]), last resolver error (resolved urls: "` + dead + `" != "` + own + `")`},
		{name: "too young a cluster", list: "new=" + own + ",b=OTHER", version: youngVersion,
			members: []member.Member{{ID: 3, PeerURLs: []string{"OTHER"}}, {ID: 5, PeerURLs: []string{own}}},
			want:    "incompatible with current running cluster"},
		{name: "etcd", list: "new=" + own + ",b=OTHER", version: etcdVersion,
			members: []member.Member{{ID: 3, PeerURLs: []string{"OTHER"}}, {ID: 5, PeerURLs: []string{own}}},
			want:    "the members at OTHER run etcd, and Keytree cannot join their cluster: "},
		{name: "its data lost", list: "new=" + own + ",b=OTHER", version: keytreeVersion,
			members: []member.Member{{ID: 3, PeerURLs: []string{"OTHER"}}, {ID: 5, Name: "new", PeerURLs: []string{own}, ClientURLs: []string{"http://127.0.0.1:9"}}},
			want:    "member 5 has already been bootstrapped: its data are lost, so remove it from the cluster, add it again"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &fakePeer{cluster: 9, version: tt.version}
			url := mustServe(t, p)
			here := func(s string) string { return strings.ReplaceAll(s, "OTHER", url) }
			for _, m := range tt.members {
				m.PeerURLs = []string{here(m.PeerURLs[0])}
				p.members = append(p.members, m)
			}
			_, log, err := mustForm(t.Context(), t, "--name", "new", "--initial-cluster-state", "existing", "--initial-cluster", here(tt.list))
			if err == nil || !strings.Contains(err.Error(), here(tt.want)) {
				t.Errorf("%v\nwant %s", err, here(tt.want))
			}
			for _, line := range tt.log {
				if !strings.Contains(log, "level=WARN msg=\""+line) {
					t.Errorf("the log lacks %s:\n%s", line, log)
				}
			}
		})
	}
}

func TestADomainWithoutRecordsIsRefused(t *testing.T) {
	_, _, err := mustForm(t.Context(), t, "--discovery-srv", "nobody.invalid")
	if err == nil || !strings.HasPrefix(err.Error(), "error setting up initial cluster: SRV discovery failed: too many errors querying DNS SRV records") {
		t.Error(err)
	}
}

func TestJoiningNeedsNoDiscovery(t *testing.T) {
	_, _, err := mustForm(t.Context(), t, "--initial-cluster-state", "existing", "--discovery", "http://127.0.0.1:1/x")
	if err == nil || err.Error() != "discovery URL should not be set when joining existing initial cluster" {
		t.Error(err)
	}
}

func TestAMemberWithDataIsNotAskedHowItBegan(t *testing.T) {
	dir := t.TempDir()
	r, err := replica.Open(replica.Config{Name: "a", Dir: filepath.Join(dir, "member"), Founders: member.Cluster{"a": {"http://127.0.0.1:1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"--initial-cluster nonsense",
		"--initial-cluster other=http://127.0.0.1:1 --initial-cluster-state existing",
		"--discovery http://127.0.0.1:1/x",
	} {
		f, log, err := mustForm(t.Context(), t, append(strings.Fields(args), "--data-dir", dir)...)
		if err != nil || f.founders != nil || f.join != nil {
			t.Errorf("%s: %+v, %v", args, f, err)
		}
		const ignored = "discovery token ignored since a cluster has already been initialized. Valid log found at "
		if strings.Contains(args, "discovery") != strings.Contains(log, ignored) {
			t.Errorf("%s: the log says\n%s", args, log)
		}
	}
}

// fakeToken is a place to meet that others have filled already.
func fakeToken(size, value string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Etcd-Index", "5")
		switch {
		case strings.HasSuffix(r.URL.Path, "/_config/size"):
			fmt.Fprintf(w, `{"action":"get","node":{"key":"/t/_config/size","value":%q,"modifiedIndex":3,"createdIndex":3}}`, size)
		default:
			fmt.Fprintf(w, `{"action":"get","node":{"key":"/t","dir":true,"nodes":[{"key":"/t/7","value":%q,"modifiedIndex":4,"createdIndex":4}]}}`, value)
		}
	})
}

func TestWhoComesTooLateToAClusterMayBecomeAProxy(t *testing.T) {
	url := mustServe(t, fakeToken("1", "other=http://127.0.0.1:9")) + "/v2/keys/t"
	_, _, err := mustForm(t.Context(), t, "--discovery", url)
	if !errors.Is(err, errClusterFull) {
		t.Errorf("%v, want %v", err, errClusterFull)
	}
	_, _, err = mustForm(t.Context(), t, "--discovery", url, "--discovery-fallback", "exit")
	if err == nil || errors.Is(err, errClusterFull) {
		t.Fatal(err)
	}
	var log bytes.Buffer
	tell(slog.New(slog.NewTextHandler(&log, nil)), err)
	for _, line := range []string{
		`level=ERROR msg="failed to join discovery cluster (discovery: cluster is full)"`,
		`level=INFO msg="discovery token ` + url + ` was used, but failed to bootstrap the cluster."`,
		`level=INFO msg="please generate a new discovery token and try to bootstrap again."`,
	} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, &log)
		}
	}
}

func TestWhoIsToldToStopWhileFormingStops(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	dir := filepath.Join(t.TempDir(), "d")
	c := mustReadConfig(t, "--data-dir", dir, "--discovery", "http://127.0.0.1:1/x", "--listen-peer-urls", "http://127.0.0.1:0",
		"--listen-client-urls", "http://127.0.0.1:0")
	if err := run(ctx, c, slog.New(slog.DiscardHandler), new(slog.LevelVar)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has made %s: %v", dir, err)
	}
}

func TestANameIsLookedUpUntilTimeIsUp(t *testing.T) {
	f := newForming(mustReadConfig(t), new(security), slog.New(slog.DiscardHandler))
	if address, err := f.lookUp(t.Context(), "localhost"); err != nil || address != "127.0.0.1" && address != "::1" {
		t.Errorf("%s, %v", address, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if address, err := f.lookUp(ctx, "nobody.invalid"); err == nil {
		t.Errorf("nobody.invalid is at %s", address)
	}
}
