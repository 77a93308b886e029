package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

func TestFilesThatWillNotDoAreNamed(t *testing.T) {
	w := newWorld(t)
	good := w.config(nil)
	other := w.config(nil)
	client := w.ca.Issue(certtest.Leaf{})
	write := func(name string, text []byte) string { return certtest.Write(t, w.dir, name, text) }
	block := func(kind string) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte("rubbish")}) }
	forged := certtest.New(t, "root").Revoke(client) // of the same name
	empty, rubbish := write("empty.pem", nil), write("rubbish.pem", []byte("rubbish"))
	for _, tt := range []struct {
		name string
		c    Config
		want string // DIR is the directory
	}{
		{"no key", Config{CertFile: "/x.pem"}, "KeyFile and CertFile must both be present[key: , cert: /x.pem]"},
		{"no certificate", Config{KeyFile: "/x.pem"}, "KeyFile and CertFile must both be present[key: /x.pem, cert: ]"},
		{"missing certificate", Config{CertFile: "/nope.pem", KeyFile: good.KeyFile}, "open /nope.pem: no such file or directory"},
		{"missing key", Config{CertFile: good.CertFile, KeyFile: "/nope.pem"}, "open /nope.pem: no such file or directory"},
		{"missing authorities", Config{TrustedCAFile: "/nope.pem"}, "open /nope.pem: no such file or directory"},
		{"missing revocations", Config{TrustedCAFile: w.caFile, CRLFile: "/nope.pem"}, "open /nope.pem: no such file or directory"},
		{"a directory", Config{TrustedCAFile: w.dir}, "read DIR: is a directory"},
		{"another's key", Config{CertFile: good.CertFile, KeyFile: other.KeyFile}, "certificate file DIR/own1.pem with key file DIR/own2-key.pem: tls: private key does not match public key"},
		{"empty certificate", Config{CertFile: empty, KeyFile: good.KeyFile}, "there is no certificate in file DIR/empty.pem: PEM is expected"},
		{"empty key", Config{CertFile: good.CertFile, KeyFile: empty}, "with key file DIR/empty.pem: tls: failed to find any PEM data in key input"},
		{"rubbish for a certificate", Config{CertFile: rubbish, KeyFile: good.KeyFile}, "there is no certificate in file DIR/rubbish.pem"},
		{"a block of rubbish", Config{TrustedCAFile: write("block.pem", append(w.ca.PEM(), block("CERTIFICATE")...))}, "certificate 2 of file DIR/block.pem: x509: malformed certificate"},
		{"the key for a certificate", Config{CertFile: good.KeyFile, KeyFile: good.KeyFile}, "there is no certificate in file DIR/own1-key.pem"},
		{"the certificate for a key", Config{CertFile: good.CertFile, KeyFile: good.CertFile}, "found a certificate rather than a key"},
		{"a key with a passphrase", Config{CertFile: good.CertFile, KeyFile: write("secret.pem", block("ENCRYPTED PRIVATE KEY"))}, "key file DIR/secret.pem is protected by a passphrase"},
		{"empty authorities", Config{TrustedCAFile: empty}, "there is no certificate in file DIR/empty.pem"},
		{"empty revocations", Config{TrustedCAFile: w.caFile, CRLFile: empty}, "revocation list file DIR/empty.pem: there is no list in it"},
		{"rubbish for revocations", Config{TrustedCAFile: w.caFile, CRLFile: rubbish}, "revocation list file DIR/rubbish.pem: it is neither PEM nor DER"},
		{"a block of rubbish for revocations", Config{TrustedCAFile: w.caFile, CRLFile: write("crl.pem", block("X509 CRL"))}, "revocation list 1 of file DIR/crl.pem: x509: malformed crl"},
		{"the authorities for revocations", Config{TrustedCAFile: w.caFile, CRLFile: w.caFile}, "revocation list file DIR/ca.pem: there is no list in it"},
		{"forged revocations", Config{TrustedCAFile: w.caFile, CRLFile: write("forged.pem", forged)}, `revocation list 1 of file DIR/forged.pem, of "CN=root": x509: ECDSA verification failure`},
		{"a name nobody shows", Config{AllowedCN: "alice"}, "nobody is asked for a certificate"},
		{"a host nobody shows", Config{AllowedHostname: "alice"}, "nobody is asked for a certificate"},
	} {
		_, err := Open(tt.c)
		if want := strings.ReplaceAll(tt.want, "DIR", w.dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", tt.name, err, want)
		}
	}
}

// A file of authorities as people make them, with their notes in between.
func TestWhatElseIsInAFileOfAuthoritiesIsPassedOver(t *testing.T) {
	w := newWorld(t)
	second := certtest.New(t, "second")
	text := bytes.Join([][]byte{[]byte("# our root\n"), w.ca.PEM(), []byte("\nthe other:\n"), pem.EncodeToMemory(&pem.Block{Type: "DH PARAMETERS"}), second.PEM()}, nil)
	f := mustOpen(t, Config{TrustedCAFile: certtest.Write(t, w.dir, "bundle.pem", text)})
	if n := len(f.now.Load().authorities); n != 2 {
		t.Errorf("%d authorities", n)
	}
}

