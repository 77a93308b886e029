package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/httpapi"
	"keytree/raftlog/member"
)

// world is a network in memory, with members on it. It is used in a bubble.
type world struct {
	t     *testing.T
	mu    sync.Mutex
	hosts map[string]*host
	other func(address string) (net.Conn, error) // connects to what is not a host; may be nil
}

func newWorld(t *testing.T) *world { return &world{t: t, hosts: map[string]*host{}} }

// host is one address of the world.
type host struct {
	accept chan net.Conn
	mu     sync.Mutex
	dead   bool
	frozen bool // takes what it is sent, and says nothing
	deaf   bool // does not even take it
	conns  []net.Conn
}

// conn is one end of a connection. It has an address, so that there is
// something to forward.
type conn struct {
	net.Conn
	from net.Addr
}

func (c conn) RemoteAddr() net.Addr { return c.from }

// dial connects to address.
func (w *world) dial(_ context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	h := w.hosts[address]
	w.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	if h == nil && w.other != nil {
		return w.other(address)
	}
	if h == nil {
		return nil, refused
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dead {
		return nil, refused
	}
	near, far := net.Pipe()
	h.conns = append(h.conns, far)
	switch {
	case h.deaf:
	case h.frozen:
		go func() { _, _ = io.Copy(io.Discard, far) }() // ends when the host is killed
	default:
		h.accept <- conn{far, &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4567}}
	}
	return conn{near, &net.TCPAddr{IP: net.IPv4(10, 9, 9, 9), Port: 80}}, nil
}

// kill ends a host and all its connections.
func (h *host) kill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dead = true
	h.cutLocked()
}

// cut ends the connections of a host.
func (h *host) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cutLocked()
}

func (h *host) cutLocked() {
	for _, c := range h.conns {
		_ = c.Close() // twice is fine
	}
	h.conns = nil
}

func (h *host) set(change func(*host)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

// listener is a host as http.Server wants it.
type listener struct {
	*host
	done chan struct{}
	once sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 9, 9, 9), Port: 80} }

// serve answers on address with s until the test ends.
func (w *world) serve(address string, s *http.Server) *host {
	h := &host{accept: make(chan net.Conn, 1000)}
	w.mu.Lock()
	w.hosts[address] = h
	w.mu.Unlock()
	l := &listener{host: h, done: make(chan struct{})}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) }) // ends with ErrServerClosed
	w.t.Cleanup(func() {
		h.kill()
		_ = s.Close()
		serving.Wait()
	})
	return h
}

// fake is a member that counts what reaches it.
type fake struct {
	*host
	address string
	probes  atomic.Int64
	mu      sync.Mutex
	seen    []string // method and URI, probes left out
	last    *http.Request
	body    string
}

// member starts a member that answers with its address, unless answer is
// given. A probe is always answered.
func (w *world) member(address string, answer http.HandlerFunc) *fake {
	m := &fake{address: address}
	m.host = w.serve(address, &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("User-Agent") == "keytree-proxy" {
			m.probes.Add(1)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		m.mu.Lock()
		m.seen = append(m.seen, r.Method+" "+r.RequestURI)
		m.last, m.body = r, string(body)
		m.mu.Unlock()
		if answer != nil {
			answer(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, "from "+address)
	}), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)})
	return m
}

func (m *fake) requests() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.seen)
}

// hangUp is an answer: the connection is cut after the request was read.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// rig is a proxy that runs in a world, and a client of it.
type rig struct {
	*world
	proxy  *Proxy
	log    *lockedBuffer
	client *http.Client
	stop   func()

	asked struct {
		sync.Mutex
		peers   []string
		members []member.Member
		err     error
	}
}

