package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mustProxy starts a proxy at p and returns once it serves.
func (p place) mustProxy(args ...string) *server {
	p.t.Helper()
	cmd := command(p.t, append([]string{"--data-dir", p.dir, "--listen-client-urls", p.client}, args...)...)
	s := &server{t: p.t, stderr: &transcript{}, client: p.client, cmd: cmd}
	cmd.Stderr = s.stderr
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended long ago
		_ = cmd.Wait()
	})
	s.mustSay("proxy: listening for client requests on " + p.client)
	return s
}

func TestAProxyStaysAProxyOnItsDirectory(t *testing.T) {
	n0, p := newPlace(t, "n0"), newPlace(t, "p")
	mustFound(t, n0)
	s := p.mustProxy("--proxy", "on", "--initial-cluster", "anything="+n0.peer)
	s.mustPut("/k", "v")
	s.mustHave("/k", "v")
	if got := s.mustGetPage("/v2/config/local/proxy"); got != `{"endpoints":["`+n0.client+`"]}`+"\n" {
		t.Errorf("its endpoints: %s", got)
	}
	watch, err := http.Get(s.client + "/v2/keys/k?wait=true&stream=true") // an open watch must not hold it up
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close()
	begin := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.mustExit()
	if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM || time.Since(begin) > time.Second {
		t.Errorf("it ended after %v by %v", time.Since(begin), status.Signal())
	}

	s = p.mustProxy("--advertise-client-urls", p.client) // neither --proxy nor where the members are
	s.mustSay("the server is already initialized as proxy before, starting as etcd proxy...")
	s.mustHave("/k", "v")
	s.kill()
	if err := os.Mkdir(filepath.Join(p.dir, "member"), 0o700); err != nil {
		t.Fatal(err)
	}
	out, code := mustEnd(t, command(t, "--proxy", "on", "--data-dir", p.dir))
	if code != 1 || !strings.Contains(out, "invalid datadir. Both member and proxy directories exist.") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func (s *server) mustGetPage(path string) string {
	s.t.Helper()
	status, text, _ := s.ask("GET", path, "")
	if status != http.StatusOK {
		s.t.Fatalf("%s: %d %s", path, status, text)
	}
	return text
}

func TestAProxySharesWatchesIfItIsToldTo(t *testing.T) {
	n0, p, q := newPlace(t, "n0"), newPlace(t, "p"), newPlace(t, "q")
	member := mustFound(t, n0)[0]
	for _, tt := range []struct {
		at   place
		args []string
		want string // watchers that the member has more
	}{
		{p, []string{"--proxy-fanout"}, `"watchers":1}`},
		{q, nil, `"watchers":4}`},
	} {
		s := tt.at.mustProxy(append([]string{"--proxy", "on", "--initial-cluster", "n0=" + n0.peer}, tt.args...)...)
		for range 3 {
			watch, err := http.Get(s.client + "/v2/keys/k?wait=true&stream=true")
			if err != nil {
				t.Fatal(err)
			}
			defer watch.Body.Close()
		}
		if text := member.mustGetPage("/v2/stats/store"); !strings.Contains(text, tt.want) {
			t.Errorf("%s: %s, want %s", tt.at.name, text, tt.want)
		}
		if shared := strings.Contains(s.mustGetPage("/metrics"), "keytree_proxy_shared_clients 3"); shared != (tt.args != nil) {
			t.Errorf("%s: shared %v", tt.at.name, shared)
		}
	}
}

func TestAReadonlyProxyPassesReadsOnly(t *testing.T) {
	n0, p := newPlace(t, "n0"), newPlace(t, "p")
	mustFound(t, n0)[0].mustPut("/k", "v")
	s := p.mustProxy("--proxy", "readonly", "--initial-cluster", "n0="+n0.peer)
	s.mustHave("/k", "v")
	if status, text, _ := s.ask("PUT", "/v2/keys/k?value=w", ""); status != http.StatusNotImplemented || text != "" {
		t.Errorf("a write: %d %s", status, text)
	}
}

func TestAProxyWithAWrongListIsRefused(t *testing.T) {
	p := newPlace(t, "p")
	out, code := mustEnd(t, command(t, "--proxy", "on", "--data-dir", p.dir, "--listen-client-urls", p.client, "--initial-cluster", "x"))
	if code != 1 || !strings.Contains(out, "error setting up initial cluster: URL scheme must be http") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// The members need not be listed for a proxy either, nor need it be one of them.
func TestAProxyFindsTheMembersAtADiscoveryURL(t *testing.T) {
	host := mustStart(t, filepath.Join(t.TempDir(), "host"))
	host.mustPut("/discovery/tok/_config/size", "1")
	url := host.client + "/v2/keys/discovery/tok"
	newPlace(t, "n0").mustLaunch("--discovery", url).mustSay("ready to serve client requests")
	p := newPlace(t, "p").mustProxy("--proxy", "on", "--discovery", url)
	p.mustPut("/k", "v")
	p.mustHave("/k", "v")
}

func TestWhoWaitsAtADiscoveryURLEndsWhenToldTo(t *testing.T) {
	host := mustStart(t, filepath.Join(t.TempDir(), "host"))
	host.mustPut("/discovery/tok/_config/size", "3")
	n0 := newPlace(t, "n0")
	s := n0.mustLaunch("--discovery", host.client+"/v2/keys/discovery/tok")
	s.mustSay("waiting for 2 more")
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.mustExit()
	if status := s.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
		t.Errorf("it ended by %v\n%s", status.Signal(), s.stderr)
	}
	if strings.Contains(s.stderr.String(), "level=ERROR") {
		t.Errorf("it complains:\n%s", s.stderr)
	}
	if _, err := os.Stat(n0.dir); err == nil {
		t.Error("it has made its directory")
	}
}

// Three members meet at a token; who comes after them stands in for them,
// and does so again when it is started again.
func TestMembersMeetAtADiscoveryURL(t *testing.T) {
	host := mustStart(t, filepath.Join(t.TempDir(), "host"))
	host.mustPut("/discovery/tok/_config/size", "3")
	url := host.client + "/v2/keys/discovery/tok"
	all := newPlaces(t, "n0", "n1", "n2", "n3")
	var servers []*server
	for _, p := range all[:3] {
		servers = append(servers, p.mustLaunch("--discovery", url))
	}
	for _, s := range servers {
		s.mustSay("ready to serve client requests")
	}
	servers[0].mustPut("/k", "v")

	late := all[3].mustLaunch("--discovery", url)
	late.mustSay("discovery cluster full, falling back to proxy")
	late.mustSay("proxy: listening for client requests on")
	late.mustHave("/k", "v")
	if _, err := os.Stat(filepath.Join(all[3].dir, "member")); err == nil {
		t.Error("the proxy has left a directory of a member")
	}
	late.kill()
	late = all[3].mustLaunch("--discovery", url)
	late.mustSay("discovery token ignored since the proxy has already been initialized. Valid cluster file found at ")
	late.mustSay("proxy: listening for client requests on")
	late.mustHave("/k", "v")

	out, code := mustEnd(t, newPlace(t, "n4").command("--discovery", url, "--discovery-fallback", "exit"))
	if code != 1 || !strings.Contains(out, "failed to join discovery cluster (discovery: cluster is full)") {
		t.Errorf("exit %d:\n%s", code, out)
	}

	servers[1].kill()
	again := all[1].mustLaunch("--discovery", url)
	again.mustSay("discovery token ignored since a cluster has already been initialized. Valid log found at ")
	again.mustSay("ready to serve client requests")

	wiped := all[2]
	wiped.dir = filepath.Join(t.TempDir(), "wiped")
	servers[2].kill()
	out, code = mustEnd(t, wiped.command("--discovery", url))
	if code != 1 || !strings.Contains(out, `member \"n2\" has previously registered with discovery service token (`+url+`).`) {
		t.Errorf("exit %d:\n%s", code, out)
	}
}
