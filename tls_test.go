package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

// certificates are the files that a test's members and clients have.
type certificates struct {
	t   *testing.T
	dir string
	ca  *certtest.Authority
	n   int
}

func newCertificates(t *testing.T) *certificates {
	t.Helper()
	c := &certificates{t: t, dir: t.TempDir(), ca: certtest.New(t, "root")}
	certtest.Write(t, c.dir, "ca.pem", c.ca.PEM())
	return c
}

func (c *certificates) caFile() string { return filepath.Join(c.dir, "ca.pem") }

// flags has a side of a member, "" or "peer-", show pair.
func (c *certificates) flags(side string, pair *certtest.Pair) []string {
	c.t.Helper()
	c.n++
	cert, key := pair.Write(c.dir, fmt.Sprint("own", c.n))
	return []string{"--" + side + "cert-file", cert, "--" + side + "key-file", key}
}

// secured is p with https for the sides that are named.
func (p place) secured(sides ...string) place {
	secure := func(u string) string { return "https" + strings.TrimPrefix(u, "http") }
	if slices.Contains(sides, "client") {
		p.client = secure(p.client)
	}
	if slices.Contains(sides, "peer") {
		p.peer = secure(p.peer)
	}
	return p
}

// mustServe starts a lone member and returns once it is ready.
func (p place) mustServe(args ...string) *server {
	p.t.Helper()
	s := p.mustLaunch(append(args, "--initial-cluster", list(p))...)
	s.mustSay("ready to serve client requests")
	return s
}

// shows is a client that trusts ca and shows pair, whatever it is asked for.
func shows(ca *certtest.Authority, pair *certtest.Pair) *tls.Config {
	c := &tls.Config{RootCAs: ca.Pool()}
	if pair != nil {
		cert := pair.TLS()
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return c
}

// fetch makes a request by c and returns the status and text of the answer, or
// 0 and what was wrong.
func fetch(t *testing.T, c *tls.Config, method, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	transport := &http.Transport{TLSClientConfig: c, DisableKeepAlives: true, ForceAttemptHTTP2: slices.Contains(c.NextProtos, "h2")}
	defer transport.CloseIdleConnections()
	a, err := (&http.Client{Transport: transport, Timeout: 15 * time.Second}).Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return 0, err.Error()
	}
	return a.StatusCode, a.Proto + " " + string(text)
}

func TestClientsAreAdmittedByTheirCertificates(t *testing.T) {
	c := newCertificates(t)
	other := certtest.New(t, "another root")
	revoked := c.ca.Issue(certtest.Leaf{CommonName: "mallory"})
	crl := certtest.Write(t, c.dir, "crl.pem", c.ca.Revoke(revoked))
	args := append(c.flags("", c.ca.Issue(certtest.Leaf{CommonName: "server"})),
		"--client-cert-auth", "--trusted-ca-file", c.caFile(), "--client-crl-file", crl)
	s := newPlace(t, "n1").secured("client").mustServe(args...)
	for _, tt := range []struct {
		name   string
		shown  *certtest.Pair
		reason string // in the log; empty: admitted
	}{
		{"good", c.ca.Issue(certtest.Leaf{CommonName: "alice"}), ""},
		{"good, RSA", c.ca.Issue(certtest.Leaf{CommonName: "rsa", RSA: true}), ""},
		{"good, in a chain", c.ca.Intermediate("department").Issue(certtest.Leaf{CommonName: "carol"}), ""},
		{"for another machine", c.ca.Issue(certtest.Leaf{CommonName: "far", Hosts: []string{"192.0.2.1"}}), ""},
		{"none", nil, "tls: client didn't provide a certificate"},
		{"expired", c.ca.Issue(certtest.Leaf{CommonName: "old", Until: time.Now().Add(-time.Minute)}), "has expired or is not yet valid"},
		{"not yet valid", c.ca.Issue(certtest.Leaf{CommonName: "young", From: time.Now().Add(time.Hour)}), "has expired or is not yet valid"},
		{"of another authority", other.Issue(certtest.Leaf{CommonName: "eve", Hosts: []string{"eve.example"}}), "hosts: DNS:eve.example"},
		{"self-signed", certtest.SelfSigned(t, certtest.Leaf{CommonName: "self"}), "certificate signed by unknown authority"},
		{"revoked", revoked, "of CN=mallory was revoked on"},
	} {
		status, text := fetch(t, shows(c.ca, tt.shown), "GET", s.client+"/version", "")
		if admitted := status == 200; admitted != (tt.reason == "") {
			t.Errorf("%s: %d %s", tt.name, status, text)
		}
		if tt.reason != "" {
			s.mustSay(tt.reason)
		}
	}
	if !strings.Contains(s.stderr.String(), `rejected connection from \"127.0.0.1:`) || !strings.Contains(s.stderr.String(), `, ServerName \"\")`) {
		t.Errorf("the log is not as etcd's:\n%s", s.stderr)
	}
}

