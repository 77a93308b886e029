package httpapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"keytree/store"
)

// sink is a transport that costs nothing: what a benchmark shows is ours.
type sink struct {
	header  http.Header
	written int
}

func newSink() *sink { return &sink{header: http.Header{}} }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Flush()                      {}
func (s *sink) Write(b []byte) (int, error) { s.written += len(b); return len(b), nil }

func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

// reset makes s as good as new.
func (s *sink) reset() { clear(s.header); s.written = 0 }

func newRequest(b *testing.B, method, target string) *http.Request {
	b.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		b.Fatal(err)
	}
	return (&http.Request{
		Method: method, URL: u, RequestURI: target, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Host: "x",
	}).WithContext(b.Context())
}

// newBenchAPI is an API over a tree with keys /d/0 to /d/999 of 128 bytes.
func newBenchAPI(b *testing.B) (*API, *lone) {
	b.Helper()
	d := openLone(b)
	for i := range 1000 {
		p := store.ParsePath(store.Keys, fmt.Sprintf("/d/%d", i))
		if _, err := d.Do(b.Context(), store.Command{Op: store.Set, Path: p, Value: strings.Repeat("v", 128)}); err != nil {
			b.Fatal(err)
		}
	}
	return New(Config{Keyspace: d, Cluster: d, Progress: d, Stats: d.stats()}).(*API), d
}

func benchmarkRequest(b *testing.B, serve http.HandlerFunc, method, target string) {
	b.Helper()
	w, r := newSink(), newRequest(b, method, target)
	b.ReportAllocs()
	for b.Loop() {
		w.reset()
		serve(w, r)
	}
	if w.written == 0 {
		b.Fatal("no answer")
	}
}

func BenchmarkGet(b *testing.B) {
	a, _ := newBenchAPI(b)
	benchmarkRequest(b, a.ServeHTTP, "GET", "/v2/keys/d/500")
}

// BenchmarkGetParallel is BenchmarkGet on all processors at once: what a
// request costs more there is what requests share.
func BenchmarkGetParallel(b *testing.B) {
	a, _ := newBenchAPI(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		w, r := newSink(), newRequest(b, "GET", "/v2/keys/d/500")
		for pb.Next() {
			w.reset()
			a.ServeHTTP(w, r)
		}
	})
}

// BenchmarkGetThroughGate is BenchmarkGet with all that stands before the API.
func BenchmarkGetThroughGate(b *testing.B) {
	a, _ := newBenchAPI(b)
	benchmarkRequest(b, Audited(Gate(a, GateConfig{}), Auditing{}).ServeHTTP, "GET", "/v2/keys/d/500")
}

// BenchmarkGetThroughRouter is what BenchmarkGet would be if keys were routed
// like everything else.
func BenchmarkGetThroughRouter(b *testing.B) {
	a, _ := newBenchAPI(b)
	a.router.HandleFunc("/v2/keys/*", func(w http.ResponseWriter, r *http.Request) {
		a.serveKeys(w, r, r.URL.Path[len(keysPrefix):])
	})
	benchmarkRequest(b, a.route, "GET", "/v2/keys/d/500")
}

func BenchmarkGetWithQuery(b *testing.B) {
	a, _ := newBenchAPI(b)
	benchmarkRequest(b, a.ServeHTTP, "GET", "/v2/keys/d/500?quorum=false&recursive=false&sorted=false")
}

func BenchmarkQuorumGet(b *testing.B) {
	a, _ := newBenchAPI(b)
	benchmarkRequest(b, a.ServeHTTP, "GET", "/v2/keys/d/500?quorum=true")
}

func BenchmarkMiss(b *testing.B) {
	a, _ := newBenchAPI(b)
	benchmarkRequest(b, a.ServeHTTP, "GET", "/v2/keys/nothing")
}

func BenchmarkList1000(b *testing.B) {
	a, _ := newBenchAPI(b)
	benchmarkRequest(b, a.ServeHTTP, "GET", "/v2/keys/d")
}