// newRig starts a proxy whose endpoints are the addresses given, in that
// order, once its peer was asked.
func newRig(w *world, addresses []string, change ...func(*Config)) *rig {
	w.t.Helper()
	r := &rig{world: w, log: &lockedBuffer{}}
	r.tell(addresses...)
	metrics := prometheus.NewRegistry()
	c := Config{
		PeerURLs: []string{"http://10.0.0.1:2380"}, Dir: w.t.TempDir(), Ask: r.ask, Metrics: metrics,
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	for _, f := range change {
		f(&c)
	}
	p, err := Open(c)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.Register(metrics); err != nil {
		w.t.Fatal(err)
	}
	p.dialer.dial = w.dial
	p.endpoints.shuffle = func(int, func(i, j int)) {}
	r.proxy = p
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(ctx); err != nil {
			w.t.Error(err)
		}
	})
	r.stop = func() {
		cancel()
		running.Wait()
	}
	<-p.Ready()
	w.serve("proxy:80", httpapi.NewServer(p.Handler(), c.Logger))
	transport := &http.Transport{DialContext: w.dial, DisableCompression: true}
	r.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w.t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.stop()
	})
	return r
}

// tell makes the members at addresses what peers say from now on.
func (r *rig) tell(addresses ...string) {
	r.asked.Lock()
	defer r.asked.Unlock()
	r.asked.members, r.asked.err = nil, nil
	for i, a := range addresses {
		r.asked.members = append(r.asked.members, member.Member{
			ID: member.ID(i), PeerURLs: []string{"http://" + strings.Replace(a, ":79", ":80", 1)}, ClientURLs: []string{"http://" + a},
		})
	}
}

// fail makes peers answer nothing from now on.
func (r *rig) fail() {
	r.asked.Lock()
	defer r.asked.Unlock()
	r.asked.err = errors.New("no route")
}

func (r *rig) ask(_ context.Context, url string) ([]member.Member, error) {
	r.asked.Lock()
	defer r.asked.Unlock()
	r.asked.peers = append(r.asked.peers, url)
	return r.asked.members, r.asked.err
}

// peers are those that were asked, in order.
func (r *rig) peers() []string {
	r.asked.Lock()
	defer r.asked.Unlock()
	return slices.Clone(r.asked.peers)
}

// answer is what came back for one request.
type answer struct {
	status int
	header http.Header
	body   string
}

// do sends one request and reads the answer.
func (r *rig) do(method, target, body string, headers ...string) answer {
	r.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	q, err := http.NewRequestWithContext(r.t.Context(), method, "http://proxy:80"+target, content)
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Add(headers[i], headers[i+1])
	}
	a, err := r.client.Do(q)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, target, err)
	}
	defer a.Body.Close()
	got, err := io.ReadAll(a.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer{a.StatusCode, a.Header, string(got)}
}

func (r *rig) expect(method, target string, status int, body string) answer {
	r.t.Helper()
	a := r.do(method, target, "")
	if a.status != status || a.body != body {
		r.t.Errorf("%s %s: got %d %q, want %d %q", method, target, a.status, a.body, status, body)
	}
	return a
}

// raw sends text as it is and returns the answer. The invitation to send a
// body is passed over.
func (r *rig) raw(text string) answer {
	r.t.Helper()
	c, err := r.dial(r.t.Context(), "tcp", "proxy:80")
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	go func() { _, _ = io.WriteString(c, text) }() // ends when c is closed
	reader := bufio.NewReader(c)
	a, err := http.ReadResponse(reader, nil)
	if err == nil && a.StatusCode == http.StatusContinue {
		a, err = http.ReadResponse(reader, nil)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	got, err := io.ReadAll(io.LimitReader(a.Body, max(a.ContentLength, 0)))
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{a.StatusCode, a.Header, string(got)}
}

// lockedBuffer lets several goroutines log.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

// inBubble runs test with a world of its own, on a clock of its own.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		// Comes last: servers linger a moment after refusing a body.
		t.Cleanup(func() { time.Sleep(time.Second) })
		test(t, w)
	})
}

const (
	none    = `{"message":"httpproxy: zero endpoints currently available"}`
	silence = `{"message":"httpproxy: unable to get response from %d endpoint(s)"}`
)
