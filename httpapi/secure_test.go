package httpapi

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const secureHost = "keytree.test"

// secure is a lone member that is also served over TLS.
type secure struct {
	*bench
	pipes chan net.Conn
	trust *x509.CertPool
}

// securely runs test against a member over TLS, on a clock of its own.
func securely(t *testing.T, test func(t *testing.T, s *secure)) {
	t.Helper()
	t.Parallel()
	onFronts(t, func(t *testing.T, over front) {
		s := &secure{bench: newBenchOn(t, over, asItIs), pipes: make(chan net.Conn)}
		own := selfSigned(t)
		s.trust = x509.NewCertPool()
		s.trust.AddCert(own.Leaf)
		server := over(serve(t, s.cluster, s.cluster.stats(), func(c *Config) {
			c.Logger, c.Stopping = slog.New(slog.NewTextHandler(&lockedWriter{w: s.log}, nil)), s.stopping
		}).Clients)
		l := &pipeListener{accept: s.pipes, done: make(chan struct{})}
		var serving sync.WaitGroup
		serving.Go(func() {
			_ = server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"h2", "http/1.1"}}))
		})
		t.Cleanup(func() {
			_ = server.Close()
			serving.Wait()
		})
		test(t, s)
	})
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{secureHost},
		NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// pipeListener accepts what is sent to it.
type pipeListener struct {
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 21379} }

// dialPlain connects without the handshake.
func (s *secure) dialPlain() net.Conn {
	ours, theirs := net.Pipe()
	s.pipes <- theirs
	return ours
}

// browser is a client that counts its connections and can stop to read.
type browser struct {
	t      *testing.T
	client *http.Client
	dials  atomic.Int64
	frozen chan struct{} // closed: reads never return
}

// browse makes a client that speaks HTTP/2, or HTTP/1.1.
func (s *secure) browse(t *testing.T, version int) *browser {
	b := &browser{t: t, frozen: make(chan struct{})}
	over := new(http.Protocols)
	over.SetHTTP1(version == 1)
	over.SetHTTP2(version == 2)
	transport := &http.Transport{
		Protocols:       over,
		TLSClientConfig: &tls.Config{RootCAs: s.trust, ServerName: secureHost},
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			b.dials.Add(1)
			return &freezer{Conn: s.dialPlain(), frozen: b.frozen, closed: make(chan struct{})}, nil
		},
	}
	b.client = &http.Client{Transport: transport}
	t.Cleanup(transport.CloseIdleConnections)
	return b
}

// freezer is a connection from which nothing is read any more on request.
type freezer struct {
	net.Conn
	frozen, closed chan struct{}
	once           sync.Once
}

func (f *freezer) Read(b []byte) (int, error) {
	select {
	case <-f.frozen:
		<-f.closed
		return 0, net.ErrClosed
	default:
		return f.Conn.Read(b)
	}
}

func (f *freezer) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// send sends a request. The answer's body ends with the test at the latest.
func (b *browser) send(method, target string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(b.t.Context(), method, "https://"+secureHost+target, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", urlencoded)
	}
	a, err := b.client.Do(r)
	if err == nil {
		b.t.Cleanup(func() { _ = a.Body.Close() })
	}
	return a, err
}

func (b *browser) mustSend(method, target string) *http.Response {
	b.t.Helper()
	a, err := b.send(method, target, nil)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, target, err)
	}
	return a
}

// wantLine reads a line of a's body that contains text.
func (b *browser) wantLine(in *bufio.Reader, text string) {
	b.t.Helper()
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, text) {
		b.t.Errorf("got %q, %v, want a line with %s", line, err, text)
	}
}

func (b *browser) wantDials(want int64) {
	b.t.Helper()
	if got := b.dials.Load(); got != want {
		b.t.Errorf("%d connections, want %d", got, want)
	}
}

