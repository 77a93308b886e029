package tlsfiles

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// lifetime is that of a certificate we make.
const lifetime = 365 * 24 * time.Hour

// SelfSigned makes a certificate for hosts - names or addresses, with or
// without a port - and its key: the files cert.pem and key.pem in dir, which
// is made too. A certificate that is there already is kept if it is for all of
// hosts and will be for another 30 days.
func SelfSigned(dir string, hosts []string, now time.Time) (certFile, keyFile string, err error) {
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	names := certifiable(hosts)
	if len(names) == 0 {
		return "", "", errors.New("a certificate of our own needs a host to be for")
	}
	if serves(certFile, keyFile, names, now) {
		return certFile, keyFile, nil
	}
	cert, key, err := selfSign(names, now)
	if err != nil {
		return "", "", fmt.Errorf("making a certificate for %v: %w", names, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", err
	}
	// A crash in between leaves two files that do not fit: the next start makes new ones.
	if err := replace(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		return "", "", err
	}
	if err := replace(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o644); err != nil {
		return "", "", err
	}
	return certFile, keyFile, nil
}

// certifiable are the hosts a certificate can name. Who listens on any address
// is reached on this machine at least.
func certifiable(hosts []string) []string {
	var names []string
	for _, host := range hosts {
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			names = append(names, "localhost", "127.0.0.1", "::1")
		}
		if host != "" {
			names = append(names, host)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// serves is whether the files hold a certificate of ours that will do.
func serves(certFile, keyFile string, names []string, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil || now.Before(pair.Leaf.NotBefore) || pair.Leaf.NotAfter.Sub(now) <= soon {
		return false
	}
	return !slices.ContainsFunc(names, func(name string) bool { return pair.Leaf.VerifyHostname(name) != nil })
}

func selfSign(names []string, now time.Time) (cert, key []byte, err error) {
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          number,
		Subject:               pkix.Name{Organization: []string{"keytree"}},
		NotBefore:             now,
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if key, err = x509.MarshalPKCS8PrivateKey(secret); err != nil {
		return nil, nil, err
	}
	cert, err = x509.CreateCertificate(rand.Reader, template, template, &secret.PublicKey, secret)
	return cert, key, err
}

// replace writes a file that is either the old one or the new one at any time.
func replace(path string, text []byte, mode os.FileMode) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temporary.Name()) // there is a better error
		}
	}()
	_, err = temporary.Write(text)
	if err == nil {
		err = temporary.Chmod(mode)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