func TestAMemberAsksItsClientsForACertificateAsEtcd34Does(t *testing.T) {
	c := newCertificates(t)
	alice := c.ca.Issue(certtest.Leaf{CommonName: "alice", Hosts: []string{"alice.example"}})
	for _, tt := range []struct {
		flags         string
		nobody, alice bool // who is admitted
	}{
		{"", true, true},
		{"--trusted-ca-file CA", false, true},
		{"--ca-file CA", false, true}, // as etcd 2.x has it
		{"--client-cert-auth", false, false},
		{"--client-cert-auth --trusted-ca-file CA --client-cert-allowed-hostname alice.example", false, true},
		{"--client-cert-auth --trusted-ca-file CA --client-cert-allowed-hostname bob.example", false, false},
	} {
		t.Run(tt.flags, func(t *testing.T) {
			args := append(c.flags("", c.ca.Issue(certtest.Leaf{})), strings.Fields(strings.ReplaceAll(tt.flags, "CA", c.caFile()))...)
			s := newPlace(t, "n1").secured("client").mustServe(args...)
			if status, text := fetch(t, shows(c.ca, nil), "GET", s.client+"/version", ""); (status == 200) != tt.nobody {
				t.Errorf("without a certificate: %d %s", status, text)
			}
			if status, text := fetch(t, shows(c.ca, alice), "GET", s.client+"/version", ""); (status == 200) != tt.alice {
				t.Errorf("with a certificate: %d %s", status, text)
			}
		})
	}
}

// A server with the wrong certificate starts, and its clients say what is wrong.
func TestClientsRefuseAMembersCertificateThatDoesNotFit(t *testing.T) {
	c := newCertificates(t)
	for _, tt := range []struct {
		name       string
		shown      *certtest.Pair
		want, says string
	}{
		{"for another host", c.ca.Issue(certtest.Leaf{Hosts: []string{"192.0.2.1"}}), "certificate is valid for 192.0.2.1, not 127.0.0.1", ""},
		{"expired", c.ca.Issue(certtest.Leaf{Until: time.Now().Add(-time.Minute)}), "has expired", "has expired on 20"},
		{"for no host", c.ca.Issue(certtest.Leaf{CommonName: "127.0.0.1", Hosts: []string{}}), "127.0.0.1", "is for no host"},
	} {
		s := newPlace(t, "n1").secured("client").mustServe(c.flags("", tt.shown)...)
		if status, text := fetch(t, shows(c.ca, nil), "GET", s.client+"/version", ""); status != 0 || !strings.Contains(text, tt.want) {
			t.Errorf("%s: %d %s", tt.name, status, text)
		}
		s.mustSay(tt.says)
	}
}

func TestHTTPAndHTTPSAreSpokenSideBySide(t *testing.T) {
	c := newCertificates(t)
	p := newPlace(t, "n1").secured("client")
	plain := "http://" + freeAddress(t)
	p.client += "," + plain
	args := append(c.flags("", c.ca.Issue(certtest.Leaf{})), "--client-cert-auth", "--trusted-ca-file", c.caFile())
	s := p.mustServe(args...)
	secure, _, _ := strings.Cut(p.client, ",")
	alice := shows(c.ca, c.ca.Issue(certtest.Leaf{CommonName: "alice"}))

	if status, text := fetch(t, alice, "PUT", secure+"/v2/keys/k", "value=v"); status != 201 || !strings.HasPrefix(text, "HTTP/1.1 ") {
		t.Errorf("https: %d %s", status, text)
	}
	if status, text := fetch(t, &tls.Config{}, "GET", plain+"/v2/keys/k", ""); status != 200 || !strings.Contains(text, `"value":"v"`) {
		t.Errorf("http: %d %s", status, text)
	}
	alice.NextProtos = []string{"h2", "http/1.1"}
	if status, text := fetch(t, alice, "GET", secure+"/v2/keys/k", ""); status != 200 || !strings.HasPrefix(text, "HTTP/2.0 ") {
		t.Errorf("HTTP/2: %d %s", status, text)
	}
	if status, text := fetch(t, &tls.Config{}, "GET", "http"+strings.TrimPrefix(secure, "https")+"/v2/keys/k", ""); status != 400 || text != "HTTP/1.0 Client sent an HTTP request to an HTTPS server.\n" {
		t.Errorf("http to the port of https: %d %s", status, text)
	}
	s.mustSay(`(error \"tls: first record does not look like a TLS handshake\", ServerName \"\")`)
	if _, text := fetch(t, &tls.Config{}, "GET", "https"+strings.TrimPrefix(plain, "http")+"/version", ""); !strings.Contains(text, "server gave HTTP response to HTTPS client") {
		t.Errorf("https to the port of http: %s", text)
	}
	s.mustSay("The scheme of client url " + plain + " is http while client key/cert files are presented. Ignored client key/cert files.")
}