// unchanging is a keyspace that answers every command at once and does nothing.
type unchanging struct {
	*lone
	done store.Result
}

func (u *unchanging) Do(context.Context, store.Command) (store.Result, error) { return u.done, nil }

// BenchmarkPutAlone is what a write costs before and after the log and the
// tree: without them, but with all that stands before the API.
func BenchmarkPutAlone(b *testing.B) {
	value := strings.Repeat("v", 128)
	for name, form := range map[string]string{
		"plain": "value=" + value, "escaped": "value=" + strings.Repeat("%7B%22a%22%3A+1%7D", 12),
	} {
		b.Run(name, func(b *testing.B) {
			_, d := newBenchAPI(b)
			was, index, err := d.Get(store.ParsePath(store.Keys, "/d/500"))
			if err != nil {
				b.Fatal(err)
			}
			now := was
			now.Value, now.Modified = value, index+1
			e := &store.Event{Action: store.ActionSet, Index: index + 1, Node: now, Prev: &was}
			u := &unchanging{d, store.Result{Event: e, Index: e.Index}}
			a := New(Config{Keyspace: u, Cluster: d, Progress: d, Stats: d.stats(), RequestTimeout: -1})
			benchmarkPut(b, Audited(Gate(a, GateConfig{}), Auditing{}), form)
		})
	}
}

// BenchmarkPut includes the log's and the tree's work. BenchmarkPutRefused is
// the same path with a tree that does nothing.
func BenchmarkPut(b *testing.B) {
	a, _ := newBenchAPI(b)
	benchmarkPut(b, a, "value="+strings.Repeat("v", 128))
}

func BenchmarkPutRefused(b *testing.B) {
	a, _ := newBenchAPI(b)
	benchmarkPut(b, a, "prevValue=x&value="+strings.Repeat("v", 128))
}

func benchmarkPut(b *testing.B, a http.Handler, form string) {
	b.Helper()
	w, r := newSink(), newRequest(b, "PUT", "/v2/keys/d/500")
	r.Header.Set("Content-Type", urlencoded)
	r.ContentLength = int64(len(form))
	text := strings.NewReader(form)
	r.Body = io.NopCloser(text)
	b.ReportAllocs()
	for b.Loop() {
		w.reset()
		text.Reset(form)
		a.ServeHTTP(w, r)
	}
}

// BenchmarkFanOut is what one more watcher of an event costs to serve, beside
// its connection.
func BenchmarkFanOut(b *testing.B) {
	e := &store.Event{Action: store.ActionSet, Index: 7, Node: store.Node{
		Path: store.ParsePath(store.Keys, "/a/b"), Value: strings.Repeat("v", 128), Created: 7, Modified: 7}}
	w := newSink()
	out := follower{w: w, control: http.NewResponseController(w)}
	events := []*store.Event{e}
	b.ReportAllocs()
	for b.Loop() {
		if err := out.send(events); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRenderEvent(b *testing.B) {
	p := store.ParsePath(store.Keys, "/a/b")
	e := &store.Event{Action: store.ActionSet, Index: 7,
		Node: store.Node{Path: p, Value: strings.Repeat("v", 128), Created: 7, Modified: 7},
		Prev: &store.Node{Path: p, Value: strings.Repeat("v", 128), Created: 6, Modified: 6}}
	b.ReportAllocs()
	for b.Loop() {
		renderEvent(e)
	}
}

func BenchmarkEscape(b *testing.B) {
	for name, s := range map[string]string{
		"plain": strings.Repeat("v", 128), "json": strings.Repeat(`{"a":"b"},`, 13), "utf8": strings.Repeat("é", 64),
	} {
		b.Run(name, func(b *testing.B) {
			buf := make([]byte, 0, 1024)
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				buf = appendString(buf[:0], s)
			}
		})
	}
}