func TestBothVersionsOfHTTPAreSpokenOverTLS(t *testing.T) {
	securely(t, func(t *testing.T, s *secure) {
		for version := 1; version <= 2; version++ {
			a := s.browse(t, version).mustSend("GET", "/v2/keys")
			body, err := io.ReadAll(a.Body)
			if a.ProtoMajor != version || a.StatusCode != 200 || string(body) != `{"action":"get","node":{"dir":true}}`+"\n" || err != nil {
				t.Errorf("got %v with %q, %v", a, body, err)
			}
			if got := a.Header.Get("X-Etcd-Cluster-Id"); got != "31c6e9f19e0fb0d9" {
				t.Errorf("cluster id %q", got)
			}
		}
	})
}

// In HTTP/2 a write deadline that passes ends a stream, whether anything is
// being written or not.
func TestAQuietWatchOutlivesAllLimits(t *testing.T) {
	const quiet = 20 * time.Minute // twice the longest of them
	securely(t, func(t *testing.T, s *secure) {
		for version := 1; version <= 2; version++ {
			b := s.browse(t, version)
			for _, target := range []string{"/v2/keys/a?wait=true&stream=true", "/v2/keys?wait=true&recursive=true&stream=true"} {
				in := bufio.NewReader(b.mustSend("GET", target).Body)
				for i := range 2 {
					time.Sleep(quiet)
					s.put("/v2/keys/a", fmt.Sprint("value=", i))
					b.wantLine(in, fmt.Sprintf(`"value":"%d"`, i))
				}
			}
			last := b.mustSend("GET", "/v2/keys/a?wait=true")
			time.Sleep(quiet)
			s.put("/v2/keys/a", "value=last")
			if text, err := io.ReadAll(last.Body); err != nil || !strings.Contains(string(text), `"value":"last"`) {
				t.Errorf("a single event: %q, %v", text, err)
			}
		}
	})
}

// What one request is slow at costs the others on its connection nothing.
func TestADeadReaderLosesItsStreamAlone(t *testing.T) {
	securely(t, func(t *testing.T, s *secure) {
		b := s.browse(t, 2)
		b.mustSend("GET", "/v2/keys/a?wait=true&stream=true") // is not read
		quiet := bufio.NewReader(b.mustSend("GET", "/v2/keys/b?wait=true&stream=true").Body)
		for range 60 { // six megabytes, of which the client's library takes four
			s.put("/v2/keys/a", "value="+strings.Repeat("x", 100_000))
		}
		s.wantWatchers(2)
		time.Sleep(pieceTime + time.Second)
		s.wantWatchers(1)
		s.put("/v2/keys/b", "value=1")
		b.wantLine(quiet, `"value":"1"`)
		if a := b.mustSend("GET", "/v2/keys/b"); a.StatusCode != 200 {
			t.Errorf("afterwards: %v", a)
		}
		b.wantDials(1)
	})
}

// A client that takes nothing from its connection does not keep it.
func TestADeadConnectionIsCut(t *testing.T) {
	securely(t, func(t *testing.T, s *secure) {
		for version := 1; version <= 2; version++ {
			b := s.browse(t, version)
			b.mustSend("GET", "/v2/keys/a?wait=true&stream=true")
			close(b.frozen)
			for range 3 {
				s.put("/v2/keys/a", "value="+strings.Repeat("x", 100_000))
			}
			s.wantWatchers(1)
			time.Sleep(2*pieceTime + time.Second)
			s.wantWatchers(0)
		}
	})
}

func TestASlowBodyIsCutAlone(t *testing.T) {
	securely(t, func(t *testing.T, s *secure) {
		b := s.browse(t, 2)
		quiet := bufio.NewReader(b.mustSend("GET", "/v2/keys/b?wait=true&stream=true").Body)
		for target, status := range map[string]int{
			"PUT /v2/keys/a":           400,
			"GET /v2/keys/a?wait=true": 400,
			"PUT /config/local/log":    400,
			"GET /version":             200,
		} {
			method, path, _ := strings.Cut(target, " ")
			start := time.Now()
			slow, more := io.Pipe()
			a, err := b.send(method, path, slow)
			if took := time.Since(start); err != nil || a.StatusCode != status || took > bodyTime {
				t.Errorf("%s: got %v, %v after %v", target, a, err, took)
			}
			_ = more.Close()
		}
		s.wantWatchers(1)
		s.put("/v2/keys/b", "value=1")
		b.wantLine(quiet, `"value":"1"`)
		b.wantDials(1)
	})
}

