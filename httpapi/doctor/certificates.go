package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"keytree/httpapi/tlsfiles"
)

// soon is how long before its end a certificate is to be replaced.
const soon = 30 * 24 * time.Hour

// certified is one side, and what its certificate must be good for.
type certified struct {
	TLS
	prefix, who string   // of its flags; whom it speaks to
	urls        []string // at which it is to be known
	listening   []string
	mutual      bool // it also shows the certificate to those it calls
}

// certificates looks at the files of both sides.
func (e *exam) certificates(context.Context) []Finding {
	sides := []certified{{e.Clients, "--", "clients", e.AdvertiseClient, slices.Concat(e.ListenClient, e.ListenMetrics), false}}
	if !e.Proxy {
		sides = append(sides, certified{e.Peers, "--peer-", "peers", e.AdvertisePeer, e.ListenPeer, true})
	}
	return each(sides, func(_ int, s certified) []Finding {
		n := &notes{area: "certificates of " + s.who}
		s.look(n)
		return n.all
	})
}

func (s certified) look(n *notes) {
	c := s.Files
	switch secure := slices.ContainsFunc(s.listening, func(raw string) bool { return placeOf(raw).secure() }); {
	case s.made():
		n.unchecked("one is made at the start, and nobody vouches for it")
		return
	case c.CertFile == "" && c.KeyFile == "" && c.TrustedCAFile == "" && c.CRLFile == "" && secure:
		n.unchecked("there are URLs for TLS, and no files for it")
		return
	case c.CertFile == "" && c.KeyFile == "" && c.TrustedCAFile == "" && c.CRLFile == "":
		n.unchecked("none: %s are served in the clear", s.who)
		return
	}
	if _, err := tlsfiles.Open(c); err != nil {
		n.wrong(err.Error(), s.whatMends(err)...)
		return
	}
	if c.CertFile == "" {
		n.unchecked("there is no certificate, only authorities for those of others")
		return
	}
	chain, err1 := certificatesIn(c.CertFile)
	authorities, err2 := certificatesIn(c.TrustedCAFile)
	if err1 != nil || err2 != nil || len(chain) == 0 {
		n.wrong(fmt.Sprintf("the files have changed meanwhile: %v %v", err1, err2), "keytree doctor once more")
		return
	}
	before := len(n.all)
	s.validity(n, chain[0], authorities)
	s.usage(n, chain[0])
	s.names(n, chain[0])
	s.chain(n, chain, authorities)
	s.permissions(n)
	if len(n.all) == before {
		n.ok("%s is for %s, until %s", c.CertFile, hostsOf(chain[0]), day(chain[0].NotAfter))
	}
}

// whatMends is for files that cannot be used.
func (s certified) whatMends(err error) []string {
	c := s.Files
	switch {
	case errors.Is(err, fs.ErrPermission):
		var all []string
		for _, name := range []string{c.CertFile, c.KeyFile, c.TrustedCAFile, c.CRLFile} {
			if name != "" && readable(name) != nil {
				all = append(all, "sudo chown \"$USER\" "+quoted(name))
			}
		}
		return all
	case errors.Is(err, fs.ErrNotExist):
		return []string{s.prefix + "cert-file and " + s.prefix + "key-file with the paths of files that exist"}
	case c.CertFile != "" && c.KeyFile != "":
		return []string{
			"openssl x509 -noout -pubkey -in " + quoted(c.CertFile) + " | openssl sha256",
			"openssl pkey -pubout -in " + quoted(c.KeyFile) + " | openssl sha256",
		}
	}
	return []string{s.prefix + "cert-file FILE " + s.prefix + "key-file FILE"}
}

func readable(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}

// anew are the commands for a certificate that is as it should be.
func (s certified) anew() []string {
	var names []string
	for _, raw := range s.urls {
		if p := placeOf(raw); p.host != "" {
			kind := "DNS:"
			if isAddress(p.host) {
				kind = "IP:"
			}
			if !slices.Contains(names, kind+p.host) {
				names = append(names, kind+p.host)
			}
		}
	}
	usage := "serverAuth"
	if s.mutual {
		usage = "serverAuth,clientAuth"
	}
	subject := "/CN=keytree"
	request := fmt.Sprintf("openssl req -new -key %s -subj %s -addext %s -addext extendedKeyUsage=%s -out keytree.csr",
		quoted(s.Files.KeyFile), subject, quoted("subjectAltName="+strings.Join(names, ",")), usage)
	return []string{request, "openssl x509 -req -in keytree.csr -copy_extensions copy -days 365 -CA ca.pem -CAkey ca-key.pem -out " + quoted(s.Files.CertFile)}
}

