package peer

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"keytree/raftlog/member"
)

// serveCluster is a server that answers with a status and these texts.
func serveCluster(t *testing.T, cluster, members, version string) *httptest.Server {
	t.Helper()
	answer := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if cluster != "" {
				w.Header().Set("X-Etcd-Cluster-ID", cluster)
			}
			if text == "" {
				http.Error(w, "no", http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, text)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/members", answer(members))
	mux.HandleFunc("/version", answer(version))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

const someMembers = `[{"id":7616583982444832909,"peerURLs":["http://b:2","http://a:1"],"name":"node1","clientURLs":["http://c:3"],"new":{}},` +
	`{"id":2,"peerURLs":["http://d:4"],"isLearner":true}]` + "\n"

func TestAskReadsWhatAServerSaysOfItsCluster(t *testing.T) {
	members := []member.Member{
		{ID: 0x69b38ac7138de88d, Name: "node1", PeerURLs: []string{"http://a:1", "http://b:2"}, ClientURLs: []string{"http://c:3"}},
		{ID: 2, PeerURLs: []string{"http://d:4"}, Learner: true},
	}
	for _, tt := range []struct {
		version string
		want    Cluster
	}{
		{`{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`, Cluster{0xcdf818194e3a8c32, members, "3.4.0", false}},
		{`{"etcdserver":"3.4.23","etcdcluster":"not_decided","keytree":"0.1.0"}`, Cluster{0xcdf818194e3a8c32, members, "", true}},
	} {
		s := serveCluster(t, "cdf818194e3a8c32", someMembers, tt.version)
		got, err := Ask(t.Context(), s.Client(), s.URL+"/")
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("got  %v, %v\nwant %v", got, err, tt.want)
		}
	}
}

func TestAskSaysWhatIsWrong(t *testing.T) {
	const version = `{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`
	for _, tt := range []struct{ cluster, members, version, want string }{
		{"", someMembers, version, "/members does not say which cluster it is of"},
		{"xyz", someMembers, version, "/members does not say which cluster it is of"},
		{"c1", "", version, "/members answered 503 Service Unavailable"},
		{"c1", someMembers, "", "/version answered 503 Service Unavailable"},
		{"c1", "<html>", version, "/members answered with something else than expected"},
		{"c1", `[{"id":"x"}]`, version, "/members answered with something else than expected"},
		{"c1", someMembers, "[]", "/version answered with something else than expected"},
		{"c1", strings.Repeat(" ", maxAsked+1) + "[]", version, "/members answered more than 4194304 bytes"},
	} {
		s := serveCluster(t, tt.cluster, tt.members, tt.version)
		if _, err := Ask(t.Context(), s.Client(), s.URL); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want ...%s", err, tt.want)
		}
	}
	if _, err := Ask(t.Context(), http.DefaultClient, "http://127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := Ask(t.Context(), http.DefaultClient, "://"); err == nil {
		t.Error("no URL is taken for one")
	}
}