func TestATooLongBodyIsRefusedAlone(t *testing.T) {
	securely(t, func(t *testing.T, s *secure) {
		b := s.browse(t, 2)
		quiet := bufio.NewReader(b.mustSend("GET", "/v2/keys/b?wait=true&stream=true").Body)
		long := strings.Repeat("x", maxForm+1)
		for name, body := range map[string]io.Reader{"announced": strings.NewReader(long), "not announced": io.MultiReader(strings.NewReader(long))} {
			a, err := b.send("PUT", "/v2/keys/a", body)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if text, err := io.ReadAll(a.Body); a.StatusCode != 400 || !strings.Contains(string(text), "http: POST too large") {
				t.Errorf("%s: got %d %q, %v", name, a.StatusCode, text, err)
			}
		}
		s.put("/v2/keys/b", "value=1")
		b.wantLine(quiet, `"value":"1"`)
		if a := b.mustSend("GET", "/v2/keys/b"); a.StatusCode != 200 {
			t.Errorf("afterwards: %v", a)
		}
		b.wantDials(1)
	})
}

func TestManyWatchesShareAConnection(t *testing.T) {
	securely(t, func(t *testing.T, s *secure) {
		b := s.browse(t, 2)
		var all []*http.Response
		for range maxStreams - 1 {
			all = append(all, b.mustSend("GET", "/v2/keys/a?wait=true"))
		}
		s.wantWatchers(maxStreams - 1)
		s.put("/v2/keys/a", "value=1")
		for _, a := range all {
			b.wantLine(bufio.NewReader(a.Body), `"value":"1"`)
		}
		s.wantWatchers(0)
		b.wantDials(1)
	})
}

// A client that does not get on with its handshake, its preface or its header
// is cut, and so is one that has nothing to ask.
func TestConnectionsOverTLSMeetTheirLimits(t *testing.T) {
	securely(t, func(t *testing.T, s *secure) {
		agreed := func(protocol string) func() net.Conn {
			return func() net.Conn {
				c := tls.Client(s.dialPlain(), &tls.Config{RootCAs: s.trust, ServerName: secureHost, NextProtos: []string{protocol}})
				if err := c.HandshakeContext(t.Context()); err != nil {
					t.Fatal(err)
				}
				return c
			}
		}
		const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
		const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
		for _, x := range []struct {
			name  string
			dial  func() net.Conn
			text  string
			limit time.Duration
		}{
			{"no handshake", s.dialPlain, "", 30 * time.Second},
			{"half a header", agreed("http/1.1"), "GET /v2/keys HTTP/1.1\r\nHost: x\r\n", 30 * time.Second},
			{"no preface", agreed("h2"), "PRI", 10 * time.Second},
			{"no request", agreed("h2"), preface + settings, 10 * time.Minute},
			{"half the headers of one", agreed("h2"), preface + settings + "\x00\x00\x01\x01\x00\x00\x00\x00\x01\x82", 10 * time.Minute},
		} {
			c := x.dial()
			start := time.Now()
			_ = c.SetReadDeadline(start.Add(time.Hour))      // a pipe has deadlines
			go func() { _, _ = io.WriteString(c, x.text) }() // ends when the connection does
			_, _ = io.Copy(io.Discard, c)                    // how it ends does not matter
			if took := time.Since(start); took < x.limit || took > x.limit+2*time.Second {
				t.Errorf("%s: it took %v, want %v", x.name, took, x.limit)
			}
			_ = c.Close()
			synctest.Wait()
		}
	})
}
