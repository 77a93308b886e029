package tlsfiles

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// revocations are certificates that their issuers have taken back.
type revocations struct {
	revoked map[revocation]time.Time // since when
	lists   []list
}

// revocation names a certificate: serial numbers are one issuer's own.
type revocation struct{ issuer, serial string }

// list is a revocation list without its entries.
type list struct {
	issuer  string
	expires time.Time // when the issuer meant to publish the next; zero: it does not say
	checked bool      // its signature is that of a trusted authority
}

// parseRevocations reads the lists in file. A list of one of authorities must
// be signed by it. That of anybody else, such as an authority in between whose
// certificate only comes with a handshake, is believed: the file is ours.
func parseRevocations(file content, authorities []*x509.Certificate) (revocations, error) {
	r := revocations{revoked: map[revocation]time.Time{}}
	ders, err := splitLists(file.text)
	if err != nil {
		return r, fmt.Errorf("revocation list file %s: %w", file.path, err)
	}
	for i, der := range ders {
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			return r, fmt.Errorf("revocation list %d of file %s: %w", i+1, file.path, err)
		}
		checked, err := checkSignature(crl, authorities)
		if err != nil {
			return r, fmt.Errorf("revocation list %d of file %s, of %q: %w", i+1, file.path, crl.Issuer, err)
		}
		issuer := crl.Issuer.String()
		r.lists = append(r.lists, list{issuer, crl.NextUpdate, checked})
		for _, e := range crl.RevokedCertificateEntries {
			r.revoked[revocation{issuer, serial(e.SerialNumber)}] = e.RevocationTime
		}
	}
	return r, nil
}

// splitLists finds the lists in a file: blocks of PEM, or DER one after the
// other.
func splitLists(text []byte) ([][]byte, error) {
	var ders [][]byte
	if block, rest := pem.Decode(text); block != nil {
		for ; block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "X509 CRL" {
				ders = append(ders, block.Bytes)
			}
		}
	} else {
		for rest := text; len(rest) > 0; {
			var one asn1.RawValue
			next, err := asn1.Unmarshal(rest, &one)
			if err != nil {
				return nil, errors.New("it is neither PEM nor DER")
			}
			ders, rest = append(ders, one.FullBytes), next
		}
	}
	if len(ders) == 0 {
		return nil, errors.New("there is no list in it")
	}
	return ders, nil
}

// checkSignature reports whether crl is signed by the one of authorities that
// has its issuer's name, and fails if there is one and it is not. Whether the
// authority may sign lists is not asked: many are made without saying so.
func checkSignature(crl *x509.RevocationList, authorities []*x509.Certificate) (bool, error) {
	var refused error
	for _, a := range authorities {
		if a.Subject.String() != crl.Issuer.String() {
			continue
		}
		if refused = a.CheckSignature(crl.SignatureAlgorithm, crl.RawTBSRevocationList, crl.Signature); refused == nil {
			return true, nil
		}
	}
	return false, refused
}

func serial(n *big.Int) string { return n.Text(16) }

// since reports whether cert is revoked, and since when.
func (r *revocations) since(cert *x509.Certificate) (time.Time, bool) {
	t, ok := r.revoked[revocation{cert.Issuer.String(), serial(cert.SerialNumber)}]
	return t, ok
}

func (r *revocations) warnings(c *Config, now time.Time) []string {
	var all []string
	for _, l := range r.lists {
		if !l.expires.IsZero() && now.After(l.expires) {
			all = append(all, fmt.Sprintf("the revocation list of %q in %s should have been replaced on %s: it is still followed", l.issuer, c.CRLFile, date(l.expires)))
		}
		if !l.checked {
			all = append(all, fmt.Sprintf("the revocation list in %s is of %q, who is not in the trusted CA file: it is followed for what that authority has issued, its signature is not checked", c.CRLFile, l.issuer))
		}
	}
	return all
}
