package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bench is a server on an in-memory listener, to be spoken to byte by byte.
type bench struct {
	t        testing.TB
	cluster  *lone
	listener *pipeListener
	stopping chan struct{}
	log      *bytes.Buffer
}

// newBench starts a server that ends with the test. This is the one place
// that knows what stands behind the API.
func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	d := openLone(t)
	b := &bench{t: t, cluster: d, listener: newPipeListener(), stopping: make(chan struct{}), log: &bytes.Buffer{}}
	metrics := prometheus.NewRegistry()
	if err := d.stats().Register(metrics); err != nil {
		t.Fatal(err)
	}
	config := Config{
		Keyspace: d, Cluster: d, Progress: d, Stats: d.stats(), Metrics: metrics,
		Logger:  slog.New(slog.NewTextHandler(&lockedWriter{w: b.log}, nil)),
		Version: "0.1.0", Stopping: b.stopping,
	}
	for _, c := range change {
		c(&config)
	}
	s := NewServer(New(config), config.Logger)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(b.listener); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
		time.Sleep(time.Second) // in the bubble: the server lingers a moment after refusing a body
	})
	return b
}

// inBubble runs test on a clock of its own, which begins in the year the
// golden files were recorded: the dialect has a rule about dates before 2000.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, 11, 21, 7, 45, 0, 123456789, time.UTC)))
		test(t)
	})
}

// answer is what came back for one request.
type answer struct {
	status  int
	headers http.Header
	body    string
	length  int64 // of the body as announced; -1: not announced
}

func (a *answer) String() string { return fmt.Sprintf("%d %v %q", a.status, a.headers, a.body) }

// do sends one request on a connection of its own. The headers are lines.
func (b *bench) do(method, target, body string, headers ...string) *answer {
	b.t.Helper()
	c := b.dial()
	defer c.Close()
	c.send(method, target, body, headers...)
	return c.receive(method)
}

func (b *bench) get(target string) *answer { b.t.Helper(); return b.do("GET", target, "") }

// put and post send form, delete sends nothing.
func (b *bench) put(target, form string) *answer {
	b.t.Helper()
	return b.do("PUT", target, form, formType)
}

func (b *bench) post(target, form string) *answer {
	b.t.Helper()
	return b.do("POST", target, form, formType)
}

func (b *bench) delete(target string) *answer { b.t.Helper(); return b.do("DELETE", target, "") }

const formType = "Content-Type: application/x-www-form-urlencoded"

// wireConn is a client that writes requests by hand.
type wireConn struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func (b *bench) dial() *wireConn {
	c := b.listener.dial()
	return &wireConn{Conn: c, t: b.t, in: bufio.NewReader(c)}
}

// send writes a request while the answer can already be read. An empty body
// is announced for the methods that have one.
func (c *wireConn) send(method, target, body string, headers ...string) {
	var h strings.Builder
	fmt.Fprintf(&h, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:21379\r\n", method, target)
	if body != "" || method == "PUT" || method == "POST" {
		fmt.Fprintf(&h, "Content-Length: %d\r\n", len(body))
	}
	for _, line := range headers {
		h.WriteString(line + "\r\n")
	}
	c.sendRaw(h.String() + "\r\n" + body)
}

func (c *wireConn) sendRaw(text string) {
	go func() { _, _ = io.WriteString(c, text) }() // the server may close early: the answer tells
}

// receive reads one whole answer.
func (c *wireConn) receive(method string) *answer {
	c.t.Helper()
	a, body := c.head(method)
	text, err := io.ReadAll(body)
	if err != nil {
		c.t.Fatalf("reading the body after %q: %v", text, err)
	}
	a.body = string(text)
	return a
}

// head reads an answer up to its body.
func (c *wireConn) head(method string) (*answer, *bufio.Reader) {
	c.t.Helper()
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no answer: %v", err)
	}
	return &answer{status: r.StatusCode, headers: r.Header, length: r.ContentLength}, bufio.NewReader(r.Body)
}

// rest reads until the server closes the connection.
func (c *wireConn) rest() string {
	text, _ := io.ReadAll(c.in) // how it is closed does not matter
	return string(text)
}

// pipeListener hands out both ends of in-memory connections.
type pipeListener struct {
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{accept: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial() net.Conn {
	client, server := net.Pipe()
	l.accept <- server
	return client
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

// lockedWriter lets several goroutines log.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
