package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"keytree/httpapi/tlsfiles/certtest"
)

// mustKnowHealth asks for the health of a member with settings, and returns
// the exit code and all that is said.
func mustKnowHealth(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	said, code = mustEnd(t, command(t, append([]string{"health"}, args...)...))
	return code, said
}

func TestHealthIsAskedOfTheMemberWithTheSameFlags(t *testing.T) {
	p := newPlace(t, "n0")
	_, port, err := net.SplitHostPort(strings.TrimPrefix(p.client, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	everywhere := []string{"--listen-client-urls", "http://0.0.0.0:" + port, "--advertise-client-urls", p.client}
	if code, said := mustKnowHealth(t, everywhere...); code != 1 || !strings.Contains(said, "connection refused") {
		t.Errorf("before it runs: exit %d:\n%s", code, said)
	}
	p.mustServe(everywhere...)
	if code, said := mustKnowHealth(t, everywhere...); code != 0 || said != "http://0.0.0.0:"+port+" is healthy\n" {
		t.Errorf("while it runs: exit %d:\n%s", code, said)
	}
}

func TestAMemberWithoutItsQuorumIsNotHealthy(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	servers := mustFound(t, all...)
	flags := []string{"--listen-client-urls", all[0].client, "--advertise-client-urls", all[0].client}
	if code, said := mustKnowHealth(t, flags...); code != 0 {
		t.Errorf("with all: exit %d:\n%s", code, said)
	}
	servers[1].kill()
	servers[2].kill()
	if code, said := mustKnowHealth(t, flags...); code != 1 || !strings.Contains(said, `503 Service Unavailable: {"health":"false"}`) {
		t.Errorf("alone: exit %d:\n%s", code, said)
	}
}

func TestHealthIsAskedOfAMemberThatWantsCertificates(t *testing.T) {
	c := newCertificates(t)
	args := append(c.flags("", c.ca.Issue(certtest.Leaf{CommonName: "server"})), "--client-cert-auth", "--trusted-ca-file", c.caFile())
	p := newPlace(t, "n0").secured("client")
	p.mustServe(args...)
	args = append(args, "--listen-client-urls", p.client, "--advertise-client-urls", p.client)
	if code, said := mustKnowHealth(t, args...); code != 0 || said != p.client+" is healthy\n" {
		t.Errorf("exit %d:\n%s", code, said)
	}
}

func TestHealthIsAskedInTheClearWhereItCanBe(t *testing.T) {
	for _, tt := range []struct{ args, want string }{
		{"", "http://localhost:2379"},
		{"--auto-tls --listen-client-urls https://h:1,http://h:2 --advertise-client-urls http://h:2", "http://h:2"},
		{"--auto-tls --listen-client-urls https://h:1 --advertise-client-urls https://h:1", "https://h:1"},
		{"--listen-metrics-urls http://h:3", "http://h:3"},
		{"--auto-tls --listen-metrics-urls https://h:3", "http://localhost:2379"},
	} {
		if got := mustReadConfig(t, strings.Fields(tt.args)...).ownURL(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.args, got, tt.want)
		}
	}
	for raw, want := range map[string]string{
		"http://0.0.0.0:1": "tcp 127.0.0.1:1", "http://[::]:1": "tcp [::1]:1", "http://:1": "tcp 127.0.0.1:1", "https://h:1": "tcp h:1",
		"unix:///run/k": "unix /run/k", "unixs://localhost:1": "unix localhost:1",
	} {
		network, address, err := ownAddress(raw)
		if got := network + " " + address; got != want || err != nil {
			t.Errorf("%s is at %s (%v), want %s", raw, got, err, want)
		}
	}
}

func TestHealthIsAskedByANameThatTheMemberTakes(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "good.example" {
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
		fmt.Fprint(w, `{"health":"true"}`)
	}))
	file := filepath.Join(t.TempDir(), "s")
	l, err := listenAtFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.Listener = l
	s.Start()
	defer s.Close()
	u := "unix://" + file
	c := mustReadConfig(t, "--listen-client-urls", u, "--advertise-client-urls", u, "--host-whitelist", "good.example")
	if err := c.askHealth(t.Context(), u); err != nil {
		t.Error(err)
	}
	c.hostWhitelist = words{"*"}
	if err := c.askHealth(t.Context(), u); err == nil {
		t.Error("an answer with status 421 counts as healthy")
	}
}

func TestWhatIsNoAnswerAboutHealthIsNoHealth(t *testing.T) {
	for _, answer := range []string{"", "true", `{"health":"false"}`, `{"health":true}`, "<html>"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		if err := defaults().askHealth(t.Context(), s.URL); err == nil {
			t.Errorf("%q counts as healthy", answer)
		}
		s.Close()
	}
}

func TestHealthWithoutSenseIsRefused(t *testing.T) {
	for args, want := range map[string]int{"--bogus": 2, "word": 1, "--help": 2, "--version": 2, "--heartbeat-interval 0": 1} {
		if code := runHealth(strings.Fields(args), nil, io.Discard, io.Discard); code != want {
			t.Errorf("keytree health %s: exit %d, want %d", args, code, want)
		}
	}
}