func TestNewCertificatesAreUsedAndWatchesGoOn(t *testing.T) {
	c := newCertificates(t)
	p := newPlace(t, "n1").secured("client")
	flags := c.flags("", c.ca.Issue(certtest.Leaf{CommonName: "before"}))
	s := p.mustServe(flags...)
	for _, protocol := range []string{"http/1.1", "h2"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: shows(c.ca, nil), ForceAttemptHTTP2: protocol == "h2"}}
		defer client.CloseIdleConnections()
		watch, err := client.Get(s.client + "/v2/keys/k?wait=true&stream=true")
		if err != nil {
			t.Fatal(err)
		}
		defer watch.Body.Close()
		defer func(name string, events *bufio.Scanner) {
			if !events.Scan() || !strings.Contains(events.Text(), `"value":"v"`) {
				t.Errorf("the watch of before in %s: %s %v", name, events.Text(), events.Err())
			}
		}(protocol, bufio.NewScanner(watch.Body))
	}

	c.ca.Issue(certtest.Leaf{CommonName: "after"}).Write(c.dir, "own1")
	s.mustSay("TLS files have changed: new connections use them")
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.client, "https://"), shows(c.ca, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().PeerCertificates[0].Subject.CommonName; got != "after" {
		t.Errorf("new connections get the certificate of %q", got)
	}
	if status, text := fetch(t, shows(c.ca, nil), "PUT", s.client+"/v2/keys/k", "value=v"); status != 201 {
		t.Errorf("%d %s", status, text)
	}
}

