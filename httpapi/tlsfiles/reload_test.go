package tlsfiles

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

const quick = 20 * time.Millisecond // between two looks

// serverName is the common name of the certificate that a server shows.
func serverName(t *testing.T, w *world, address string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: w.ca.Pool()})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestNewFilesServeNewConnectionsAndLeaveOldOnesAlone(t *testing.T) {
	w := newWorld(t)
	c := w.config(w.ca.Issue(certtest.Leaf{CommonName: "before"}))
	c.Interval = quick
	f := mustOpen(t, c)
	run(t, f)
	address := mustServe(t, f)
	open, err := tls.Dial("tcp", address, &tls.Config{RootCAs: w.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	after := w.ca.Issue(certtest.Leaf{CommonName: "after", Hosts: []string{"127.0.0.1", "after.example"}, Until: time.Now().Add(100 * 24 * time.Hour)})
	after.Write(w.dir, "own1")
	if !within(5*time.Second, func() bool { return serverName(t, w, address) == "after" }) {
		t.Errorf("new connections get %q", serverName(t, w, address))
	}
	if !f.NotAfter().Equal(after.Cert.NotAfter) {
		t.Errorf("it expires on %v, want %v", f.NotAfter(), after.Cert.NotAfter)
	}
	w.mustSay("TLS files have changed: new connections use them")
	w.mustSay(`hosts="DNS:after.example, IP:127.0.0.1"`)
	fmt.Fprintf(open, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	if line, err := bufio.NewReader(open).ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" {
		t.Errorf("the connection of before: %q %v", line, err)
	}
}

// The way of Kubernetes: files are links into a directory that is itself a
// link, and this one is replaced.
func TestFilesThatAreSwappedBehindALinkAreSeen(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"before", "after"} {
		dir := filepath.Join(w.dir, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		w.ca.Issue(certtest.Leaf{CommonName: name}).Write(dir, "tls")
	}
	swap := func(to string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(w.dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(w.dir, "..new"), filepath.Join(w.dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("before")
	for _, name := range []string{"tls.pem", "tls-key.pem"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(w.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	f := mustOpen(t, Config{CertFile: filepath.Join(w.dir, "tls.pem"), KeyFile: filepath.Join(w.dir, "tls-key.pem"), Interval: quick})
	run(t, f)
	address := mustServe(t, f)
	if got := serverName(t, w, address); got != "before" {
		t.Fatal(got)
	}
	swap("after")
	if !within(5*time.Second, func() bool { return serverName(t, w, address) == "after" }) {
		t.Errorf("new connections get %q", serverName(t, w, address))
	}
}

func TestAuthoritiesAndRevocationsAreReadAnew(t *testing.T) {
	w := newWorld(t)
	second := certtest.New(t, "second root")
	alice, bob := w.ca.Issue(certtest.Leaf{CommonName: "alice"}), second.Issue(certtest.Leaf{CommonName: "bob"})
	c := w.config(nil)
	c.TrustedCAFile, c.Interval = w.caFile, quick
	c.CRLFile = certtest.Write(t, w.dir, "crl.pem", w.ca.Revoke())
	server := mustOpen(t, c)
	run(t, server)
	address := mustServe(t, server)
	admitted := func(who *certtest.Pair) bool {
		cert := who.TLS()
		got := ask(t, address, &tls.Config{RootCAs: w.ca.Pool(), GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }})
		return strings.HasPrefix(got, who.Cert.Subject.CommonName+" in")
	}
	if !admitted(alice) || admitted(bob) {
		t.Fatal("it did not begin as it should")
	}
	certtest.Write(t, w.dir, "ca.pem", append(w.ca.PEM(), second.PEM()...))
	if !within(5*time.Second, func() bool { return admitted(bob) }) {
		t.Error("an authority that was added is not trusted")
	}
	certtest.Write(t, w.dir, "crl.pem", w.ca.Revoke(alice))
	if !within(5*time.Second, func() bool { return !admitted(alice) }) {
		t.Error("a certificate that was revoked is admitted")
	}
	if !admitted(bob) {
		t.Error("a certificate that was not revoked is refused")
	}
}

func TestAClientFollowsTheFilesToo(t *testing.T) {
	w := newWorld(t)
	second := certtest.New(t, "second root")
	address := mustServe(t, mustOpen(t, w.config(second.Issue(certtest.Leaf{}))))
	f := mustOpen(t, Config{TrustedCAFile: w.caFile, Interval: quick})
	run(t, f)
	if dial(t, f, address) == nil {
		t.Fatal("a server of an unknown authority is trusted")
	}
	certtest.Write(t, w.dir, "ca.pem", second.PEM())
	if !within(5*time.Second, func() bool { return dial(t, f, address) == nil }) {
		t.Error(dial(t, f, address))
	}
}

// bubble has files and a log, and Run in a bubble. Its time is that of 1999.
type bubble struct {
	t    *testing.T
	dir  string
	ca   *certtest.Authority
	log  *transcript
	f    *Files
	stop func()
}

func newBubble(t *testing.T, own certtest.Leaf, interval time.Duration) *bubble {
	t.Helper()
	b := &bubble{t: t, dir: t.TempDir(), ca: certtest.New(t, "root"), log: &transcript{}}
	cert, key := b.ca.Issue(own).Write(b.dir, "own")
	b.f = mustOpen(t, Config{CertFile: cert, KeyFile: key, Interval: interval, Logger: slog.New(slog.NewTextHandler(b.log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.f.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	return b
}

func (b *bubble) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bubble) owner() string { return b.f.now.Load().own.Leaf.Subject.CommonName }

func (b *bubble) lines(text string) int { return strings.Count(b.log.String(), text) }

func TestABrokenChangeIsToldOnceAndChangesNothing(t *testing.T) {
	for name, damage := range map[string]func(b *bubble) error{
		"a certificate without its key": func(b *bubble) error {
			return os.WriteFile(b.path("own.pem"), b.ca.Issue(certtest.Leaf{CommonName: "after"}).PEM, 0o600)
		},
		"an empty file":  func(b *bubble) error { return os.WriteFile(b.path("own.pem"), nil, 0o600) },
		"a missing file": func(b *bubble) error { return os.Remove(b.path("own-key.pem")) },
		"rubbish":        func(b *bubble) error { return os.WriteFile(b.path("own-key.pem"), []byte("rubbish"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBubble(t, certtest.Leaf{CommonName: "before"}, 0)
				defer b.stop()
				const complaint = "cannot be used: going on with what they said before"
				if err := damage(b); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if b.owner() != "before" || b.lines(complaint) != 1 || !strings.Contains(b.log.String(), b.dir+"/own") {
					t.Errorf("it shows %q, and says\n%s", b.owner(), b.log)
				}
				if err := os.WriteFile(b.path("own-key.pem"), []byte("more rubbish"), 0o600); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if b.owner() != "before" || b.lines(complaint) != 2 {
					t.Errorf("after another change: it shows %q, and says\n%s", b.owner(), b.log)
				}
				b.ca.Issue(certtest.Leaf{CommonName: "mended"}).Write(b.dir, "own")
				time.Sleep(2 * defaultInterval)
				if b.owner() != "mended" || b.lines(complaint) != 2 {
					t.Errorf("mended: it shows %q, and says\n%s", b.owner(), b.log)
				}
			})
		})
	}
}

func TestABrokenChangeThatIsTakenBackIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, certtest.Leaf{CommonName: "before"}, 0)
		defer b.stop()
		was, err := os.ReadFile(b.path("own.pem"))
		if err != nil {
			t.Fatal(err)
		}
		certtest.Write(t, b.dir, "own.pem", nil)
		time.Sleep(time.Minute)
		certtest.Write(t, b.dir, "own.pem", was)
		time.Sleep(time.Minute)
		if b.lines("again as they were") != 1 || b.owner() != "before" {
			t.Error(b.log)
		}
		certtest.Write(t, b.dir, "own.pem", nil) // the same as before, but news again
		time.Sleep(time.Minute)
		if b.lines("cannot be used") != 2 {
			t.Error(b.log)
		}
	})
}

// Whoever replaces a certificate and its key writes one of them first.
func TestHalfAChangeIsNeitherUsedNorToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, certtest.Leaf{CommonName: "before"}, 0)
		defer b.stop()
		after := b.ca.Issue(certtest.Leaf{CommonName: "after"})
		certtest.Write(t, b.dir, "own.pem", after.PEM)
		time.Sleep(defaultInterval + defaultInterval/20) // it has been seen once
		certtest.Write(t, b.dir, "own-key.pem", after.Key)
		time.Sleep(defaultInterval / 20)
		if b.owner() != "before" {
			t.Error("it was used before it had settled")
		}
		time.Sleep(defaultInterval / 5)
		if b.owner() != "after" || b.lines("cannot be used") > 0 {
			t.Errorf("it shows %q, and says\n%s", b.owner(), b.log)
		}
	})
}

