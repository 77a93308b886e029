package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

// newSecuredPlaces are places whose members speak TLS to each other.
func newSecuredPlaces(t *testing.T, names ...string) []place {
	t.Helper()
	all := newPlaces(t, names...)
	for i, p := range all {
		all[i] = p.secured("peer")
	}
	return all
}

// peerFlags has a member show pair to the others, and demand the same of them.
func (c *certificates) peerFlags(pair *certtest.Pair, more ...string) []string {
	c.t.Helper()
	return append(append(c.flags("peer-", pair), "--peer-client-cert-auth", "--peer-trusted-ca-file", c.caFile()), more...)
}

// isReadyWithin is whether a member becomes ready before the time is over.
func (s *server) isReadyWithin(limit time.Duration) bool {
	s.t.Helper()
	return within(s.t, limit, func() bool { return strings.Contains(s.stderr.String(), "ready to serve client requests") })
}

// A cluster of two of three, and a third that the others let in or do not.
func TestMembersLetInWhoseCertificateFits(t *testing.T) {
	c := newCertificates(t)
	other := certtest.New(t, "another root")
	revoked := c.ca.Issue(certtest.Leaf{CommonName: "mallory"})
	crl := certtest.Write(t, c.dir, "crl.pem", c.ca.Revoke(revoked))
	all := newSecuredPlaces(t, "n0", "n1", "n2")
	founders := []string{"--initial-cluster", list(all...), "--peer-crl-file", crl}
	var first []*server
	for _, p := range all[:2] {
		first = append(first, p.mustLaunch(c.peerFlags(c.ca.Issue(certtest.Leaf{CommonName: p.name}), founders...)...))
	}
	for _, s := range first {
		s.mustSay("ready to serve client requests")
	}
	first[0].mustPut("/k", "v")

	for _, tt := range []struct {
		name   string
		shown  *certtest.Pair
		reason string // said by one of the others
	}{
		{"of another authority", other.Issue(certtest.Leaf{CommonName: "eve", Hosts: []string{"127.0.0.1", "eve.example"}}), "hosts: DNS:eve.example, IP:127.0.0.1, valid from"},
		{"self-signed", certtest.SelfSigned(t, certtest.Leaf{CommonName: "self"}), "that of CN=self, issued by CN=self"},
		{"expired", c.ca.Issue(certtest.Leaf{CommonName: "old", Until: time.Now().Add(-time.Minute)}), "certificate has expired or is not yet valid"},
		{"revoked", revoked, "of CN=mallory was revoked on"},
		{"for another host", c.ca.Issue(certtest.Leaf{CommonName: "far", Hosts: []string{"far.example", "192.0.2.1"}}), "expected: subjectAltName=IP:127.0.0.1"},
	} {
		third := all[2].mustLaunch(c.peerFlags(tt.shown, "--initial-cluster", list(all...))...)
		if !within(t, 10*time.Second, func() bool { return strings.Contains(first[0].stderr.String()+first[1].stderr.String(), tt.reason) }) {
			t.Errorf("%s: the others do not say %q:\n%s", tt.name, tt.reason, first[0].stderr)
		}
		if third.isReadyWithin(time.Second) {
			t.Errorf("%s: it was let in:\n%s", tt.name, third.stderr)
		}
		third.kill()
	}
	first[1].mustPut("/k", "w") // nothing of this has hurt the others
	third := all[2].mustLaunch(c.peerFlags(c.ca.Issue(certtest.Leaf{CommonName: "good"}), founders...)...)
	third.mustSay("ready to serve client requests")
	third.mustHave("/k", "w")
}

// A member whose address is behind a translation has a certificate for the
// address it is known by, and none for the one its packets come from. etcd
// looks the latter up, backwards, and refuses.
func TestAMembersCertificateNeedNotBeForWhereItComesFrom(t *testing.T) {
	c := newCertificates(t)
	all := newSecuredPlaces(t, "n0", "n1", "n2")
	var servers []*server
	for i, p := range all {
		p.peer = strings.Replace(p.peer, "127.0.0.1", "localhost", 1)
		all[i] = p
	}
	for _, p := range all {
		own := c.ca.Issue(certtest.Leaf{Hosts: []string{"localhost"}}) // not 127.0.0.1
		args := append(c.peerFlags(own), "--initial-cluster", list(all...), "--listen-peer-urls", strings.Replace(p.peer, "localhost", "127.0.0.1", 1))
		servers = append(servers, p.mustLaunch(args...))
	}
	for _, s := range servers {
		s.mustSay("ready to serve client requests")
	}
}

