package tlsfiles

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

// transcript is a log that tests read while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.ReplaceAll(t.text.String(), `\"`, `"`) // as a person reads it
}

func (t *transcript) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(t, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// world is what most tests need: an authority, its file, and a good server
// certificate's files.
type world struct {
	t      *testing.T
	dir    string
	ca     *certtest.Authority
	caFile string
	log    *transcript
	certs  int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), ca: certtest.New(t, "root"), log: &transcript{}}
	w.caFile = certtest.Write(t, w.dir, "ca.pem", w.ca.PEM())
	return w
}

// config has the pair for a certificate, or a good one if that is nil.
func (w *world) config(pair *certtest.Pair) Config {
	w.t.Helper()
	if pair == nil {
		pair = w.ca.Issue(certtest.Leaf{CommonName: "server"})
	}
	w.certs++
	cert, key := pair.Write(w.dir, fmt.Sprint("own", w.certs))
	return Config{CertFile: cert, KeyFile: key, Logger: w.log.logger()}
}

func mustOpen(t *testing.T, c Config) *Files {
	t.Helper()
	f, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// mustServe serves f in HTTP until the test ends, and returns its address. An
// answer says what the server knows of the connection.
func mustServe(t *testing.T, f *Files, protos ...string) string {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cn := "nobody"
		if len(r.TLS.VerifiedChains) > 0 {
			cn = r.TLS.VerifiedChains[0][0].Subject.CommonName
		}
		fmt.Fprintf(w, "%s in %s", cn, r.Proto)
	})}
	var served sync.WaitGroup
	served.Go(func() { _ = server.Serve(f.Listener(inner, protos...)) })
	t.Cleanup(func() {
		_ = server.Close()
		served.Wait()
	})
	return inner.Addr().String()
}

// ask makes one request, and returns the answer or what is wrong.
func ask(t *testing.T, address string, c *tls.Config) string {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: len(c.NextProtos) > 0, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	answer, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get("https://" + address + "/")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

func within(limit time.Duration, done func() bool) bool {
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

func (w *world) mustSay(text string) {
	w.t.Helper()
	if !within(5*time.Second, func() bool { return strings.Contains(w.log.String(), text) }) {
		w.t.Errorf("the log lacks %q:\n%s", text, w.log)
	}
}

// run runs f until the test ends.
func run(t *testing.T, f *Files) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// dial connects by the Dialer of f and says what was wrong.
func dial(t *testing.T, f *Files, address string) error {
	t.Helper()
	conn, err := f.Dialer((&net.Dialer{}).DialContext)(t.Context(), "tcp", address)
	if err == nil {
		err = conn.Close()
	}
	var refusal *Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Errorf("the error is no refusal: %v", err)
	}
	return err
}
