package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

func TestASelfSignedCertificateIsForItsHosts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fixtures", "client")
	now := time.Now()
	certFile, keyFile, err := SelfSigned(dir, []string{"10.0.0.1:2379", "a.example:2379", "[::]:2379", "a.example"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for file, mode := range map[string]os.FileMode{dir: 0o700, certFile: 0o644, keyFile: 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", file, info.Mode(), err)
		}
	}
	if filepath.Base(certFile) != "cert.pem" || filepath.Base(keyFile) != "key.pem" {
		t.Error(certFile, keyFile)
	}
	leaf := mustOpen(t, Config{CertFile: certFile, KeyFile: keyFile}).now.Load().own.Leaf
	if got := leaf.Subject.String(); got != "O=keytree" {
		t.Error(got)
	}
	if got := strings.Join(hosts(leaf), " "); got != "DNS:a.example DNS:localhost IP:10.0.0.1 IP:127.0.0.1 IP::: IP:::1" {
		t.Error(got)
	}
	if !leaf.NotBefore.Equal(now.UTC().Truncate(time.Second)) || leaf.NotAfter.Sub(leaf.NotBefore) != lifetime {
		t.Errorf("from %v to %v", leaf.NotBefore, leaf.NotAfter)
	}
	address := mustServe(t, mustOpen(t, Config{CertFile: certFile, KeyFile: keyFile}))
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	if got := ask(t, address, &tls.Config{RootCAs: roots}); got != "nobody in HTTP/1.1" {
		t.Error(got)
	}
}

func TestASelfSignedCertificateIsKeptWhileItWillDo(t *testing.T) {
	now := time.Now()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name   string
		hosts  []string
		later  time.Duration
		damage func(cert, key string) error
		kept   bool
	}{
		{"the same hosts", []string{"10.0.0.1:1", "a.example:1"}, 0, nil, true},
		{"fewer hosts", []string{"a.example"}, 0, nil, true},
		{"31 days before its end", []string{"a.example"}, lifetime - 31*day, nil, true},
		{"another host", []string{"a.example", "b.example"}, 0, nil, false},
		{"30 days before its end", []string{"a.example"}, lifetime - 30*day, nil, false},
		{"after its end", []string{"a.example"}, lifetime + day, nil, false},
		{"before its time", []string{"a.example"}, -day, nil, false},
		{"without its key", []string{"a.example"}, 0, func(_, key string) error { return os.Remove(key) }, false},
		{"with a broken certificate", []string{"a.example"}, 0, func(cert, _ string) error { return os.Truncate(cert, 100) }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			cert, key, err := SelfSigned(dir, []string{"10.0.0.1:1", "a.example:1"}, now)
			if err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(cert)
			if err != nil {
				t.Fatal(err)
			}
			if tt.damage != nil {
				if err := tt.damage(cert, key); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := SelfSigned(dir, tt.hosts, now.Add(tt.later)); err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(cert)
			if err != nil || bytes.Equal(before, after) != tt.kept {
				t.Errorf("%v, the same: %v", err, bytes.Equal(before, after))
			}
			if !serves(cert, key, certifiable(tt.hosts), now.Add(tt.later)) {
				t.Error("it will not do")
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
				t.Errorf("%v %v", left, err)
			}
		})
	}
}

func TestASelfSignedCertificateThatCannotBeWrittenIsAnError(t *testing.T) {
	file := certtest.Write(t, t.TempDir(), "file", nil)
	if _, _, err := SelfSigned(filepath.Join(file, "x"), []string{"a"}, time.Now()); err == nil || !strings.Contains(err.Error(), file) {
		t.Error(err)
	}
	if _, _, err := SelfSigned(t.TempDir(), nil, time.Now()); err == nil {
		t.Error("a certificate was made for nobody")
	}
}
