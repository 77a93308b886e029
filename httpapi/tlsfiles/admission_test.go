package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

// Who may come in, when a trusted CA file is given.
func TestAServerAdmitsThoseWhoseCertificateFits(t *testing.T) {
	w := newWorld(t)
	other := certtest.New(t, "another root")
	between := w.ca.Intermediate("department")
	now := time.Now()
	good := w.ca.Issue(certtest.Leaf{CommonName: "alice", Hosts: []string{"alice.example", "10.0.0.1"}})
	revoked := w.ca.Issue(certtest.Leaf{CommonName: "mallory"})
	revokedBelow := between.Issue(certtest.Leaf{CommonName: "mallet"})
	crl := certtest.Write(t, w.dir, "crl.pem", append(w.ca.Revoke(revoked), between.Revoke(revokedBelow)...))
	alone := between.Issue(certtest.Leaf{CommonName: "alone"})
	alone.PEM = alone.PEM[:strings.Index(string(alone.PEM), "-----END CERTIFICATE-----\n")+len("-----END CERTIFICATE-----\n")]

	for _, tt := range []struct {
		name   string
		shown  *certtest.Pair
		narrow Config
		want   string // the answer; empty: refused
		reason string
	}{
		{"good", good, Config{}, "alice", ""},
		{"good, not in the list", good, Config{CRLFile: crl}, "alice", ""},
		{"good, RSA", w.ca.Issue(certtest.Leaf{CommonName: "rsa", RSA: true}), Config{}, "rsa", ""},
		{"good, in a chain", between.Issue(certtest.Leaf{CommonName: "carol"}), Config{CRLFile: crl}, "carol", ""},
		{"whose host is another machine", w.ca.Issue(certtest.Leaf{CommonName: "far", Hosts: []string{"192.0.2.1", "far.example"}}), Config{}, "far", ""},
		{"for no host", w.ca.Issue(certtest.Leaf{CommonName: "nowhere", Hosts: []string{}}), Config{}, "nowhere", ""},
		{"whose chain is not shown", alone, Config{}, "", "x509: certificate signed by unknown authority"},
		{"none", nil, Config{}, "", "tls: client didn't provide a certificate"},
		{"of another authority", other.Issue(certtest.Leaf{CommonName: "eve"}), Config{}, "", "x509: certificate signed by unknown authority"},
		{"self-signed", certtest.SelfSigned(t, certtest.Leaf{CommonName: "self"}), Config{}, "", "x509: certificate signed by unknown authority"},
		{"expired", w.ca.Issue(certtest.Leaf{CommonName: "old", Until: now.Add(-time.Minute)}), Config{}, "", "x509: certificate has expired or is not yet valid: current time"},
		{"not yet valid", w.ca.Issue(certtest.Leaf{CommonName: "young", From: now.Add(time.Hour)}), Config{}, "", "x509: certificate has expired or is not yet valid: current time"},
		{"for servers only", w.ca.Issue(certtest.Leaf{CommonName: "srv", Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}), Config{}, "", "expected: extended key usage: client authentication"},
		{"revoked", revoked, Config{CRLFile: crl}, "", "of CN=mallory was revoked on 20"},
		{"revoked by an authority in between", revokedBelow, Config{CRLFile: crl}, "", "of CN=mallet was revoked on 20"},
		{"revoked, but nobody looks", revoked, Config{}, "mallory", ""},
		{"of the allowed name", good, Config{AllowedCN: "alice"}, "alice", ""},
		{"of another name", good, Config{AllowedCN: "bob"}, "", "the common name is not the allowed one; the certificate is that of CN=alice, issued by CN=root"},
		{"of a name that only begins alike", good, Config{AllowedCN: "ali"}, "", "expected: common name ali"},
		{"for the allowed host", good, Config{AllowedHostname: "alice.example"}, "alice", ""},
		{"for the allowed address", good, Config{AllowedHostname: "10.0.0.1"}, "alice", ""},
		{"for another host", good, Config{AllowedHostname: "bob.example"}, "", "hosts: DNS:alice.example, IP:10.0.0.1, valid from"},
		{"of the allowed name, for another host", good, Config{AllowedCN: "alice", AllowedHostname: "alice"}, "", "expected: valid for host alice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{t: t, dir: t.TempDir(), ca: w.ca, log: &transcript{}}
			c := w.config(nil)
			c.TrustedCAFile = certtest.Write(t, w.dir, "ca.pem", w.ca.PEM())
			c.CRLFile, c.AllowedCN, c.AllowedHostname = tt.narrow.CRLFile, tt.narrow.AllowedCN, tt.narrow.AllowedHostname
			for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
				*w.log = transcript{}
				address := mustServe(t, mustOpen(t, c))
				client := &tls.Config{RootCAs: w.ca.Pool(), MinVersion: version, MaxVersion: version}
				if tt.shown != nil {
					shown := tt.shown.TLS() // whatever the server asks for
					client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
				}
				got := ask(t, address, client)
				if tt.want != "" {
					if got != tt.want+" in HTTP/1.1" {
						t.Errorf("%s: %s\n%s", tls.VersionName(version), got, w.log)
					}
					continue
				}
				if !strings.Contains(got, "remote error: tls: ") && !strings.Contains(got, "connection reset by peer") && !strings.Contains(got, "broken pipe") {
					t.Errorf("%s: it was not refused: %s", tls.VersionName(version), got)
				}
				w.mustSay(`rejected connection from "127.0.0.1:`)
				w.mustSay(tt.reason)
				w.mustSay(`, ServerName "")`)
				if tt.shown != nil {
					w.mustSay("that of CN=" + tt.shown.Cert.Subject.CommonName + ",")
				}
			}
		})
	}
}

