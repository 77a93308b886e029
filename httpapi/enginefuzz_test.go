package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/httpapi/apitest"
	"keytree/httpapi/audit"
	"keytree/raftlog/member"
	"keytree/store"
)

// FuzzEngines: whatever a client sends, in whatever pieces, it is answered,
// recorded and carried out alike by net/http and by what stands before it.
// Each of them has the API on a tree of its own, which is new.
func FuzzEngines(f *testing.F) {
	for _, text := range append(smuggled(), recordedTexts(f)...) {
		f.Add([]byte(text), uint16(0))
		f.Add([]byte(text), uint16(len(text)/2))
	}
	f.Fuzz(func(t *testing.T, sent []byte, cut uint16) {
		if len(sent) > 64<<10 {
			t.Skip("heads of a megabyte have a test of their own")
		}
		if bytes.HasPrefix(sent, []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) {
			t.Skip("HTTP/2, in which frames have no order")
		}
		var both [2]seen
		for i, f := range fronts {
			synctest.Test(t, func(t *testing.T) { both[i] = see(t, f.over, sent, int(cut)) })
		}
		if diff := both[0].differs(both[1]); diff != "" {
			t.Errorf("%s cut at %d\n%s", clip(fmt.Sprintf("%q", sent)), cut, diff)
		}
	})
}

// seen is what can be seen of a connection on which a client has said what it
// has to say.
type seen struct {
	sent    string
	closed  bool // by the server, within settled
	handled []string
	tree    string
}

// differs describes how got is not want.
func (got seen) differs(want seen) string {
	var diff strings.Builder
	for _, c := range []struct{ what, got, want string }{
		{"closed", fmt.Sprint(got.closed), fmt.Sprint(want.closed)},
		{"sent", fmt.Sprintf("%q", got.sent), fmt.Sprintf("%q", want.sent)},
		{"handled", strings.Join(got.handled, "\n"), strings.Join(want.handled, "\n")},
		{"tree", got.tree, want.tree},
	} {
		if c.got != c.want {
			fmt.Fprintf(&diff, "%s\n got %s\nwant %s\n", c.what, clip(c.got), clip(c.want))
		}
	}
	return diff.String()
}

// settled is how long a connection is looked at: not as long as the patience
// of the server with what is not complete.
const settled = 20 * time.Second

// see is what comes of text sent in two pieces.
func see(t *testing.T, over front, text []byte, cut int) (s seen) {
	tree := newTable(t)
	defer tree.close(t)
	var mu sync.Mutex
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		s.handled = append(s.handled, fmt.Sprintf(format, args...))
	}
	logger := slog.New(slog.DiscardHandler)
	api := New(Config{Keyspace: tree, Cluster: tree, Progress: tree, Auth: runAuth(t, tree, logger), Version: "0.1.0"})
	gated := Gate(withoutTimes(api), GateConfig{CORS: []string{"http://a.example"}})
	audited := Audited(gated, Auditing{Reads: true, Record: func(r audit.Record) {
		r.Time, r.Duration = time.Time{}, 0
		line, err := json.Marshal(r)
		note("recorded %s %v", line, err)
	}})
	server := NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note("%s", requestText(r))
		audited.ServeHTTP(w, r)
	}), logger)
	server.ErrorLog = log.New(io.Discard, "", 0)
	s.sent, s.closed = talk(over(server), text, cut)
	s.tree = tree.String()
	return s
}

// talk sends text to e, on a connection in memory, and waits until it settled.
func talk(e apitest.Server, text []byte, cut int) (sent string, closed bool) {
	l := &single{conns: make(chan net.Conn, 1), done: make(chan struct{})}
	client, server := net.Pipe()
	l.conns <- server
	var running sync.WaitGroup
	defer time.Sleep(time.Second) // net/http sleeps for a while after some of its answers
	defer running.Wait()
	defer e.Close()
	running.Go(func() { _ = e.Serve(l) }) // ends with e
	received := make(chan struct{})
	var got strings.Builder
	_ = client.SetDeadline(time.Now().Add(settled)) // a pipe has deadlines
	running.Go(func() {
		_, err := io.Copy(&got, client)
		closed = err == nil
		close(received)
	})
	cut = min(cut, len(text))
	for _, piece := range [][]byte{text[:cut], text[cut:]} {
		if _, err := client.Write(piece); err != nil {
			break // the server has closed: the answers tell
		}
		synctest.Wait()
	}
	<-received
	client.Close()
	return got.String(), closed
}