func (s certified) validity(n *notes, leaf *x509.Certificate, authorities []*x509.Certificate) {
	now := time.Now()
	switch {
	case now.After(leaf.NotAfter):
		n.wrong(fmt.Sprintf("%s has expired on %s: others refuse it", s.Files.CertFile, day(leaf.NotAfter)), s.anew()...)
	case now.Before(leaf.NotBefore):
		n.wrong(fmt.Sprintf("%s is not valid before %s: others refuse it, or the clock here is wrong", s.Files.CertFile, leaf.NotBefore.UTC().Format(time.RFC3339)), "timedatectl status")
	case leaf.NotAfter.Sub(now) < soon:
		n.warn(fmt.Sprintf("%s expires on %s", s.Files.CertFile, day(leaf.NotAfter)), s.anew()...)
	}
	for _, a := range authorities {
		switch mend := s.prefix + "trusted-ca-file with a newer certificate of the authority"; {
		case now.After(a.NotAfter):
			n.wrong(fmt.Sprintf("the authority %q in %s has expired on %s: what it has signed is refused", a.Subject, s.Files.TrustedCAFile, day(a.NotAfter)), mend)
		case a.NotAfter.Sub(now) < soon:
			n.warn(fmt.Sprintf("the authority %q in %s expires on %s", a.Subject, s.Files.TrustedCAFile, day(a.NotAfter)), mend)
		}
	}
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// usage looks at what the certificate may be used for. Members call each other,
// so theirs is for either end.
func (s certified) usage(n *notes, leaf *x509.Certificate) {
	may := func(u x509.ExtKeyUsage) bool {
		return len(leaf.ExtKeyUsage) == 0 || slices.Contains(leaf.ExtKeyUsage, u) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
	}
	switch asked := s.Files.ClientCertAuth || s.Files.TrustedCAFile != ""; {
	case !may(x509.ExtKeyUsageServerAuth):
		n.wrong(fmt.Sprintf("%s is not for servers, says its extended key usage: %s refuse it", s.Files.CertFile, s.who), s.anew()...)
	case s.mutual && asked && !may(x509.ExtKeyUsageClientAuth):
		n.wrong(fmt.Sprintf("%s is not for clients, says its extended key usage: members call each other, and refuse it", s.Files.CertFile), s.anew()...)
	}
}

// names looks for the hosts that others will find the certificate at.
func (s certified) names(n *notes, leaf *x509.Certificate) {
	var missing []string
	for _, raw := range s.urls {
		p := placeOf(raw)
		if p.scheme == "https" && p.host != "" && leaf.VerifyHostname(bracketed(p.host)) != nil && !slices.Contains(missing, p.host) {
			missing = append(missing, p.host)
		}
	}
	if len(missing) > 0 {
		n.wrong(fmt.Sprintf("%s is for %s, and not for %s, where %s find it", s.Files.CertFile, hostsOf(leaf), strings.Join(missing, ", "), s.who), s.anew()...)
	}
}

// bracketed is a host as VerifyHostname wants it.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func hostsOf(leaf *x509.Certificate) string {
	all := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no host"
	}
	return strings.Join(all, ", ")
}

// chain looks whether the members, who trust the same authorities, take each
// other's certificates. What clients trust is not known here.
func (s certified) chain(n *notes, chain, authorities []*x509.Certificate) {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	var roots *x509.CertPool // nil: those of the system
	by := "an authority of this system"
	if len(authorities) > 0 {
		roots, by = x509.NewCertPool(), "an authority in "+s.Files.TrustedCAFile
		for _, a := range authorities {
			roots.AddCert(a)
		}
	}
	when := chain[0].NotAfter // that it has expired is said elsewhere
	if now := time.Now(); now.Before(when) {
		when = now
	}
	if when.Before(chain[0].NotBefore) {
		when = chain[0].NotBefore
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: when, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	switch text := fmt.Sprintf("%s is not signed by %s: %v", s.Files.CertFile, by, err); {
	case err == nil || expired(authorities):
	case s.mutual:
		n.wrong(text, s.prefix+"trusted-ca-file with the authority that has signed it", "openssl x509 -noout -issuer -in "+quoted(s.Files.CertFile))
	default:
		n.warn(text+" (clients must trust whoever has)", "openssl x509 -noout -issuer -in "+quoted(s.Files.CertFile), "etcdctl2 --ca-file ca.pem ls")
	}
}

// expired reports whether there is an authority that is out of date, which is
// told apart.
func expired(authorities []*x509.Certificate) bool {
	return slices.ContainsFunc(authorities, func(a *x509.Certificate) bool { return time.Now().After(a.NotAfter) })
}

// permissions looks who may read the key: the owner, and perhaps the group.
func (s certified) permissions(n *notes) {
	info, err := os.Stat(s.Files.KeyFile)
	if err != nil || runtime.GOOS == "windows" { // there the mode says nothing about others
		return
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		n.warn(fmt.Sprintf("others may read the key %s or change it (mode %04o)", s.Files.KeyFile, mode), "chmod 600 "+quoted(s.Files.KeyFile))
	}
}

// certificatesIn are those in a file; none in a file without a name.
func certificatesIn(name string) (all []*x509.Certificate, err error) {
	if name == "" {
		return nil, nil
	}
	rest, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
}
