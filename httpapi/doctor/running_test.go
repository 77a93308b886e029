package doctor

import (
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"keytree/httpapi/tlsfiles"
)

// mustServeTLS serves h with files and returns the URL.
func mustServeTLS(t *testing.T, files *tlsfiles.Files, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := "https://" + l.Addr().String()
	server := &http.Server{Handler: h}
	done := make(chan error)
	go func() { done <- server.Serve(files.Listener(l, "http/1.1")) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return u
}

func mustRead(t *testing.T, text string) *status {
	t.Helper()
	s := &status{}
	if err := json.Unmarshal([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// healthy is what a member says that is well.
const healthy = `{"member":{"id":"a","name":"n1","version":"0.1.0","clientURLs":["http://c:1"]},
"cluster":{"id":"c","leader":{"name":"n1"},"healthy":true,"members":[]},
"raft":{"committed":100,"applied":100,"pending":0,"state":"leader","followers":[{"name":"n2","lag":0,"state":"replicate","active":true}]},
"store":{"keysBytes":100,"quotaBytes":1000},"members":[{"name":"n1","status":{}},{"name":"n2","status":{}}]}`

// examine asks a member that answers with a status and metrics.
func examine(t *testing.T, status, metrics string) []Finding {
	t.Helper()
	u := answering(t, map[string]string{statusPath: status, "/metrics": metrics}).URL
	e := examOf(Subject{Name: "n1", AdvertiseClient: []string{"http://c:1"}, Own: plainly})
	e.self = u
	all := e.member(t.Context())
	if (e.running != nil) != (len(all) > 1) {
		t.Errorf("running is %v", e.running)
	}
	return all
}

func TestAMemberThatIsWellIsFine(t *testing.T) {
	all := examine(t, healthy, "keytree_watches_slow_total 99\n")
	mustBeFine(t, all)
	mustFind(t, all, OK, "leader of cluster c, led by n1")
	mustFind(t, all, OK, "100 bytes of a quota of 1000 bytes")
}

func TestWhatARunningMemberSuffersFromIsTold(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		state    State
		words    []string
	}{
		{`{"name":"n1"},"healthy":true`, `null,"healthy":false`, Wrong, []string{"no leader", "-> etcdctl2 cluster-health"}},
		{`"healthy":true`, `"healthy":false`, Wrong, []string{"does not hear most"}},
		{`"applied":100`, `"applied":2`, OK, []string{"2 of 100"}},
		{`"committed":100`, `"committed":5000`, Warning, []string{"4900 entries behind"}},
		{`"pending":0`, `"pending":2000`, Warning, []string{"2000 writes wait"}},
		{`"active":true`, `"active":false`, Wrong, []string{"does not hear follower n2", "-> keytree doctor on n2"}},
		{`"lag":0`, `"lag":20000`, Warning, []string{"n2 is 20000 entries behind"}},
		{`"keysBytes":100`, `"keysBytes":850`, Warning, []string{"850 bytes of a quota", "-> --quota-bytes 2000"}},
		{`"keysBytes":100`, `"keysBytes":1000`, Wrong, []string{"refuses", "-> etcdctl2 rm"}},
		{`http://c:1`, `http://old:1`, Warning, []string{"[http://old:1]", "-> sudo systemctl restart"}},
		{`{"name":"n2","status":{}}`, `{"name":"n2","status":null,"error":"refused"}`, Wrong, []string{"n2 does not answer: refused"}},
		{healthy, "nothing", Wrong, []string{"does not say how it stands", "-> journalctl"}},
	} {
		changed := strings.Replace(healthy, tt.from, tt.to, 1)
		if changed == healthy {
			t.Fatalf("%s is not there", tt.from)
		}
		mustFind(t, examine(t, changed, ""), tt.state, tt.words...)
	}
}

func TestWatchesThatWereLostAreTold(t *testing.T) {
	mustFind(t, examine(t, healthy, "keytree_watches_slow_total 60\nkeytree_watches_slow_total{kind=\"x\"} 50\n"), Warning, "110 watches were ended")
	mustFind(t, examine(t, healthy, "keytree_watches_cleared_total 1e3\nkeytree_watches_cleared_totals 7\n"), Warning, "1000 watches asked", "-> --watch-history 10000")
}

func TestWithoutAMemberThereIsNobodyToAsk(t *testing.T) {
	mustFind(t, examOf(Subject{}).member(t.Context()), Unchecked, "there is none")
}

func TestAProxyIsAskedForTheHealthBehindIt(t *testing.T) {
	for health, want := range map[string]State{`{"health":"true"}`: OK, `{"health":"false"}`: Wrong} {
		e := examOf(Subject{Proxy: true, Own: plainly})
		e.self = answering(t, map[string]string{"/health": health}).URL
		mustFind(t, e.member(t.Context()), want, "healthy")
	}
}
