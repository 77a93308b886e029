package tlsfiles

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

func TestHTTP2IsSpokenWhereBothCan(t *testing.T) {
	w := newWorld(t)
	cbc, gcm := uint16(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA), uint16(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
	h2, h1 := []string{"h2", "http/1.1"}, []string{"http/1.1"}
	for _, tt := range []struct {
		name           string
		suites         []uint16
		offered, asked []string
		newest         uint16
		want           string
	}{
		{"both", nil, h2, h2, 0, "HTTP/2.0"},
		{"both in TLS 1.2", nil, h2, h2, tls.VersionTLS12, "HTTP/2.0"},
		{"only the client", nil, h1, h2, 0, "HTTP/1.1"},
		{"only the server", nil, h2, nil, 0, "HTTP/1.1"},
		{"the server offers nothing", nil, nil, h2, 0, "HTTP/1.1"},
		{"a cipher suite that HTTP/2 takes", []uint16{gcm}, h2, h2, tls.VersionTLS12, "HTTP/2.0"},
		{"a cipher suite that HTTP/2 does not take", []uint16{cbc}, h2, h2, tls.VersionTLS12, "HTTP/1.1"},
		{"a cipher suite that TLS 1.3 does not use", []uint16{cbc}, h2, h2, tls.VersionTLS13, "HTTP/2.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := w.config(nil)
			c.CipherSuites = tt.suites
			address := mustServe(t, mustOpen(t, c), tt.offered...)
			if got := ask(t, address, &tls.Config{RootCAs: w.ca.Pool(), NextProtos: tt.asked, MaxVersion: tt.newest}); got != "nobody in "+tt.want {
				t.Error(got)
			}
		})
	}
}

func TestCipherSuitesThatAreNotListedAreNotSpoken(t *testing.T) {
	w := newWorld(t)
	c := w.config(nil)
	c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	address := mustServe(t, mustOpen(t, c))
	for suite, want := range map[uint16]string{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "nobody in HTTP/1.1",
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "handshake failure",
	} {
		if got := ask(t, address, &tls.Config{RootCAs: w.ca.Pool(), MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}}); !strings.Contains(got, want) {
			t.Errorf("%s: %s", tls.CipherSuiteName(suite), got)
		}
	}
}

func TestPlainHTTPToATLSPortIsToldSo(t *testing.T) {
	w := newWorld(t)
	address := mustServe(t, mustOpen(t, w.config(nil)))
	for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "%s /v2/keys/a HTTP/1.1\r\nHost: a\r\n\r\n", method)
		line, err := bufio.NewReader(conn).ReadString('\n')
		if line != "HTTP/1.0 400 Bad Request\r\n" {
			t.Errorf("%s: %q %v", method, line, err)
		}
	}
	w.mustSay(`(error "tls: first record does not look like a TLS handshake", ServerName "")`)
}

func TestTheLogNamesTheServerThatWasAskedFor(t *testing.T) {
	w := newWorld(t)
	c := w.config(nil)
	c.TrustedCAFile = w.caFile
	address := mustServe(t, mustOpen(t, c))
	ask(t, address, &tls.Config{RootCAs: w.ca.Pool(), ServerName: "localhost"})
	w.mustSay(`(error "tls: client didn't provide a certificate", ServerName "localhost")`)
}

// Load balancers open ports and close them again all day long.
func TestWhoOnlyLooksIfThePortIsOpenIsNoWarning(t *testing.T) {
	w := newWorld(t)
	address := mustServe(t, mustOpen(t, w.config(nil)))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	w.mustSay(`(error "EOF", ServerName "")`)
	if strings.Contains(w.log.String(), "level=WARN") {
		t.Error(w.log)
	}
}

// pipes is a listener in memory, so that time can be made to pass.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

func TestASlowClientKeepsNobodyWaitingAndIsCutOff(t *testing.T) {
	w := newWorld(t)
	c := w.config(w.ca.Issue(certtest.Leaf{From: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)})) // when bubbles begin
	synctest.Test(t, func(t *testing.T) {
		inner := newPipes()
		l := mustOpen(t, c).Listener(inner)
		accepted := make(chan net.Conn)
		ended := make(chan error)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					ended <- err
					return
				}
				accepted <- conn
			}
		}()
		silent := inner.dial()
		defer silent.Close()
		began := time.Now()
		good := tls.Client(inner.dial(), &tls.Config{InsecureSkipVerify: true})
		go good.Handshake()
		conn := <-accepted
		if took := time.Since(began); took > 0 {
			t.Errorf("the second connection waited %v for the first", took)
		}
		if _, err := silent.Read(make([]byte, 1)); err != io.EOF || time.Since(began) != handshakeTime {
			t.Errorf("a client that says nothing got %v after %v", err, time.Since(began))
		}
		last := inner.dial() // Close finds it in the middle of its handshake
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != net.ErrClosed {
			t.Errorf("Accept of a closed listener: %v", err)
		}
		if _, err := last.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a connection that was never accepted was left open: %v", err)
		}
		go conn.Write([]byte("x"))
		if n, err := good.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("an accepted connection was closed with the listener: %v", err)
		}
		conn.(*tls.Conn).NetConn().Close()
		good.NetConn().Close()
	})
}