func TestWhatIsUnusualIsToldAndNotRefused(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name string
		leaf certtest.Leaf
		want string // in the only warning; empty: none
	}{
		{"good", certtest.Leaf{}, ""},
		{"expired", certtest.Leaf{Until: now.Add(-time.Minute)}, "/own1.pem has expired on 20"},
		{"not yet valid", certtest.Leaf{From: now.Add(time.Hour)}, "/own1.pem is not valid before 20"},
		{"expires soon", certtest.Leaf{Until: now.Add(29 * 24 * time.Hour)}, "/own1.pem expires on 20"},
		{"not so soon", certtest.Leaf{Until: now.Add(31 * 24 * time.Hour)}, ""},
		{"for no host", certtest.Leaf{CommonName: "a.example", Hosts: []string{}}, `its common name "a.example" does not count`},
		{"for clients", certtest.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, "is not for servers"},
		{"for servers", certtest.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ""},
		{"for anything", certtest.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}, ""},
		{"for what it likes", certtest.Leaf{Usage: []x509.ExtKeyUsage{}}, ""},
	} {
		w := newWorld(t)
		f := mustOpen(t, w.config(w.ca.Issue(tt.leaf)))
		if n := strings.Count(w.log.String(), "WARN"); tt.want == "" && n != 0 || tt.want != "" && (n != 1 || !strings.Contains(w.log.String(), tt.want)) {
			t.Errorf("%s: want %q:\n%s", tt.name, tt.want, w.log)
		}
		if tt.leaf.Until.IsZero() == f.NotAfter().Equal(tt.leaf.Until.Truncate(time.Second)) {
			t.Errorf("%s: it expires on %v", tt.name, f.NotAfter())
		}
	}
}

func TestRevocationsThatAreUnusualAreToldOf(t *testing.T) {
	w := newWorld(t)
	c := Config{CRLFile: certtest.Write(t, w.dir, "crl.pem", w.ca.Revoke()), Logger: w.log.logger()}
	mustOpen(t, c)
	w.mustSay("so the revocations in " + c.CRLFile + " concern no client")
	c.TrustedCAFile = certtest.Write(t, w.dir, "other.pem", certtest.New(t, "another root").PEM())
	f := mustOpen(t, c)
	w.mustSay(`is of "CN=root", who is not in the trusted CA file`)
	late := strings.Join(f.now.Load().warnings(&c, time.Now().Add(48*time.Hour)), "\n")
	if want := `the revocation list of "CN=root" in ` + c.CRLFile + " should have been replaced on 20"; !strings.Contains(late, want) {
		t.Errorf("it lacks %q:\n%s", want, late)
	}
}

func TestAnAuthorityThatHasExpiredIsToldOf(t *testing.T) {
	w := newWorld(t)
	c := Config{TrustedCAFile: w.caFile}
	late := mustOpen(t, c).now.Load().warnings(&c, time.Now().Add(20*365*24*time.Hour))
	if len(late) != 1 || !strings.Contains(late[0], `the authority "CN=root" in `+w.caFile+" has expired on 20") {
		t.Error(late)
	}
}

func TestRevocationsAreReadInAllForms(t *testing.T) {
	w := newWorld(t)
	second := w.ca.Intermediate("second")
	a, b, c := w.ca.Issue(certtest.Leaf{}), second.Issue(certtest.Leaf{}), w.ca.Issue(certtest.Leaf{})
	der := func(text []byte) []byte { block, _ := pem.Decode(text); return block.Bytes }
	one, two := w.ca.Revoke(a), second.Revoke(b)
	for name, text := range map[string][]byte{
		"PEM":            slices.Concat(one, two),
		"PEM with notes": slices.Concat([]byte("# a list\n"), one, w.ca.PEM(), []byte("# another\n"), two),
		"DER":            slices.Concat(der(one), der(two)),
	} {
		f := mustOpen(t, Config{TrustedCAFile: w.caFile, CRLFile: certtest.Write(t, w.dir, "crl", text)})
		for i, want := range []bool{true, true, false} {
			if _, got := f.now.Load().revoked.since([]*certtest.Pair{a, b, c}[i].Cert); got != want {
				t.Errorf("%s: certificate %d is revoked: %v", name, i, got)
			}
		}
	}
}

// A serial number is one issuer's own.
func TestARevocationConcernsItsIssuersCertificatesOnly(t *testing.T) {
	w := newWorld(t)
	other := certtest.New(t, "another root")
	revoked := w.ca.Issue(certtest.Leaf{})
	crl := certtest.Write(t, w.dir, "crl.pem", other.Revoke(revoked)) // it names the number of what it has not issued
	f := mustOpen(t, Config{TrustedCAFile: w.caFile, CRLFile: crl})
	if _, got := f.now.Load().revoked.since(revoked.Cert); got {
		t.Error("one authority has revoked what another has issued")
	}
}

func TestCipherSuitesAreFoundByTheirNames(t *testing.T) {
	got, err := ParseCipherSuites([]string{"TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_RSA_WITH_RC4_128_SHA", "TLS_AES_128_GCM_SHA256"})
	want := []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_AES_128_GCM_SHA256}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%x %v", got, err)
	}
	if got, err := ParseCipherSuites(nil); got != nil || err != nil {
		t.Errorf("none: %v %v", got, err)
	}
	for _, name := range []string{"NOPE", "", "tls_rsa_with_aes_128_cbc_sha", "TLS_FALLBACK_SCSV"} {
		if _, err := ParseCipherSuites([]string{"TLS_AES_128_GCM_SHA256", name}); err == nil || err.Error() != `unexpected TLS cipher suite "`+name+`"` {
			t.Error(err)
		}
	}
}
