package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plainly connects to what listens at a URL.
func plainly(raw string) (*http.Transport, error) {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		p := placeOf(raw)
		if p.file != "" {
			return new(net.Dialer).DialContext(ctx, "unix", p.file)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(p.host, p.port))
	}}, nil
}

// answering is a server that has a text for each path.
func answering(t *testing.T, answers map[string]string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, there := answers[r.URL.Path]
		if !there {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(s.Close)
	return s
}

// memberAnswers are those of a member called name.
func memberAnswers(name string) map[string]string {
	return map[string]string{
		"/version": `{"etcdserver":"3.4.23","etcdcluster":"3.4.0","keytree":"0.1.0"}`,
		"/health":  `{"health":"true"}`,
		statusPath: fmt.Sprintf(`{"member":{"id":"a","name":%q,"clientURLs":[]}}`, name),
		"/metrics": "",
	}
}

func TestAFreePortIsFine(t *testing.T) {
	e := examOf(Subject{ListenClient: []string{"http://127.0.0.1:0"}, ListenPeer: []string{"http://127.0.0.1:0"}, ListenMetrics: []string{"http://127.0.0.1:0"}})
	all := e.ports(t.Context())
	mustBeFine(t, all)
	if len(all) != 3 || e.self != "" {
		t.Errorf("self %q:\n%s", e.self, shown(all))
	}
}

func TestWhoHasThePortIsFoundOut(t *testing.T) {
	etcd := map[string]string{"/version": `{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`, "/v2/stats/self": `{"name":"n1"}`}
	for _, tt := range []struct {
		name    string
		answers map[string]string
		state   State
		words   []string
	}{
		{"this member", memberAnswers("n1"), OK, []string{"member n1 (keytree 0.1.0) runs there"}},
		{"another member", memberAnswers("n2"), Wrong, []string{"taken by member n2", "-> --name n2", "-> sudo ss -ltnp"}},
		{"etcd", etcd, Wrong, []string{"etcd 3.4.23", "-> sudo systemctl stop etcd"}},
		{"a web server", map[string]string{"/": "hello"}, Wrong, []string{"no member", "404"}},
		{"JSON of something else", map[string]string{"/version": "{}"}, Wrong, []string{"no member", "no version"}},
		{"not even JSON", map[string]string{"/version": "1.0"}, Wrong, []string{"something else than expected"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := answering(t, tt.answers).URL
			e := examOf(Subject{Name: "n1", ListenClient: []string{u}, Own: plainly})
			mustFind(t, e.ports(t.Context()), tt.state, tt.words...)
			if own := e.self == u; own != (tt.state == OK) {
				t.Errorf("self is %q", e.self)
			}
		})
	}
}

func TestThePortOfTheOldClientsMayBeTaken(t *testing.T) {
	u := answering(t, nil).URL
	e := examOf(Subject{Name: "n1", ListenClient: []string{u}, Spare: u, Own: plainly})
	mustFind(t, e.ports(t.Context()), Warning, "does without")
}

func TestMonitorsAreAnsweredByAServerWithHealth(t *testing.T) {
	e := examOf(Subject{Name: "n1", ListenMetrics: []string{answering(t, memberAnswers("")).URL}, Own: plainly})
	mustBeFine(t, e.ports(t.Context()))
	e = examOf(Subject{Name: "n1", ListenMetrics: []string{answering(t, nil).URL}, Own: plainly})
	mustFind(t, e.ports(t.Context()), Wrong, "--listen-metrics-urls with another port")
}

func TestAddressesOfOtherMachinesCannotBeListenedOn(t *testing.T) {
	e := examOf(Subject{ListenPeer: []string{"http://203.0.113.7:12380"}})
	mustFind(t, e.ports(t.Context()), Wrong, "does not have", "-> --listen-peer-urls http://0.0.0.0:12380")
	e = examOf(Subject{ListenPeer: []string{"http://nowhere.invalid:12380"}})
	mustFind(t, e.ports(t.Context()), Wrong, "nowhere.invalid", "-> --listen-peer-urls http://0.0.0.0:12380")
}

func TestAPortWithoutARightIsToldWithTheRight(t *testing.T) {
	// There is no such port on every machine: root has the right, and so has
	// everybody in some containers.
	l, err := net.Listen("tcp", "127.0.0.1:81")
	if err == nil {
		_ = l.Close()
		t.Skip("this process may listen on any port")
	}
	e := examOf(Subject{ListenClient: []string{"http://127.0.0.1:81"}, Own: plainly})
	mustFind(t, e.ports(t.Context()), Wrong, "setcap cap_net_bind_service")
}

func TestSocketsInTheFileSystemAreLookedAtAndNotMade(t *testing.T) {
	dir := privateDir(t)
	file := filepath.Join(dir, "k.sock")
	look := func(raw string) []Finding {
		return examOf(Subject{Name: "n1", ListenClient: []string{raw}, Own: plainly}).ports(t.Context())
	}
	mustBeFine(t, look("unix://"+file))
	if _, err := os.Lstat(file); err == nil {
		t.Error("it was made")
	}
	mustFind(t, look("unix://"+filepath.Join(dir, "none", "k.sock")), Wrong, "-> mkdir -p "+filepath.Join(dir, "none"))
	mustFind(t, look("unix://"+mustWrite(t, dir, "text")), Wrong, "no socket")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	server := &http.Server{Handler: http.NotFoundHandler()}
	go func() { _ = server.Serve(l) }() // until it is closed
	defer server.Close()
	mustFind(t, look("unix://"+file), Wrong, "taken", "ss -lxp")
}

func TestAFileOfASocketThatNobodyListensAtIsFine(t *testing.T) {
	file := filepath.Join(privateDir(t), "k.sock")
	l, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	mustBeFine(t, examOf(Subject{ListenClient: []string{"unix://" + file}}).ports(t.Context()))
	if _, err := os.Lstat(file); err != nil {
		t.Errorf("it was removed: %v", err)
	}
}

func TestAMemberThatHidesBehindAListOfHostsIsAskedByOneOfThem(t *testing.T) {
	answers := memberAnswers("n1")
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Host, "keys.example") {
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
		_, _ = w.Write([]byte(answers[r.URL.Path]))
	}))
	defer s.Close()
	e := examOf(Subject{Name: "n1", ListenClient: []string{s.URL}, Own: plainly, Host: "keys.example"})
	mustBeFine(t, e.ports(t.Context()))
}