func TestAListenerMayBeClosedBeforeItAcceptsAndTwice(t *testing.T) {
	w := newWorld(t)
	l := mustOpen(t, w.config(nil)).Listener(newPipes())
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != net.ErrClosed {
		t.Error(err)
	}
	if _, err := l.Accept(); err != net.ErrClosed {
		t.Error(err)
	}
}

// counted counts how often it is asked, and takes a while to notice that it is
// closed.
type counted struct {
	*pipes
	asked int
	ended bool
}

func (c *counted) Accept() (net.Conn, error) {
	c.asked++
	conn, err := c.pipes.Accept()
	if err != nil {
		time.Sleep(time.Second)
		c.ended = true
	}
	return conn, err
}

func TestCloseWaitsForWhatAcceptHasBegun(t *testing.T) {
	w := newWorld(t)
	c := w.config(nil)
	synctest.Test(t, func(t *testing.T) {
		inner := &counted{pipes: newPipes()}
		l := mustOpen(t, c).Listener(inner)
		ended := make(chan error)
		go func() {
			_, err := l.Accept()
			ended <- err
		}()
		synctest.Wait()
		if err := l.Close(); err != nil || !inner.ended {
			t.Errorf("%v, the inner listener has ended: %v", err, inner.ended)
		}
		if err := <-ended; err != net.ErrClosed {
			t.Error(err)
		}
	})
}

func TestAcceptAfterCloseBeginsNothing(t *testing.T) {
	w := newWorld(t)
	c := w.config(nil)
	synctest.Test(t, func(t *testing.T) {
		inner := &counted{pipes: newPipes()}
		l := mustOpen(t, c).Listener(inner)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		_, err := l.Accept()
		synctest.Wait()
		if err != net.ErrClosed || inner.asked != 0 {
			t.Errorf("%v, the inner listener was asked %d times", err, inner.asked)
		}
	})
}

// exhausted cannot accept for a while.
type exhausted struct {
	*pipes
	failures int
}

func (e *exhausted) Accept() (net.Conn, error) {
	if e.failures > 0 {
		e.failures--
		return nil, fmt.Errorf("too many open files")
	}
	return e.pipes.Accept()
}

func TestAListenerSurvivesErrorsThatItPassesOn(t *testing.T) {
	w := newWorld(t)
	inner := newPipes()
	l := mustOpen(t, w.config(nil)).Listener(&exhausted{inner, 2})
	defer l.Close()
	for range 2 {
		if _, err := l.Accept(); err == nil || err.Error() != "too many open files" {
			t.Fatal(err)
		}
	}
	go func() { _ = tls.Client(inner.dial(), &tls.Config{InsecureSkipVerify: true}).Handshake() }()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.(*tls.Conn).NetConn().Close()
}

func TestTheLogOfRejectionsIsBounded(t *testing.T) {
	var r rejects
	now := time.Now()
	a := reject{"10.0.0.1", "why"}
	if told, _ := r.tell(a, now); !told {
		t.Error("the first was not told")
	}
	for range 5 {
		if told, _ := r.tell(a, now.Add(rejectPeriod-1)); told {
			t.Error("the same was told again")
		}
	}
	if told, untold := r.tell(reject{"10.0.0.1", "something else"}, now); !told || untold != 5 {
		t.Errorf("another reason: %v, %d before it", told, untold)
	}
	for i := range 2 * mostRejects {
		told, _ := r.tell(reject{fmt.Sprint(i), "why"}, now)
		if want := i < mostRejects-2; told != want {
			t.Fatalf("number %d: %v", i, told)
		}
	}
	if told, untold := r.tell(a, now.Add(rejectPeriod)); !told || untold != mostRejects+2 {
		t.Errorf("a period later: %v, %d before it", told, untold)
	}
	if n := len(r.mu.told); n != 1 {
		t.Errorf("%d are remembered", n)
	}
}

// Go's text about an expired certificate holds the time, and would be new
// every second.
func TestTheSameCertificateFromTheSameSourceIsToldOnce(t *testing.T) {
	w := newWorld(t)
	c := w.config(nil)
	c.TrustedCAFile = w.caFile
	f := mustOpen(t, c)
	old := w.ca.Issue(certtest.Leaf{Until: time.Now().Add(-time.Minute)})
	for i := range 3 {
		f.logReject(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: i}, "", &Refusal{old.Cert, fmt.Errorf("at %d", i), ""})
	}
	f.logReject(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 2)}, "", &Refusal{old.Cert, fmt.Errorf("at %d", 4), ""})
	if n := strings.Count(w.log.String(), "rejected connection"); n != 2 {
		t.Errorf("%d lines:\n%s", n, w.log)
	}
	w.mustSay("untold=2")
}
