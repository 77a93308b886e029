package httpapi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/httpapi/apitest"
	"keytree/httpapi/auth"
	"keytree/httpapi/conn"
	"keytree/raftlog/member"
	"keytree/raftlog/peer"
	"keytree/stats"
)

// bench is a cluster whose members serve on listeners in memory, to be spoken
// to byte by byte.
type bench struct {
	t       testing.TB
	members *apitest.Cluster
	roles   map[string]*apitest.Member // who is meant by the port of an exchange
	ids     *strings.Replacer          // of members: as recorded, as here
	added   member.Member              // by the exchanges so far

	// Of the lone member that newBench starts.
	cluster  *lone
	stopping chan struct{}
	log      *bytes.Buffer
}

// front is what serves clients.
type front func(*http.Server) apitest.Server

// fronts are those that there are. Whatever is said of the dialect is true of
// both.
var fronts = []struct {
	name string
	over front
}{
	{"lean", lean},
	{"std", func(s *http.Server) apitest.Server { return s }},
}

func lean(s *http.Server) apitest.Server { return conn.New(s) }

// onFronts runs test with each of them, in a bubble of its own.
func onFronts(t *testing.T, test func(t *testing.T, over front)) {
	t.Helper()
	for _, f := range fronts {
		t.Run(f.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) { test(t, f.over) })
		})
	}
}

// newBench starts a lone member that ends with the test.
func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	return newBenchOn(t, lean, asItIs, change...)
}

func asItIs(h http.Handler) http.Handler { return h }

// newBenchOn is newBench with what serves clients, and with something before
// what answers them.
func newBenchOn(t testing.TB, over front, before func(http.Handler) http.Handler, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{t: t, ids: strings.NewReplacer(), stopping: make(chan struct{}), log: &bytes.Buffer{}}
	logger := slog.New(slog.NewTextHandler(&lockedWriter{w: b.log}, nil))
	b.members = apitest.Open(t, 1, func(m *apitest.Member) apitest.Servers {
		b.cluster = &lone{Replica: m.Replica}
		s := serve(t, b.cluster, m.Stats(), append([]func(*Config){func(c *Config) {
			c.Logger, c.Stopping, c.RequestTimeout = logger, b.stopping, 0
		}}, change...)...)
		s.Clients.Handler, s.Over = before(s.Clients.Handler), over
		return s
	})
	b.roles = map[string]*apitest.Member{"": b.members.Members[0]}
	return b
}

// newCluster starts n members that end with the test.
func newCluster(t testing.TB, n int, over front) *bench {
	t.Helper()
	b := &bench{t: t, ids: strings.NewReplacer()}
	b.members = apitest.Open(t, n, func(m *apitest.Member) apitest.Servers {
		s := serve(t, m.Replica, m.Stats(), func(c *Config) { c.PeerClient = &http.Client{Transport: inMemory{b}} })
		s.Over = over
		return s
	})
	b.roles = map[string]*apitest.Member{"leader": b.members.Leader()}
	if n > 1 {
		b.roles["follower"] = b.members.Follower(0)
	}
	return b
}

// inMemory carries requests to the members of a bench.
type inMemory struct{ *bench }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	return m.members.Client().Transport.RoundTrip(r)
}

// of is b with m as the one that is spoken to when no other is named.
func (b *bench) of(m *apitest.Member) *bench {
	c := *b
	c.roles = maps.Clone(b.roles)
	c.roles[""] = m
	return &c
}

// serve makes what a member serves. This is the one place that knows what
// stands behind the API.
func serve(t testing.TB, m interface {
	Keyspace
	Cluster
	Progress
	Snapshots
	Pager
	Reporter
	auth.Tree
}, counters *stats.Member, change ...func(*Config)) apitest.Servers {
	t.Helper()
	metrics := prometheus.NewRegistry()
	if err := counters.Register(metrics); err != nil {
		t.Fatal(err)
	}
	config := Config{
		Keyspace: m, Cluster: m, Progress: m, Snapshots: m, Pages: m, Reporter: m, Stats: counters, Metrics: metrics,
		Logger: slog.New(slog.DiscardHandler), Version: "0.1.0", RequestTimeout: -1,
	}
	for _, c := range change {
		c(&config)
	}
	config.Auth = runAuth(t, m, config.Logger)
	raft := peer.New(peer.Config{Version: config.Version})
	raft.Attach(peer.Attachment{Cluster: m.ClusterID(), Member: m.Self(), Stats: counters})
	peers := http.NewServeMux()
	peers.Handle("/", NewPeerHandler(config))
	peers.Handle("/raft", raft.Handler())
	peers.Handle("/raft/", raft.Handler())
	return apitest.Servers{
		Clients: NewServer(New(config), config.Logger),
		Peers:   NewServer(peers, config.Logger),
	}
}

// runAuth runs what decides about requests, with the cheapest hashes there are,
// until the test ends.
func runAuth(t testing.TB, tree auth.Tree, logger *slog.Logger) *auth.Authority {
	t.Helper()
	a := auth.Open(auth.Config{Tree: tree, Hasher: auth.Bcrypt{Cost: 4}, Logger: logger})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return a
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

func (b *bench) dial() *wireConn { b.t.Helper(); return b.dialTo("") }

// dialTo connects to the member that port tells, a role or a role's peer port.
func (b *bench) dialTo(port string) *wireConn {
	b.t.Helper()
	role, peer := strings.CutSuffix(port, "peer")
	if !peer {
		role, peer = strings.CutSuffix(port, " peer port")
	}
	m := b.roles[role]
	dial := m.Dial
	if peer {
		dial = m.DialPeer
	}
	c, err := dial()
	if err != nil {
		b.t.Fatal(err)
	}
	return &wireConn{Conn: c, t: b.t, in: bufio.NewReader(c)}
}

// send writes a request while the answer can already be read. An empty body
// is announced for the methods that have one.
func (c *wireConn) send(method, target, body string, headers ...string) {
	var h strings.Builder
	fmt.Fprintf(&h, "%s %s HTTP/1.1\r\n", method, target)
	if !slices.ContainsFunc(headers, func(line string) bool { return strings.HasPrefix(line, "Host: ") }) {
		headers = append([]string{"Host: 127.0.0.1:21379"}, headers...)
	}
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
