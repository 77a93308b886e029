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
		{"--listen-peer-urls unix://", `error verifying flags, --listen-peer-urls "unix:" names no file. See 'keytree --help'.`},
		{"--listen-metrics-urls unixs:// --cert-file c --key-file k", `error verifying flags, --listen-metrics-urls "unixs:" names no file. See 'keytree --help'.`},
		{"--heartbeat-interval 3689348814741910324", "error verifying flags, --election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[3689348814741910324ms]. See 'keytree --help'."},
		{"--max-request-bytes 1023", "error verifying flags, --max-request-bytes[1023] should be at least 1024. See 'keytree --help'."},
		{"--quota-bytes 9223372036854775808", "error verifying flags, --quota-bytes[9223372036854775808] should be at most 9223372036854775807. See 'keytree --help'."},
		{"--logger x", `error verifying flags, unknown logger option "x". See 'keytree --help'.`},
		{"--enable-v2=false", "error verifying flags, --enable-v2=false leaves nothing to serve. See 'keytree --help'."},
		{"--pre-vote true", "error verifying flags, 'true' is not a valid flag. See 'keytree --help'."},
	}
	for _, tt := range tests {
		if _, err := readConfig(strings.Fields(tt.args), nil, io.Discard); err == nil || err.Error() != tt.want {
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
		{"--log-level nope", `invalid value "nope" for flag -log-level: invalid value`},
		{"--listen-metrics-urls abc", `invalid value "abc" for flag -listen-metrics-urls: URL scheme must be http, https, unix, or unixs: abc`},
		{"--quota-bytes -1", `invalid value "-1" for flag -quota-bytes: parse error`},
		{"--bcrypt-cost x", `invalid value "x" for flag -bcrypt-cost: parse error`},
		{"--auto-tls=1x", `invalid boolean value "1x" for -auto-tls: parse error`},
		{"--peers h:1", `invalid value "h:1" for flag -peers: flag "-peers" is no longer supported.`},
		{"--peers-file=", `invalid value "" for flag -peers-file: flag "-peers-file" is no longer supported.`},
		{"--strict-reconfig-check=x", `invalid boolean value "x" for -strict-reconfig-check: parse error`},
		{"--listen-peer-urls ftp://h:1", `invalid value "ftp://h:1" for flag -listen-peer-urls: URL scheme must be http, https, unix, or unixs: ftp://h:1`},
		{"--listen-peer-urls http://h:1,", `invalid value "http://h:1," for flag -listen-peer-urls: URL scheme must be http, https, unix, or unixs: `},
	}
	for _, tt := range tests {
		var said bytes.Buffer
		_, err := readConfig(strings.Fields(tt.args), nil, &said)
		if line, _, _ := strings.Cut(said.String(), "\n"); !errors.As(err, &usageError{}) || line != tt.want {
			t.Errorf("keytree %s: %v, %s\nwant %s", tt.args, err, line, tt.want)
		}
	}
}

// The texts are etcd's (spec: server.md 11).
func TestURLsWithoutTheCertificatesTheyNeedAreRefused(t *testing.T) {
	tests := []struct{ args, want string }{
		{"--listen-client-urls https://127.0.0.1:1,http://127.0.0.1:2", "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:1 with HTTPS scheme"},
		{"--listen-client-urls unixs://s:1", "TLS key/cert (--cert-file, --key-file) must be provided for client url unixs://s:1 with HTTPS scheme"},
		{"--listen-metrics-urls https://127.0.0.1:1", "TLS key/cert (--cert-file, --key-file) must be provided for metrics url https://127.0.0.1:1 with HTTPS scheme"},
		{"--listen-peer-urls https://127.0.0.1:1", "cannot listen on TLS for 127.0.0.1:1: KeyFile and CertFile are not presented"},
		{"--listen-peer-urls https://127.0.0.1:1 --auto-tls --cert-file c --key-file k", "cannot listen on TLS for 127.0.0.1:1: KeyFile and CertFile are not presented"},
		{"--cert-file /x.pem", "KeyFile and CertFile must both be present[key: , cert: /x.pem]"},
		{"--peer-key-file /x.pem --peer-auto-tls", "KeyFile and CertFile must both be present[key: /x.pem, cert: ]"},
		{"--cipher-suites TLS_RSA_WITH_AES_128_GCM_SHA256,NOPE", `unexpected TLS cipher suite "NOPE"`},
	}
	for _, tt := range tests {
		args := append(strings.Fields(tt.args), "--advertise-client-urls", "http://h:1")
		if _, err := readConfig(args, nil, io.Discard); err == nil || err.Error() != tt.want {
			t.Errorf("keytree %s: %v\nwant %s", tt.args, err, tt.want)
		}
	}
	mustReadConfig(t, "--listen-client-urls", "https://127.0.0.1:1", "--advertise-client-urls", "https://h:1", "--auto-tls",
		"--listen-peer-urls", "https://127.0.0.1:2", "--peer-cert-file", "c", "--peer-key-file", "k")
}

func mustReadConfig(t *testing.T, args ...string) *config {
	t.Helper()
	c, err := readConfig(args, nil, io.Discard)
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
	if want := (proxyConfig{proxyOff, 5000, 30_000, 1000, 5000, 0, false}); c.proxy != want {
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

func TestSocketsInTheFileSystemAreListenedOn(t *testing.T) {
	c := mustReadConfig(t, "--listen-client-urls", "unix:///run/k.sock,unix://h:1", "--advertise-client-urls", "unix:///run/k.sock")
	if got, want := c.listenClient.String(), "unix:///run/k.sock,unix://h:1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAnUnknownFlagIsToldTheClosestKnownOne(t *testing.T) {
	for flag, want := range map[string]string{
		"--listen-client-url": "did you mean --listen-client-urls?\n",
		"-nam=x":              "did you mean --name?\n",
		"--bogus":             "--help    shows all flags\n", // nothing is close
	} {
		var said bytes.Buffer
		if _, err := readConfig([]string{flag}, nil, &said); !errors.As(err, &usageError{}) || !strings.HasSuffix(said.String(), want) {
			t.Errorf("%s: %v\n%swant %s", flag, err, &said, want)
		}
	}
}

func TestEtcdsFlagsWithoutEffectAreAccepted(t *testing.T) {
	mustReadConfig(t, "--max-snapshots=0", "--max-wals", "3", "--snapshot-count", "10", "--pre-vote",
		"--initial-election-tick-advance=false", "--discovery-proxy", "h:3128", "--discovery-srv-name", "x")
}
