package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// The texts are those of etcd 3.4.23 (spec: server.md 6.1).
func TestFlagsThatContradictEachOtherAreRefused(t *testing.T) {
	const several = `error verifying flags, multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery" or "discovery-srv". See 'keytree --help'.`
	const unadvertised = "error verifying flags, --advertise-client-urls is required when --listen-client-urls is set explicitly.\n" +
		"When listening on specific address(es), this process must advertise accessible url(s) to each connected client. See 'keytree --help'."
	tests := []struct{ args, want string }{
		{"--discovery http://h:1/x --initial-cluster a=http://h:2", several},
		{"--discovery http://h:1/x --discovery-srv a.b", several},
		{"--discovery-srv a.b --initial-cluster a=http://h:2", several},
		{"--listen-client-urls http://127.0.0.1:1", unadvertised},
		{"--listen-client-urls http://127.0.0.1:1 --proxy off", unadvertised},
		{"--listen-client-urls http://127.0.0.1:1 --discovery http://h:1/x --discovery-fallback exit", unadvertised},
		{"--initial-advertise-peer-urls http://:29502 --advertise-client-urls http://:29501",
			`error verifying flags, --initial-advertise-peer-urls "http://:29502" must be "host:port" (unexpected empty host (http://:29502)). See 'keytree --help'.`},
		{"--advertise-client-urls http://:29501,http://a:1",
			`error verifying flags, --advertise-client-urls "http://:29501,http://a:1" must be "host:port" (unexpected empty host (http://:29501)). See 'keytree --help'.`},
		{"--listen-peer-urls unix://127.0.0.1:1", "error verifying flags, unix sockets (unix://127.0.0.1:1) are not supported, use an http URL. See 'keytree --help'."},
		{"--initial-advertise-peer-urls unixs://127.0.0.1:1", "error verifying flags, unix sockets (unixs://127.0.0.1:1) are not supported, use an http URL. See 'keytree --help'."},
		{"--heartbeat-interval 3689348814741910324", "error verifying flags, --election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[3689348814741910324ms]. See 'keytree --help'."},
		{"--pre-vote true", "error verifying flags, 'true' is not a valid flag. See 'keytree --help'."},
	}
	for _, tt := range tests {
		if _, err := readConfig(strings.Fields(tt.args), io.Discard); err == nil || err.Error() != tt.want {
			t.Errorf("keytree %s: %v\nwant %s", tt.args, err, tt.want)
		}
	}
}

func TestFlagsThatCannotBeReadAreRefused(t *testing.T) {
	tests := []struct{ args, want string }{
		{"--proxy maybe", `invalid value "maybe" for flag -proxy: invalid value`},
		{"--discovery-fallback x", `invalid value "x" for flag -discovery-fallback: invalid value`},
		{"--discovery-fallback=", `invalid value "" for flag -discovery-fallback: invalid value`},
		{"--initial-cluster-state=", `invalid value "" for flag -initial-cluster-state: invalid value`},
		{"--max-snapshots -1", `invalid value "-1" for flag -max-snapshots: parse error`},
		{"--max-wals x", `invalid value "x" for flag -max-wals: parse error`},
		{"--proxy-failure-wait -1", `invalid value "-1" for flag -proxy-failure-wait: parse error`},
		{"--strict-reconfig-check=x", `invalid boolean value "x" for -strict-reconfig-check: parse error`},
		{"--listen-peer-urls ftp://h:1", `invalid value "ftp://h:1" for flag -listen-peer-urls: URL scheme must be http, https, unix, or unixs: ftp://h:1`},
		{"--listen-peer-urls http://h:1,", `invalid value "http://h:1," for flag -listen-peer-urls: URL scheme must be http, https, unix, or unixs: `},
	}
	for _, tt := range tests {
		var said bytes.Buffer
		_, err := readConfig(strings.Fields(tt.args), &said)
		if line, _, _ := strings.Cut(said.String(), "\n"); !errors.As(err, &usageError{}) || line != tt.want {
			t.Errorf("keytree %s: %v, %s\nwant %s", tt.args, err, line, tt.want)
		}
	}
}

func mustReadConfig(t *testing.T, args ...string) *config {
	t.Helper()
	c, err := readConfig(args, io.Discard)
	if err != nil {
		t.Fatalf("keytree %v: %v", args, err)
	}
	return c
}

func TestAProxyAdvertisesNothing(t *testing.T) {
	for _, args := range []string{
		"--proxy on",
		"--proxy readonly",
		"--discovery http://h:1/x", // it may become one
		"--discovery http://h:1/x --discovery-fallback proxy",
	} {
		mustReadConfig(t, append(strings.Fields(args), "--listen-client-urls", "http://127.0.0.1:1")...)
	}
}

func TestWithoutFlagsAMemberFoundsAClusterOfItsOwn(t *testing.T) {
	c := mustReadConfig(t)
	if c.initialCluster != "default=http://localhost:2380" || c.state != stateNew || c.token != "etcd-cluster" {
		t.Errorf("%q, %s, %s", c.initialCluster, c.state, c.token)
	}
	if !c.strictReconfig || c.forceNew || c.proxy.mode != proxyOff || c.discovery.fallback != fallbackProxy {
		t.Errorf("%+v", c)
	}
	if want := (proxyConfig{proxyOff, 5000, 30_000, 1000, 5000, 0}); c.proxy != want {
		t.Errorf("a proxy would have %+v, want %+v", c.proxy, want)
	}
	c = mustReadConfig(t, "-name", "foo", "-initial-advertise-peer-urls", "http://h:2, http://h:1")
	if c.initialCluster != "foo=http://h:1,foo=http://h:2" {
		t.Errorf("%q", c.initialCluster)
	}
}

func TestWhereDiscoveryLooksThereIsNoDefaultCluster(t *testing.T) {
	for _, args := range [][]string{{"--discovery", "http://h:1/x"}, {"--discovery-srv", "example.com"}} {
		if c := mustReadConfig(t, args...); c.initialCluster != "" {
			t.Errorf("%v: %q", args, c.initialCluster)
		}
	}
}

func TestAnEmptyListOfURLsIsAsGoodAsNone(t *testing.T) {
	c := mustReadConfig(t, "--listen-client-urls=", "--listen-peer-urls=", "--advertise-client-urls=")
	if !c.clientDefault || c.listenClient.String() != defaultClientURLs || c.listenPeer.String() != defaultPeerURL {
		t.Errorf("listening on %v and %v", c.listenClient, c.listenPeer)
	}
}

func TestListsOfURLsAreTrimmedAndSorted(t *testing.T) {
	c := mustReadConfig(t, "--listen-client-urls", "http://h:3, http://h:1 ,http://h:2", "--advertise-client-urls", "http://h:3")
	if got, want := c.listenClient.String(), "http://h:1,http://h:2,http://h:3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestEtcdsFlagsWithoutEffectAreAccepted(t *testing.T) {
	mustReadConfig(t, "--max-snapshots=0", "--max-wals", "3", "--snapshot-count", "10", "--pre-vote",
		"--initial-election-tick-advance=false", "--discovery-proxy", "h:3128", "--discovery-srv-name", "x")
}