// single is a listener with one connection.
type single struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *single) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *single) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *single) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// requestText is all of a request but its body.
func requestText(r *http.Request) string {
	var header strings.Builder
	_ = r.Header.Write(&header) // in order
	u := *r.URL
	u.User = nil
	return fmt.Sprintf("%q %+v %q host %q length %d close %t encoding %q trailer %v proto %q %d.%d uri %q from %q tls %t empty %t",
		r.Method, u, header.String(), r.Host, r.ContentLength, r.Close, r.TransferEncoding, r.Trailer,
		r.Proto, r.ProtoMajor, r.ProtoMinor, r.RequestURI, r.RemoteAddr, r.TLS != nil, r.Body == http.NoBody)
}

// withoutTimes is an API without the answers that are never the same twice.
func withoutTimes(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, prefix := range []string{"/debug/", "/metrics", tokenPath} {
			if strings.HasPrefix(r.URL.Path, prefix) {
				w.WriteHeader(http.StatusTeapot)
				return
			}
		}
		api.ServeHTTP(w, r)
	})
}

// table is a tree that no log stands before, and a cluster of one member that
// cannot be changed.
type table struct {
	*store.Store
	cache *pebble.Cache

	mu       sync.Mutex
	position uint64
}

func newTable(t testing.TB) *table {
	t.Helper()
	k := &table{cache: pebble.NewCache(1 << 20)}
	s, err := store.Open("tree", store.Options{
		FS: vfs.NewMem(), Cache: k.cache, MemTableBytes: 256 << 10, NodeCacheBytes: 64 << 10, HistoryLength: 100,
	})
	if err != nil {
		t.Fatal(err)
	}
	k.Store = s
	return k
}

func (k *table) close(t testing.TB) {
	if err := k.Close(); err != nil {
		t.Error(err)
	}
	k.cache.Unref()
}

// String is all keys.
func (k *table) String() string {
	l, err := k.List(store.ParsePath(store.Keys, "/"), true)
	if err != nil {
		return err.Error()
	}
	defer l.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "index %d", k.Index())
	for l.Next() {
		fmt.Fprintf(&b, " %+v", *l.Item())
	}
	return b.String()
}

func (k *table) Do(_ context.Context, c store.Command) (store.Result, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.position++
	c.Now = k.Now()
	done, err := k.Apply(store.Batch{Position: k.position, Commands: []store.Command{c}})
	if err != nil {
		return store.Result{}, err
	}
	return done[0], nil
}

func (k *table) Barrier(context.Context) error { return nil }
func (k *table) Now() int64                    { return 1_700_000_000_000_000_000 }

func (k *table) Progress() (position, term uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.position, 1
}

func (k *table) ClusterID() member.ID          { return 7 }
func (k *table) Self() member.ID               { return 8 }
func (k *table) Version() string               { return "3.4.0" }
func (k *table) Leader() (member.Member, bool) { return k.Members()[0], true }

func (k *table) Members() []member.Member {
	return []member.Member{{ID: 8, Name: "one", PeerURLs: []string{"http://127.0.0.1:2380"}, ClientURLs: []string{"http://127.0.0.1:2379"}}}
}

func (k *table) ChangeMember(context.Context, member.Change) (member.Member, error) {
	return member.Member{}, member.ErrNotFound
}

// recordedTexts are the requests of the recordings, a few on one connection.
func recordedTexts(t testing.TB) (all []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/golden/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		var texts []string
		for _, x := range readGolden(t, file) {
			if x.BodyExpr == "" && !strings.Contains(x.Path, "wait=true") {
				texts = append(texts, x.text())
			}
		}
		for few := range slices.Chunk(texts, 8) {
			all = append(all, strings.Join(few, ""))
		}
	}
	return all
}

// text is the request of x, its lines in order.
func (x exchange) text() string {
	body, _ := x.requestBody()
	lines := []string{}
	for name, value := range x.Headers {
		lines = append(lines, name+": "+value+"\r\n")
	}
	if x.Headers["Host"] == "" {
		lines = append(lines, "Host: 127.0.0.1:21379\r\n")
	}
	if x.Body != nil || x.BodyB64 != nil {
		lines = append(lines, fmt.Sprintf("Content-Length: %d\r\n", len(body)))
	}
	slices.Sort(lines)
	return x.Method + " " + x.Path + " HTTP/1.1\r\n" + strings.Join(lines, "") + "\r\n" + body
}