func TestAutoTLSMakesACertificateAndKeepsIt(t *testing.T) {
	p := newPlace(t, "n1").secured("client")
	s := p.mustServe("--auto-tls")
	text, err := os.ReadFile(filepath.Join(p.dir, "fixtures", "client", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	made, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got := made.Subject.String(); got != "O=keytree" {
		t.Error(got)
	}
	trust := &tls.Config{RootCAs: x509.NewCertPool()}
	trust.RootCAs.AddCert(made)
	if status, text := fetch(t, trust, "GET", s.client+"/version", ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}
	s.kill()
	s = p.mustServe("--auto-tls")
	if status, text := fetch(t, trust, "GET", s.client+"/version", ""); status != 200 {
		t.Errorf("after a restart: %d %s", status, text)
	}
}

// A certificate's common name is a user, unless a password says who it is.
func TestACommonNameIsAUser(t *testing.T) {
	c := newCertificates(t)
	p := newPlace(t, "n1").secured("client")
	s := p.mustServe(append(c.flags("", c.ca.Issue(certtest.Leaf{})), "--client-cert-auth", "--trusted-ca-file", c.caFile())...)
	root, alice, stranger := c.as("root"), c.as("alice"), c.as("stranger")
	for _, step := range [][3]string{
		{"users/root", `{"user":"root","password":"secret"}`, "201"},
		{"roles/a", `{"role":"a","permissions":{"kv":{"read":["/a*"],"write":["/a*"]}}}`, "201"},
		{"users/alice", `{"user":"alice","password":"secret","roles":["a"]}`, "200"},
		{"enable", "", "200"},
		{"roles/guest", `{"role":"guest","revoke":{"kv":{"read":["/*"],"write":["/*"]}}}`, "200"},
	} {
		if status, text := fetch(t, root, "PUT", s.client+"/v2/auth/"+step[0], step[1]); fmt.Sprint(status) != step[2] {
			t.Fatalf("%s: %d %s", step[0], status, text)
		}
	}
	for _, tt := range []struct {
		who         string
		shown       *tls.Config
		method, url string
		want        int
	}{
		{"root", root, "PUT", "/v2/keys/b", 201},
		{"root", root, "GET", "/v2/auth/users", 200},
		{"alice", alice, "PUT", "/v2/keys/a", 201},
		{"alice", alice, "GET", "/v2/keys/a", 200},
		{"alice", alice, "GET", "/v2/keys/b", 401},
		{"alice", alice, "GET", "/v2/auth/users", 401},
		{"a stranger is a guest", stranger, "GET", "/v2/keys/a", 401},
		{"a stranger", stranger, "GET", "/v2/auth/users", 401},
	} {
		if status, text := fetch(t, tt.shown, tt.method, s.client+tt.url, "value=v"); status != tt.want {
			t.Errorf("%s: %s %s: %d %s", tt.who, tt.method, tt.url, status, text)
		}
	}
	password := strings.Replace(s.client, "https://", "https://root:secret@", 1)
	if status, text := fetch(t, stranger, "GET", password+"/v2/auth/users", ""); status != 200 {
		t.Errorf("a stranger with root's password: %d %s", status, text)
	}
	wrong := strings.Replace(s.client, "https://", "https://root:wrong@", 1)
	if status, text := fetch(t, root, "GET", wrong+"/v2/auth/users", ""); status != 401 {
		t.Errorf("root's certificate with a wrong password: %d %s", status, text)
	}
}

// as is a client with a certificate of that name.
func (c *certificates) as(name string) *tls.Config {
	c.t.Helper()
	return shows(c.ca, c.ca.Issue(certtest.Leaf{CommonName: name}))
}

func TestTLSThatCannotWorkIsRefusedInEtcdsWords(t *testing.T) {
	c := newCertificates(t)
	good := strings.Join(c.flags("", c.ca.Issue(certtest.Leaf{})), " ")
	cert, key := filepath.Join(c.dir, "own1.pem"), filepath.Join(c.dir, "own1-key.pem")
	c.ca.Issue(certtest.Leaf{}).Write(c.dir, "other")
	empty := certtest.Write(t, c.dir, "empty.pem", nil)
	for _, tt := range []struct {
		name         string
		client, peer string // schemes
		args, want   string
	}{
		{"https for clients without a certificate", "https", "http", "", "TLS key/cert (--cert-file, --key-file) must be provided for client url https://127.0.0.1:"},
		{"https for peers without a certificate", "http", "https", "", "cannot listen on TLS for 127.0.0.1:"},
		{"https for peers without a certificate, in full", "http", "https", "", ": KeyFile and CertFile are not presented"},
		{"a certificate without a key", "https", "http", "--cert-file /x.pem", "KeyFile and CertFile must both be present[key: , cert: /x.pem]"},
		{"a key without a certificate", "https", "http", "--key-file /x.pem", "KeyFile and CertFile must both be present[key: /x.pem, cert: ]"},
		{"a peer's certificate without a key", "http", "https", "--peer-cert-file /x.pem", "KeyFile and CertFile must both be present[key: , cert: /x.pem]"},
		{"a missing certificate", "https", "http", "--cert-file /nope.pem --key-file " + key, "open /nope.pem: no such file or directory"},
		{"a missing key", "https", "http", "--cert-file " + cert + " --key-file /nope.pem", "open /nope.pem: no such file or directory"},
		{"missing authorities", "https", "http", good + " --trusted-ca-file /nope.pem", "open /nope.pem: no such file or directory"},
		{"missing revocations", "https", "http", good + " --trusted-ca-file " + c.caFile() + " --client-crl-file /nope.pem", "open /nope.pem: no such file or directory"},
		{"no authorities", "https", "http", good + " --trusted-ca-file " + empty, "there is no certificate in file " + empty},
		{"another's key", "https", "http", "--cert-file " + cert + " --key-file " + filepath.Join(c.dir, "other-key.pem"), "private key does not match public key"},
		{"an unknown cipher suite", "https", "http", good + " --cipher-suites NOPE", `unexpected TLS cipher suite \"NOPE\"`},
	} {
		free := freeAddresses(t, 2)
		client, peer := tt.client+"://"+free[0], tt.peer+"://"+free[1]
		args := append(strings.Fields(tt.args), "--name", "n1", "--listen-client-urls", client, "--advertise-client-urls", client,
			"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "n1="+peer)
		out, code := mustEnd(t, command(t, args...))
		if code != 1 || !strings.Contains(out, tt.want) && !strings.Contains(out, strings.ReplaceAll(tt.want, `\"`, `"`)) {
			t.Errorf("%s: exit %d, want 1 with %q:\n%s", tt.name, code, tt.want, out)
		}
	}
}

// Certificates that nothing needs do not stop a member.
func TestFilesForTLSAreIgnoredWithoutHTTPS(t *testing.T) {
	s := newPlace(t, "n1").mustServe("--cert-file", "/nope.pem", "--key-file", "/nope.pem", "--client-cert-auth", "--peer-auto-tls")
	s.mustSay("is http while client key/cert files are presented. Ignored client key/cert files.")
	if status, text := fetch(t, &tls.Config{}, "GET", s.client+"/version", ""); status != 200 {
		t.Errorf("%d %s", status, text)
	}
}
