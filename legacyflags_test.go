package main

import (
	"io"
	"strings"
	"testing"
)

func TestAddressesOfOldBecomeURLs(t *testing.T) {
	tests := []struct{ args, listenClient, advertiseClient, listenPeer, advertisePeer string }{
		{"-addr 127.0.0.1:2389 -bind-addr 127.0.0.1:2388 -peer-addr 127.0.0.1:2390 -peer-bind-addr 127.0.0.1:2391",
			"http://127.0.0.1:2388", "http://127.0.0.1:2389", "http://127.0.0.1:2391", "http://127.0.0.1:2390"},
		{"-addr 10.0.0.1:1 -peer-addr 10.0.0.1:2", "http://[::]:1", "http://10.0.0.1:1", "http://[::]:2", "http://10.0.0.1:2"},
		{"-bind-addr 10.0.0.1:1", "http://10.0.0.1:1", defaultClientURLs, defaultPeerURL, defaultPeerURL},
		{"-addr [::1]:1 -cert-file c -key-file k", "https://[::]:1", "https://[::1]:1", defaultPeerURL, defaultPeerURL},
		{"-peer-addr 10.0.0.1:1 -peer-auto-tls", defaultClientURLs, defaultClientURLs, "https://[::]:1", "https://10.0.0.1:1"},
		{"-bind-addr 10.0.0.1:1 -advertise-client-urls http://h:1", "http://10.0.0.1:1", "http://h:1", defaultPeerURL, defaultPeerURL},
	}
	for _, tt := range tests {
		c := mustReadConfig(t, strings.Fields(tt.args)...)
		got := []string{c.listenClient.String(), c.advertiseClient.String(), c.listenPeer.String(), c.advertisePeer.String()}
		want := []string{tt.listenClient, tt.advertiseClient, tt.listenPeer, tt.advertisePeer}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s:\n%s\nwant\n%s", tt.args, got, want)
		}
	}
	c, err := readConfig(nil, []string{"ETCD_ADDR=10.0.0.1:1", "ETCD_PEER_ADDR=10.0.0.1:2"}, io.Discard)
	if err != nil || c.listenClient.String() != "http://[::]:1" || c.advertisePeer.String() != "http://10.0.0.1:2" || c.clientDefault {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAnAddressAndAURLForTheSameAreRefused(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-bind-addr 10.0.0.1:1 -listen-client-urls http://h:1", "-listen-client-urls and -bind-addr"},
		{"-addr 10.0.0.1:1 -listen-client-urls http://h:1", "-listen-client-urls and -bind-addr"},
		{"-addr 10.0.0.1:1 -advertise-client-urls http://h:1", "-advertise-client-urls and -addr"},
		{"-peer-addr 10.0.0.1:1 -listen-peer-urls http://h:1", "-listen-peer-urls and -peer-bind-addr"},
		{"-peer-addr 10.0.0.1:1 -initial-advertise-peer-urls http://h:1", "-initial-advertise-peer-urls and -peer-addr"},
	}
	for _, tt := range tests {
		want := "error verifying flags, Set only one of flags " + tt.want + ". See 'keytree --help'."
		if _, err := readConfig(strings.Fields(tt.args), nil, io.Discard); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", tt.args, err, want)
		}
	}
}

func TestTheCAFilesOfOldAskForCertificates(t *testing.T) {
	c := mustReadConfig(t, "-ca-file", "a", "-peer-ca-file", "b", "-peer-trusted-ca-file", "b")
	for _, side := range []struct {
		tls  tlsConfig
		want string
	}{{c.clientTLS, "a"}, {c.peerTLS, "b"}} {
		if side.tls.trustedCAFile != side.want || !side.tls.clientCertAuth {
			t.Errorf("%+v, want %s trusted and asked for", side.tls, side.want)
		}
	}
}

func TestOfTwoCAFilesTheOneOfTodayCounts(t *testing.T) {
	c := mustReadConfig(t, "-peer-ca-file", "a", "-peer-trusted-ca-file", "b")
	const want = "peer-ca-file a is not used, because peer-trusted-ca-file is b"
	if got := c.warnings(); c.peerTLS.trustedCAFile != "b" || len(got) == 0 || got[0] != want {
		t.Errorf("%+v, %q", c.peerTLS, got)
	}
}

func TestWhatWasGivenForNothingIsTold(t *testing.T) {
	c := mustReadConfig(t, "--snapshot=x", "-vv", "--max-wals", "3", "--experimental-enable-v2v3", "/p", "--grpc-keepalive-timeout=3s", "--auth-token=")
	want := `WARN flag "-snapshot" is no longer supported - ignoring.
WARN flag "-vv" is no longer supported - ignoring.
INFO accepted, without effect here: max-wals,grpc-keepalive-timeout,experimental-enable-v2v3`
	if got := strings.Join(c.said(), "\n"); got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
}