func TestAServerAsksForACertificateAsEtcd34Does(t *testing.T) {
	w := newWorld(t)
	stranger := certtest.SelfSigned(t, certtest.Leaf{CommonName: "stranger"}).TLS()
	for _, tt := range []struct {
		name           string
		ca, clientAuth bool
		demanded       bool
	}{
		{"neither", false, false, false},
		{"a trusted CA file alone", true, false, true},
		{"client-cert-auth alone, by the system's authorities", false, true, true},
		{"both", true, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := w.config(nil)
			c.ClientCertAuth = tt.clientAuth
			if tt.ca {
				c.TrustedCAFile = w.caFile
			}
			address := mustServe(t, mustOpen(t, c))
			for shown, client := range map[string]*tls.Config{
				"none":       {RootCAs: w.ca.Pool()},
				"a stranger": {RootCAs: w.ca.Pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &stranger, nil }},
			} {
				got := ask(t, address, client)
				if admitted := got == "nobody in HTTP/1.1"; admitted == tt.demanded {
					t.Errorf("certificate: %s: %s", shown, got)
				}
			}
		})
	}
}

// What a client makes of the server it reaches.
func TestAClientTrustsServersWhoseCertificateFits(t *testing.T) {
	w := newWorld(t)
	other := certtest.New(t, "another root")
	now := time.Now()
	revoked := w.ca.Issue(certtest.Leaf{CommonName: "mallory"})
	crl := certtest.Write(t, w.dir, "crl.pem", w.ca.Revoke(revoked))
	far := w.ca.Issue(certtest.Leaf{CommonName: "far", Hosts: []string{"far.example", "192.0.2.1"}})
	for _, tt := range []struct {
		name   string
		server *certtest.Pair
		client Config
		want   string // in the error; empty: none
	}{
		{"good", w.ca.Issue(certtest.Leaf{}), Config{}, ""},
		{"RSA", w.ca.Issue(certtest.Leaf{RSA: true}), Config{}, ""},
		{"in a chain", w.ca.Intermediate("department").Issue(certtest.Leaf{}), Config{}, ""},
		{"of another authority", other.Issue(certtest.Leaf{CommonName: "eve"}), Config{}, "unknown authority"},
		{"of another authority, says what was expected", other.Issue(certtest.Leaf{}), Config{}, "ca.pem: CN=root"},
		{"self-signed", certtest.SelfSigned(t, certtest.Leaf{CommonName: "self"}), Config{}, "issued by CN=self"},
		{"self-signed, not checked", certtest.SelfSigned(t, certtest.Leaf{}), Config{InsecureSkipVerify: true}, ""},
		{"expired", w.ca.Issue(certtest.Leaf{Until: now.Add(-time.Minute)}), Config{}, "has expired or is not yet valid"},
		{"not yet valid", w.ca.Issue(certtest.Leaf{From: now.Add(time.Hour)}), Config{}, "has expired or is not yet valid"},
		{"for clients only", w.ca.Issue(certtest.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}), Config{}, "expected: extended key usage: server authentication"},
		{"for another host", far, Config{}, "hosts: DNS:far.example, IP:192.0.2.1, valid from"},
		{"for another host, says for which it should be", far, Config{}, "expected: subjectAltName=IP:127.0.0.1"},
		{"for no host", w.ca.Issue(certtest.Leaf{CommonName: "127.0.0.1", Hosts: []string{}}), Config{}, "hosts: none"},
		{"for another host, by the name it is to have", far, Config{ServerName: "far.example"}, ""},
		{"by a name it does not have", far, Config{ServerName: "near.example"}, "expected: subjectAltName=DNS:near.example"},
		{"revoked", revoked, Config{CRLFile: crl}, "of CN=mallory was revoked"},
		{"of the allowed name", far, Config{ServerName: "far.example", AllowedCN: "far"}, ""},
		{"of another name", far, Config{ServerName: "far.example", AllowedCN: "near"}, "expected: common name near"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &world{t: t, dir: t.TempDir(), ca: w.ca, log: &transcript{}}
			address := mustServe(t, mustOpen(t, w.config(tt.server)))
			c := tt.client
			c.TrustedCAFile = certtest.Write(t, w.dir, "ca.pem", w.ca.PEM())
			err := dial(t, mustOpen(t, c), address)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// Two members of a cluster show each other their certificates.
func TestAClientShowsItsOwnCertificate(t *testing.T) {
	w := newWorld(t)
	c := w.config(w.ca.Issue(certtest.Leaf{CommonName: "member"}))
	c.TrustedCAFile = w.caFile
	f := mustOpen(t, c)
	if got := ask(t, mustServe(t, f), f.Client()); got != "member in HTTP/1.1" {
		t.Error(got)
	}
}

// The server's configuration is as good without our listener.
func TestTheServersConfigurationFitsNetHTTP(t *testing.T) {
	w := newWorld(t)
	config := mustOpen(t, w.config(nil)).Server("h2", "http/1.1")
	if _, err := tls.Listen("tcp", "127.0.0.1:0", config); err != nil {
		t.Fatal(err)
	}
	inner, err := config.GetConfigForClient(&tls.ClientHelloInfo{})
	if err != nil || len(inner.NextProtos) != 2 || len(inner.Certificates) != 1 || inner.MinVersion != tls.VersionTLS12 {
		t.Errorf("%v %+v", err, inner)
	}
}

// A session of before must not outlive the certificate that it was made with.
func TestASessionWithACertificateIsNotResumed(t *testing.T) {
	w := newWorld(t)
	for _, demanded := range []bool{false, true} {
		c := w.config(nil)
		c.ClientCertAuth = demanded
		if demanded {
			c.TrustedCAFile = w.caFile
		}
		address := mustServe(t, mustOpen(t, c))
		client := &tls.Config{RootCAs: w.ca.Pool(), ClientSessionCache: tls.NewLRUClientSessionCache(1), Certificates: []tls.Certificate{w.ca.Issue(certtest.Leaf{}).TLS()}}
		resumed := false
		client.VerifyConnection = func(cs tls.ConnectionState) error { resumed = cs.DidResume; return nil }
		ask(t, address, client)
		ask(t, address, client)
		if resumed == demanded {
			t.Errorf("certificate demanded: %v, session resumed: %v", demanded, resumed)
		}
	}
}

func TestNothingOlderThanTLS12IsSpoken(t *testing.T) {
	w := newWorld(t)
	address := mustServe(t, mustOpen(t, w.config(nil)))
	if got := ask(t, address, &tls.Config{RootCAs: w.ca.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); !strings.Contains(got, "protocol version not supported") {
		t.Error(got)
	}
	if got := mustOpen(t, Config{}).Client().MinVersion; got != tls.VersionTLS12 {
		t.Errorf("a client speaks %x", got)
	}
}

// An authority whose certificate was revoked goes on with another one.
func TestOneChainWithoutARevokedCertificateIsEnough(t *testing.T) {
	w := newWorld(t)
	old, renewed := w.ca.Issue(certtest.Leaf{CommonName: "department"}), w.ca.Issue(certtest.Leaf{CommonName: "department"})
	leaf := w.ca.Issue(certtest.Leaf{})
	f := mustOpen(t, Config{TrustedCAFile: w.caFile, CRLFile: certtest.Write(t, w.dir, "crl.pem", w.ca.Revoke(old))})
	by := func(p *certtest.Pair) []*x509.Certificate { return []*x509.Certificate{leaf.Cert, p.Cert} }
	s := f.now.Load()
	for name, chains := range map[string][][]*x509.Certificate{
		"the last":  {by(old), by(renewed)},
		"the first": {by(renewed), by(old)},
	} {
		if err := s.checkRevoked(chains); err != nil {
			t.Errorf("%s is good: %v", name, err)
		}
	}
	if s.checkRevoked([][]*x509.Certificate{by(old)}) == nil {
		t.Error("a chain with a revoked authority is admitted")
	}
}

// What a stranger shows must not flood the log.
func TestADescriptionOfACertificateIsBounded(t *testing.T) {
	w := newWorld(t)
	leaf := certtest.Leaf{CommonName: strings.Repeat("n", 5000)}
	for i := range 1000 {
		leaf.Hosts = append(leaf.Hosts, fmt.Sprintf("%s%d.example", strings.Repeat("h", 500), i))
	}
	got := describe(w.ca.Issue(leaf).Cert)
	if len(got) > 2000 || !strings.Contains(got, "and 990 more") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestADialerOffersItsProtocols(t *testing.T) {
	w := newWorld(t)
	address := mustServe(t, mustOpen(t, w.config(nil)), "h2", "http/1.1")
	conn, err := mustOpen(t, Config{TrustedCAFile: w.caFile}).Dialer((&net.Dialer{}).DialContext, "h2")(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "h2" {
		t.Errorf("%q is spoken", got)
	}
}

// A socket in the file system has no host, even if its name looks so.
func TestWhoListensAtAFileIsLocalhost(t *testing.T) {
	w := newWorld(t)
	t.Chdir(w.dir)
	inner, err := net.Listen("unix", "a:1")
	if err != nil {
		t.Fatal(err)
	}
	l := mustOpen(t, w.config(w.ca.Issue(certtest.Leaf{Hosts: []string{"localhost"}}))).Listener(inner)
	defer l.Close()
	go func() { _, _ = l.Accept() }()
	conn, err := mustOpen(t, Config{TrustedCAFile: w.caFile}).Dialer((&net.Dialer{}).DialContext)(t.Context(), "unix", "a:1")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
