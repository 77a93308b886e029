package tlsfiles

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// A Refusal is a certificate that will not do, and why.
type Refusal struct {
	Certificate *x509.Certificate
	Err         error
	Expected    string // what would have done; may be empty
}

func (r *Refusal) Error() string {
	text := fmt.Sprintf("%v; the certificate is %s", r.Err, describe(r.Certificate))
	if r.Expected != "" {
		text += "; expected: " + r.Expected
	}
	return text
}

func (r *Refusal) Unwrap() error { return r.Err }

// kind tells refusals apart that differ in more than the time of day.
func (r *Refusal) kind() string {
	return fmt.Sprintf("%T %x", r.Err, sha256.Sum256(r.Certificate.Raw))
}

// describe shows whose certificate it is, for which hosts, and for how long.
func describe(c *x509.Certificate) string {
	names := limit(hosts(c))
	if names == "" {
		names = "none"
	}
	return fmt.Sprintf("that of %s, issued by %s, serial %s, hosts: %s, valid from %s to %s",
		clip(c.Subject.String()), clip(c.Issuer.String()), serial(c.SerialNumber), names, date(c.NotBefore), date(c.NotAfter))
}

// hosts are the hosts a certificate is for, in openssl's notation.
func hosts(c *x509.Certificate) []string {
	var all []string
	for _, name := range c.DNSNames {
		all = append(all, "DNS:"+clip(name))
	}
	for _, ip := range c.IPAddresses {
		all = append(all, "IP:"+ip.String())
	}
	return all
}

// clip keeps a name that a stranger has chosen short enough for the log.
func clip(name string) string {
	const most = 100
	if len(name) > most {
		return strings.ToValidUTF8(name[:most], "") + "..."
	}
	return name
}

// limit keeps a list short enough for a line of the log.
func limit(all []string) string {
	const most = 10
	if len(all) > most {
		all = append(slices.Clone(all[:most]), fmt.Sprintf("and %d more", len(all)-most))
	}
	return strings.Join(all, ", ")
}

// admit decides what is left to decide when a certificate is known to come
// from a trusted authority. The error is a *Refusal.
func (s *state) admit(c *Config, chains [][]*x509.Certificate) error {
	if len(chains) == 0 {
		return errors.New("tls: no certificate was verified")
	}
	leaf := chains[0][0]
	if err := s.checkRevoked(chains); err != nil {
		return &Refusal{leaf, err, ""}
	}
	if c.AllowedCN != "" && leaf.Subject.CommonName != c.AllowedCN {
		return &Refusal{leaf, errCommonName, "common name " + c.AllowedCN}
	}
	if c.AllowedHostname != "" && leaf.VerifyHostname(c.AllowedHostname) != nil {
		return &Refusal{leaf, errHostname, "valid for host " + c.AllowedHostname}
	}
	return nil
}

var (
	errCommonName = errors.New("client certificate authentication failed: the common name is not the allowed one")
	errHostname   = errors.New("client certificate authentication failed: it is not valid for the allowed hostname")
)

// revokedError says which certificate of a chain was revoked.
type revokedError struct{ text string }

func (e *revokedError) Error() string { return e.text }

// checkRevoked fails unless there is a chain without a revoked certificate.
func (s *state) checkRevoked(chains [][]*x509.Certificate) error {
	var revoked error
	for _, chain := range chains {
		revoked = nil
		for _, cert := range chain {
			if since, is := s.revoked.since(cert); is {
				revoked = &revokedError{fmt.Sprintf("certificate with serial %s of %s was revoked on %s", serial(cert.SerialNumber), clip(cert.Subject.String()), date(since))}
			}
		}
		if revoked == nil {
			return nil
		}
	}
	return revoked
}

// explain makes a *Refusal of what crypto/tls says about a certificate, if it
// is that which err is about. host is whom we connected to; empty for a
// client's certificate.
func (s *state) explain(c *Config, err error, host string) error {
	var failed *tls.CertificateVerificationError
	if !errors.As(err, &failed) || len(failed.UnverifiedCertificates) == 0 {
		return err
	}
	r := &Refusal{failed.UnverifiedCertificates[0], failed.Err, ""}
	switch reason := failed.Err.(type) {
	case x509.UnknownAuthorityError:
		r.Expected = "signed by an authority of the system"
		if s.trusted != nil {
			var names []string
			for _, a := range s.authorities {
				names = append(names, clip(a.Subject.String()))
			}
			r.Expected = fmt.Sprintf("signed by an authority in %s: %s", c.TrustedCAFile, limit(names))
		}
	case x509.HostnameError:
		kind := "DNS:"
		if net.ParseIP(cmp.Or(c.ServerName, host)) != nil {
			kind = "IP:"
		}
		r.Expected = "subjectAltName=" + kind + cmp.Or(c.ServerName, host)
	case x509.CertificateInvalidError:
		if reason.Reason == x509.IncompatibleUsage && host == "" {
			r.Expected = "extended key usage: client authentication"
		} else if reason.Reason == x509.IncompatibleUsage {
			r.Expected = "extended key usage: server authentication"
		}
	}
	return r
}