func TestAnOwnCertificateThatExpiresIsToldOfEveryDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t, certtest.Leaf{Until: time.Now().Add(33 * 24 * time.Hour)}, time.Hour)
		defer b.stop()
		day := func() { time.Sleep(24 * time.Hour) }
		time.Sleep(time.Hour)
		for range 3 {
			day()
		}
		if b.lines("WARN") != 0 {
			t.Errorf("a month before:\n%s", b.log)
		}
		day()
		day()
		if b.lines("expires on 2000-02-03T00:00:00Z") != 2 {
			t.Errorf("less than a month before:\n%s", b.log)
		}
		for range 30 {
			day()
		}
		if b.lines("expires on") != 30 || b.lines("has expired on 2000-02-03T00:00:00Z") != 2 {
			t.Errorf("in the end:\n%s", b.log)
		}
	})
}

// Handshakes while the files change get one certificate or the other, whole.
func TestHandshakesDuringAReloadAllSucceed(t *testing.T) {
	w := newWorld(t)
	c := w.config(nil)
	c.TrustedCAFile, c.Interval = w.caFile, 2*time.Millisecond
	f := mustOpen(t, c)
	run(t, f)
	address := mustServe(t, f)
	dialer := f.Dialer((&net.Dialer{}).DialContext)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := dialer(t.Context(), "tcp", address)
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprintf(conn, "GET / HTTP/1.0\r\n\r\n")
				if answer, err := io.ReadAll(conn); !bytes.HasPrefix(answer, []byte("HTTP/1.0 200")) {
					t.Errorf("%q %v", answer, err)
				}
				conn.Close()
			}
		})
	}
	for i := range 10 {
		name := fmt.Sprint("n", i)
		w.ca.Issue(certtest.Leaf{CommonName: name}).Write(w.dir, "own1")
		if !within(5*time.Second, func() bool { return f.now.Load().own.Leaf.Subject.CommonName == name }) {
			t.Errorf("%s was not taken up:\n%s", name, w.log)
		}
	}
	close(stop)
	all.Wait()
}
