// Package certtest makes authorities and certificates for tests, on the spot
// and in files.
package certtest

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	t     testing.TB
	cert  *x509.Certificate
	key   crypto.Signer
	above []byte // PEM of this authority and those between it and the root; empty for a root
}

// New makes a root authority.
func New(t testing.TB, name string) *Authority {
	t.Helper()
	key := mustKey(t, false)
	template := authority(t, name)
	return &Authority{t: t, cert: mustSign(t, template, template, key, key), key: key}
}

// Intermediate makes an authority that a has signed. Certificates it issues
// come with its own in their file.
func (a *Authority) Intermediate(name string) *Authority {
	a.t.Helper()
	key := mustKey(a.t, false)
	cert := mustSign(a.t, authority(a.t, name), a.cert, key, a.key)
	return &Authority{t: a.t, cert: cert, key: key, above: append(encode("CERTIFICATE", cert.Raw), a.above...)}
}

func authority(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	return &x509.Certificate{
		SerialNumber: mustSerial(t), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

// Leaf says what a certificate is to be. The zero value is good for clients
// and servers on 127.0.0.1 and localhost, from an hour ago to a year from now.
type Leaf struct {
	CommonName  string
	Hosts       []string // names and addresses; empty but not nil: none
	From, Until time.Time
	RSA         bool               // a key for RSA, not ECDSA
	Usage       []x509.ExtKeyUsage // nil: client and server
}

// Pair is a certificate, the chain above it, and its key.
type Pair struct {
	t    testing.TB
	Cert *x509.Certificate
	PEM  []byte // with the authorities in between
	Key  []byte // PEM
}

// Issue makes a certificate.
func (a *Authority) Issue(l Leaf) *Pair {
	a.t.Helper()
	key := mustKey(a.t, l.RSA)
	return a.pair(mustSign(a.t, l.template(a.t), a.cert, key, a.key), key)
}

// SelfSigned makes a certificate that nobody vouches for.
func SelfSigned(t testing.TB, l Leaf) *Pair {
	t.Helper()
	key := mustKey(t, l.RSA)
	template := l.template(t)
	return (&Authority{t: t}).pair(mustSign(t, template, template, key, key), key)
}

func (a *Authority) pair(cert *x509.Certificate, key crypto.Signer) *Pair {
	a.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &Pair{a.t, cert, append(encode("CERTIFICATE", cert.Raw), a.above...), encode("PRIVATE KEY", der)}
}

func (l Leaf) template(t testing.TB) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: mustSerial(t), Subject: pkix.Name{CommonName: l.CommonName},
		NotBefore:   cmp.Or(l.From, time.Now().Add(-time.Hour)),
		NotAfter:    cmp.Or(l.Until, time.Now().Add(365*24*time.Hour)),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage: l.Usage,
	}
	if l.Usage == nil {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	if l.Hosts == nil {
		l.Hosts = []string{"localhost", "127.0.0.1"}
	}
	for _, host := range l.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return template
}

// Revoke makes a revocation list, in PEM.
func (a *Authority) Revoke(revoked ...*Pair) []byte {
	a.t.Helper()
	var entries []x509.RevocationListEntry
	for _, p := range revoked {
		entries = append(entries, x509.RevocationListEntry{SerialNumber: p.Cert.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: mustSerial(a.t), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(24 * time.Hour), RevokedCertificateEntries: entries,
	}, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return encode("X509 CRL", der)
}

// PEM is the authority's own certificate.
func (a *Authority) PEM() []byte { return encode("CERTIFICATE", a.cert.Raw) }

// Pool trusts the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// TLS is the pair as crypto/tls wants it.
func (p *Pair) TLS() tls.Certificate {
	p.t.Helper()
	c, err := tls.X509KeyPair(p.PEM, p.Key)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// Write writes NAME.pem and NAME-key.pem in dir, over those that are there.
func (p *Pair) Write(dir, name string) (certFile, keyFile string) {
	p.t.Helper()
	return Write(p.t, dir, name+".pem", p.PEM), Write(p.t, dir, name+"-key.pem", p.Key)
}

// Write writes a file and returns its path.
func Write(t testing.TB, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func mustKey(t testing.TB, asRSA bool) crypto.Signer {
	t.Helper()
	if asRSA {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustSerial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustSign(t testing.TB, template, parent *x509.Certificate, key, signer crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