func TestMembersLetInWhoHasTheAllowedName(t *testing.T) {
	c := newCertificates(t)
	for _, tt := range []struct{ flag, value, expected string }{
		{"--peer-cert-allowed-cn", "member", "expected: common name member"},
		{"--peer-cert-allowed-hostname", "member.example", "expected: valid for host member.example"},
	} {
		t.Run(tt.flag, func(t *testing.T) {
			all := newSecuredPlaces(t, "n0", "n1", "n2")
			launch := func(p place, leaf certtest.Leaf) *server {
				return p.mustLaunch(c.peerFlags(c.ca.Issue(leaf), "--initial-cluster", list(all...), tt.flag, tt.value)...)
			}
			good := certtest.Leaf{CommonName: "member", Hosts: []string{"127.0.0.1", "member.example"}}
			first, second := launch(all[0], good), launch(all[1], good)
			first.mustSay("ready to serve client requests")
			second.mustSay("ready to serve client requests")
			third := launch(all[2], certtest.Leaf{CommonName: "other"})
			if !within(t, 10*time.Second, func() bool { return strings.Contains(first.stderr.String()+second.stderr.String(), tt.expected) }) {
				t.Errorf("the others do not say %q:\n%s", tt.expected, first.stderr)
			}
			if third.isReadyWithin(time.Second) {
				t.Error("it was let in")
			}
		})
	}
}

func TestPeerAutoTLSFormsACluster(t *testing.T) {
	all := newSecuredPlaces(t, "n0", "n1", "n2")
	var servers []*server
	for _, p := range all {
		servers = append(servers, p.mustLaunch("--peer-auto-tls", "--initial-cluster", list(all...)))
	}
	for i, s := range servers {
		s.mustSay("ready to serve client requests")
		for file, mode := range map[string]os.FileMode{"cert.pem": 0o644, "key.pem": 0o600} {
			info, err := os.Stat(filepath.Join(all[i].dir, "fixtures", "peer", file))
			if err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v %v", file, info, err)
			}
		}
	}
	servers[0].mustPut("/k", "v")
	servers[2].mustHave("/k", "v")
	if status, text := fetch(t, &tls.Config{InsecureSkipVerify: true}, "GET", all[0].peer+"/version", ""); status != 200 {
		t.Errorf("the peers' port: %d %s", status, text)
	}
	servers[1].kill()
	back := all[1].mustLaunch("--peer-auto-tls", "--initial-cluster", list(all...))
	back.mustSay("ready to serve client requests")
	back.mustHave("/k", "v")
}

// A cluster moves to another authority without a moment's pause: trust both,
// change the certificates, trust the new one.
func TestAClusterMovesToAnotherAuthority(t *testing.T) {
	c := newCertificates(t)
	next := certtest.New(t, "next root")
	all := newSecuredPlaces(t, "n0", "n1", "n2")
	var servers []*server
	for _, p := range all {
		servers = append(servers, p.mustLaunch(c.peerFlags(c.ca.Issue(certtest.Leaf{CommonName: p.name}), "--initial-cluster", list(all...))...))
	}
	for _, s := range servers {
		s.mustSay("ready to serve client requests")
	}
	taken := func(n int) {
		t.Helper()
		for _, s := range servers {
			if !within(t, 20*time.Second, func() bool { return strings.Count(s.stderr.String(), "new connections use them") >= n }) {
				t.Fatalf("change %d was not taken up:\n%s", n, s.stderr)
			}
		}
	}
	certtest.Write(t, c.dir, "ca.pem", append(c.ca.PEM(), next.PEM()...))
	taken(1)
	for i, p := range all {
		next.Issue(certtest.Leaf{CommonName: p.name}).Write(c.dir, fmt.Sprint("own", i+1))
	}
	taken(2)
	certtest.Write(t, c.dir, "ca.pem", next.PEM())
	taken(3)
	servers[0].mustPut("/k", "v")
	servers[2].kill() // who comes back meets new connections only
	flags := []string{"--peer-cert-file", filepath.Join(c.dir, "own3.pem"), "--peer-key-file", filepath.Join(c.dir, "own3-key.pem"),
		"--peer-client-cert-auth", "--peer-trusted-ca-file", c.caFile(), "--initial-cluster", list(all...)}
	back := all[2].mustLaunch(flags...)
	back.mustSay("ready to serve client requests")
	servers[1].mustPut("/l", "w")
	back.mustHave("/l", "w")
}
