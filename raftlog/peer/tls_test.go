package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog/member"
)

// identity is a certificate for 127.0.0.1 and example.com, and who vouches for it.
func identity(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(s.Certificate())
	return s.TLS.Certificates[0], trusted
}

// startSecure starts a member behind l that speaks TLS only.
func startSecure(t testing.TB, id member.ID, l net.Listener, scheme string, c Config) *node {
	t.Helper()
	own, trusted := identity(t)
	if c.DialTLS == nil {
		c.DialTLS = (&tls.Dialer{Config: &tls.Config{
			Certificates: []tls.Certificate{own}, RootCAs: trusted, ServerName: "example.com", MinVersion: tls.VersionTLS12,
		}}).DialContext
	}
	n := startNode(t, id, tls.NewListener(l, &tls.Config{
		Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert,
		NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
	}), c)
	n.url = scheme + "://" + l.Addr().String()
	return n
}

func listenFile(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "peer"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestMembersTalkThroughTLS(t *testing.T) {
	a, b := startSecure(t, 0xa, listen(t), "https", Config{}), startSecure(t, 0xb, listen(t), "https", Config{})
	introduce(a, b)
	awaitConnected(t, a, b)
	a.Send([]*raftpb.Message{newAppend(a.id, b.id, 4, 3, 1<<20)})
	b.receiver.await(t, "a message", func() bool { return len(b.receiver.messages) == 1 })
	snapshot := body{n: 300_000}
	if err := sendSnapshot(t, a, b, snapshot); err != nil {
		t.Fatal(err)
	}
	if got := get(b.receiver, func() [][]byte { return b.receiver.snapshots }); !bytes.Equal(got[0], snapshot.bytes()) {
		t.Error("the snapshot was changed")
	}
	a.peer(b.id).check <- struct{}{}
	for deadline := time.Now().Add(5 * time.Second); strings.Contains(metrics(t, a.stats), `round_trip_time_seconds{To="b"} 0`); {
		if time.Now().After(deadline) {
			t.Fatalf("no probe came through:\n%s", metrics(t, a.stats))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestMembersTalkThroughFiles(t *testing.T) {
	for _, scheme := range []string{"unix", "unixs"} {
		t.Run(scheme, func(t *testing.T) {
			var a, b *node
			if scheme == "unix" {
				a, b = startNode(t, 0xa, listenFile(t), Config{}), startNode(t, 0xb, listenFile(t), Config{})
				a.url, b.url = "unix://"+a.listener.Addr().String(), "unix://"+b.listener.Addr().String()
			} else {
				a, b = startSecure(t, 0xa, listenFile(t), "unixs", Config{}), startSecure(t, 0xb, listenFile(t), "unixs", Config{})
			}
			introduce(a, b)
			awaitConnected(t, a, b)
		})
	}
}

func TestAPeerWithAStrangersCertificateIsNotTalkedTo(t *testing.T) {
	a := startSecure(t, 0xa, listen(t), "https", Config{})
	b := startSecure(t, 0xb, listen(t), "https", Config{DialTLS: DialFunc((&net.Dialer{}).DialContext).greet})
	introduce(a, b)
	for deadline := time.Now().Add(5 * time.Second); b.log.count("cannot reach peer a") == 0; {
		if time.Now().After(deadline) {
			t.Fatalf("b does not say why it cannot reach a:\n%s", b.log)
		}
		time.Sleep(time.Millisecond)
	}
	if b.log.count("certificate signed by unknown authority") == 0 {
		t.Errorf("the log does not give the reason:\n%s", b.log)
	}
	if !a.Connected(b.id).IsZero() || !b.Connected(a.id).IsZero() {
		t.Error("they are connected all the same")
	}
}

func TestAnAttemptThatHangsInItsHandshakeEnds(t *testing.T) {
	l := listen(t)
	defer l.Close()
	tr := New(Config{})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if c, err := tr.connect(ctx, "https://"+l.Addr().String()); err == nil {
		_ = c.Close()
		t.Fatal("connected to somebody who says nothing")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}
