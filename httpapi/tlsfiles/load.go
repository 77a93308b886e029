package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"
	"time"
)

// content is what a file held when it was looked at, or why that is unknown.
type content struct {
	path string
	text []byte
	err  error
}

// contents are all files at one look. A change between the reading of two of
// them shows as a difference to the next look.
type contents struct{ cert, key, ca, crl content }

func (c *Config) read() contents {
	return contents{readFile(c.CertFile), readFile(c.KeyFile), readFile(c.TrustedCAFile), readFile(c.CRLFile)}
}

func readFile(path string) content {
	if path == "" {
		return content{}
	}
	text, err := os.ReadFile(path)
	return content{path, text, err}
}

func (c *contents) all() []content { return []content{c.cert, c.key, c.ca, c.crl} }

// differences are the names of the files that are not as in other.
func (c *contents) differences(other *contents) []string {
	var names []string
	others := other.all()
	for i, a := range c.all() {
		b := others[i]
		if !bytes.Equal(a.text, b.text) || (a.err == nil) != (b.err == nil) || a.err != nil && a.err.Error() != b.err.Error() {
			names = append(names, a.path)
		}
	}
	return names
}

// state is what the files say. It does not change.
type state struct {
	contents    contents
	own         *tls.Certificate    // nil: none
	authorities []*x509.Certificate // of TrustedCAFile
	trusted     *x509.CertPool      // the same; nil: those of the system
	revoked     revocations
}

// load makes sense of what was read.
func load(c *Config, from contents) (*state, error) {
	for _, file := range from.all() {
		if file.err != nil {
			return nil, file.err // it names the file, in the words people search for
		}
	}
	s := &state{contents: from}
	var err error
	if c.CertFile != "" {
		if s.own, err = parsePair(from.cert, from.key); err != nil {
			return nil, err
		}
	}
	if c.TrustedCAFile != "" {
		if s.authorities, err = parseCertificates(from.ca); err != nil {
			return nil, err
		}
		s.trusted = x509.NewCertPool()
		for _, a := range s.authorities {
			s.trusted.AddCert(a)
		}
	}
	if c.CRLFile != "" {
		if s.revoked, err = parseRevocations(from.crl, s.authorities); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func parsePair(cert, key content) (*tls.Certificate, error) {
	if _, err := parseCertificates(cert); err != nil {
		return nil, err
	}
	if bytes.Contains(key.text, []byte("ENCRYPTED")) {
		return nil, fmt.Errorf("key file %s is protected by a passphrase, which a server has nobody to ask for", key.path)
	}
	own, err := tls.X509KeyPair(cert.text, key.text)
	if err != nil {
		return nil, fmt.Errorf("certificate file %s with key file %s: %w", cert.path, key.path, err)
	}
	return &own, nil
}

// parseCertificates reads a PEM file of at least one certificate. What else is
// in it is passed over.
func parseCertificates(file content) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for rest := file.text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of file %s: %w", len(all)+1, file.path, err)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no certificate in file %s: PEM is expected", file.path)
	}
	return all, nil
}

// soon is how long before the end of a certificate we begin to warn.
const soon = 30 * 24 * time.Hour

// warnings are what will not do for long, or not for everybody.
func (s *state) warnings(c *Config, now time.Time) []string {
	var all []string
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if s.own != nil {
		leaf := s.own.Leaf
		switch {
		case now.After(leaf.NotAfter):
			add("the certificate in %s has expired on %s: others will refuse it", c.CertFile, date(leaf.NotAfter))
		case now.Before(leaf.NotBefore):
			add("the certificate in %s is not valid before %s: others will refuse it until then", c.CertFile, date(leaf.NotBefore))
		case leaf.NotAfter.Sub(now) < soon:
			add("the certificate in %s expires on %s", c.CertFile, date(leaf.NotAfter))
		}
		if len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 {
			add("the certificate in %s is for no host: it needs a subjectAltName, its common name %q does not count", c.CertFile, leaf.Subject.CommonName)
		}
		if u := leaf.ExtKeyUsage; len(u) > 0 && !slices.Contains(u, x509.ExtKeyUsageServerAuth) && !slices.Contains(u, x509.ExtKeyUsageAny) {
			add("the certificate in %s is not for servers, says its extended key usage: clients will refuse it", c.CertFile)
		}
	}
	for _, a := range s.authorities {
		if now.After(a.NotAfter) {
			add("the authority %q in %s has expired on %s: what it has signed is refused", a.Subject, c.TrustedCAFile, date(a.NotAfter))
		}
	}
	if c.CRLFile != "" && !c.demands() {
		add("nobody is asked for a certificate, so the revocations in %s concern no client", c.CRLFile)
	}
	return append(all, s.revoked.warnings(c, now)...)
}

func date(t time.Time) string { return t.UTC().Format(time.RFC3339) }
