package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// gated runs test against a lone member behind a gate.
func gated(t *testing.T, c GateConfig, test func(t *testing.T, b *bench)) {
	t.Helper()
	onFronts(t, func(t *testing.T, over front) {
		test(t, newBenchOn(t, over, func(h http.Handler) http.Handler { return Gate(h, c) }))
	})
}

// ask sends a request with the headers given, as lines, and no body.
func (b *bench) ask(line string, headers ...string) string {
	b.t.Helper()
	c := b.dial()
	defer c.Close()
	c.sendRaw(line + "\r\n" + strings.Join(append(headers, "Connection: close"), "\r\n") + "\r\n\r\n")
	return c.rest()
}

// What etcd 3.4.23 says to the same, but that it wants names and brackets to
// be written as in the list.
func TestARequestForAnotherHostIsRefused(t *testing.T) {
	t.Parallel()
	gated(t, GateConfig{Hosts: []string{"good.example", "Mixed.Example", "[::5]", "127.0.0.1", "", "with.port:80"}}, func(t *testing.T, b *bench) {
		for host, named := range map[string]string{ // as the refusal names it; empty: none
			"good.example": "", "good.example:80": "", "good.example:": "", "GOOD.Example:1": "", "mixed.example": "",
			"Mixed.Example": "", "[::5]": "", "[::5]:80": "", "127.0.0.1:4001": "", "with.port": "", "with.port:81": "",

			"bad.example": "bad.example", "bad.example:21379": "bad.example", "localhost": "localhost", "localhost:2379": "localhost",
			"127.0.0.2": "127.0.0.2", "[::1]": "[::1]", "[::1]:80": "::1", "good.example.": "good.example.", "good.example:80:80": "good.example:80:80",
			"%zz": "%zz", "*": "*", "[::5": "[::5",
		} {
			got := b.ask("GET /version HTTP/1.1", "Host: "+host)
			want := "HTTP/1.1 200 OK\r\n"
			if named != "" {
				want = "HTTP/1.1 421 Misdirected Request\r\n"
			}
			if !strings.HasPrefix(got, want) || named != "" && !strings.Contains(got, fmt.Sprintf("--host-whitelist %q\n", named)) {
				t.Errorf("%s: got %q", host, got)
			}
		}
		for _, request := range []string{"GET /version HTTP/1.0", "GET http://bad.example/version HTTP/1.0", "OPTIONS / HTTP/1.0", "PUT /v2/keys/a HTTP/1.0"} {
			if got := b.ask(request); !strings.HasPrefix(got, "HTTP/1.0 421 ") {
				t.Errorf("%s without a host: got %q", request, got)
			}
		}
		if got := b.ask("HEAD /v2/keys//x HTTP/1.1", "Host: bad.example"); !strings.HasPrefix(got, "HTTP/1.1 421 ") || !strings.HasSuffix(got, "\r\n\r\n") {
			t.Errorf("HEAD: got %q", got)
		}
	})
}

func TestEveryHostIsMeantUnlessSomeAreNamed(t *testing.T) {
	t.Parallel()
	for _, hosts := range [][]string{nil, {""}, {"*"}, {"good.example", "*"}} {
		gated(t, GateConfig{Hosts: hosts}, func(t *testing.T, b *bench) {
			if got := b.ask("GET /version HTTP/1.1", "Host: any.example"); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
				t.Errorf("%q: got %q", hosts, got)
			}
		})
	}
}

// A certificate has told a client already whom it reached.
func TestOverTLSEveryHostIsMeant(t *testing.T) {
	h := Gate(answers(200), GateConfig{Hosts: []string{"good.example"}})
	r := httptest.NewRequest("GET", "http://bad.example/", nil)
	if got := serveOnce(h, r); got.Code != 421 {
		t.Errorf("in the clear: %d", got.Code)
	}
	r.TLS = new(tls.ConnectionState)
	if got := serveOnce(h, r); got.Code != 200 {
		t.Errorf("over TLS: %d", got.Code)
	}
}

func answers(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func serveOnce(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// The recordings cors_01_list and cors_02_default have the usual cases.
func TestWhichOriginsAreAllowed(t *testing.T) {
	for _, x := range []struct {
		list    []string
		origins []string // the Origin headers
		want    string
	}{
		{nil, []string{"http://a.example"}, ""},
		{[]string{"", ""}, []string{"http://a.example"}, ""},
		{[]string{"", ""}, []string{""}, ""},
		{[]string{"", ""}, nil, ""},
		{[]string{"http://a.example"}, nil, ""},
		{[]string{"http://a.example"}, []string{"http://a.example"}, "http://a.example"},
		{[]string{"http://a.example"}, []string{"http://A.example"}, ""},
		{[]string{"http://a.example"}, []string{"http://a.example/"}, ""},
		{[]string{"http://a.example"}, []string{"http://a.example", "http://b.example"}, "http://a.example"},
		{[]string{"http://a.example"}, []string{"http://b.example", "http://a.example"}, ""},
		{[]string{"a.b"}, []string{"a.b"}, "a.b"},
		{[]string{"null"}, []string{"null"}, "null"},
		{[]string{"http://a.example", "*"}, []string{"http://a.example"}, "*"},
		{[]string{"*"}, nil, "*"},
		{[]string{"*"}, []string{"null"}, "*"},
	} {
		r := httptest.NewRequest("GET", "/v2/keys", nil)
		if x.origins != nil {
			r.Header["Origin"] = x.origins
		}
		h := serveOnce(Gate(answers(200), GateConfig{CORS: x.list}), r).Header()
		if got := h.Get("Access-Control-Allow-Origin"); got != x.want || x.want == "" && len(h) != 0 || x.want != "" && len(h) != 3 {
			t.Errorf("--cors %q, Origin %q: got %v, want %q", x.list, x.origins, h, x.want)
		}
	}
}

// Where a browser says that a request comes from, and whether it may write
// when no origin is allowed, when http://a.example is, and when all are.
var sources = []struct {
	headers         []string
	none, list, all bool
}{
	{nil, true, true, true}, // curl, and clients
	{[]string{"Sec-Fetch-Site: same-origin", "Origin: http://127.0.0.1:21379"}, true, true, true}, // the own console
	{[]string{"Origin: http://127.0.0.1:21379"}, true, true, true},                                // the same, in the clear
	{[]string{"Origin: HTTP://127.0.0.1:21379"}, true, true, true},
	{[]string{"Sec-Fetch-Site: none"}, true, true, true}, // typed in by the user
	{[]string{"Origin: "}, true, true, true},
	{[]string{"Sec-Fetch-Site: cross-site", "Origin: http://a.example"}, false, true, true},
	{[]string{"Origin: http://a.example"}, false, true, true},
	{[]string{"Origin: http://A.EXAMPLE"}, false, false, true},
	{[]string{"Origin: http://b.example"}, false, false, true},
	{[]string{"Origin: http://b.example", "X-Forwarded-Host: b.example"}, false, false, true},
	{[]string{"Origin: http://127.0.0.1:8080"}, false, false, true},
	{[]string{"Origin: http://127.0.0.1"}, false, false, true},
	{[]string{"Sec-Fetch-Site: same-site", "Origin: http://127.0.0.1:8080"}, false, false, true},
	{[]string{"Sec-Fetch-Site: cross-site"}, false, false, true},
	{[]string{"Origin: null"}, false, false, true},
	{[]string{"Origin: http://%zz"}, false, false, true},
	{[]string{"Sec-Fetch-Site: cross-site", "Origin: http://127.0.0.1:21379"}, false, false, true},
}

const foreignRefusal = `{"message":"pages of other origins may not write here: --cors names those that may"}`

func TestAPageOfAnotherOriginWritesOnlyIfThatIsAllowed(t *testing.T) {
	for i, list := range [][]string{nil, {"http://a.example"}, {"*"}} {
		t.Run(fmt.Sprint(list), func(t *testing.T) {
			t.Parallel()
			gated(t, GateConfig{CORS: list}, func(t *testing.T, b *bench) {
				for n, from := range sources {
					key := fmt.Sprint("/v2/keys/k", n)
					passes := []bool{from.none, from.list, from.all}[i]
					a := b.do("PUT", key, "value=1", append([]string{formType}, from.headers...)...)
					if passes != (a.status == 201) || passes != (b.get(key).status == 200) {
						t.Errorf("%q: %v, and the key %v", from.headers, a, b.get(key))
					}
					if !passes && (a.status != 403 || a.body != foreignRefusal || a.headers.Get("Content-Type") != "application/json") {
						t.Errorf("%q: %v", from.headers, a)
					}
				}
			})
		})
	}
}

// Whatever changes something is a write, and nothing else is.
func TestWhichRequestsOfForeignPagesAreWrites(t *testing.T) {
	t.Parallel()
	gated(t, GateConfig{}, func(t *testing.T, b *bench) {
		b.put("/v2/keys/a", "value=1")
		for target, status := range map[string]int{
			"GET /v2/keys/a": 200, "HEAD /v2/keys/a": 200, "OPTIONS /v2/keys/a": 200, "GET /v2/keys//a": 301, "GET /nowhere": 404,
			"GET /metrics": 200, "HEAD /keytree/v1/discovery/new": 405,
			"PUT /v2/keys/a": 403, "POST /v2/keys/a": 403, "DELETE /v2/keys/a": 403, "PATCH /v2/keys/a": 403, "POST /v2/members": 403,
			"DELETE /v2/members/69b38ac7138de88d": 403, "PUT /v2/auth/enable": 403, "PUT /config/local/log": 403, "PUT /nowhere": 403,
			"GET /keytree/v1/discovery/new": 403, "POST /keytree/v1/discovery/new": 403,
		} {
			method, path, _ := strings.Cut(target, " ")
			if a := b.do(method, path, "", "Sec-Fetch-Site: cross-site", "Origin: http://evil.example"); a.status != status {
				t.Errorf("%s: got %v, want %d", target, a, status)
			}
		}
		if got := b.ask("PUT /v2/keys/b HTTP/1.0", "Origin: http://evil.example"); !strings.HasPrefix(got, "HTTP/1.0 403 ") {
			t.Errorf("without a host: got %q", got)
		}
	})
}

func TestARefusedRequestDoesNotHoldItsConnection(t *testing.T) {
	t.Parallel()
	gated(t, GateConfig{Hosts: []string{"good.example"}}, func(t *testing.T, b *bench) {
		for status, headers := range map[string]string{
			"421": "Host: bad.example\r\n",
			"403": "Host: good.example\r\nOrigin: http://evil.example\r\n",
		} {
			c := b.dial()
			start := time.Now()
			_ = c.SetReadDeadline(start.Add(time.Hour)) // a pipe has deadlines
			c.sendRaw("PUT /v2/keys/a HTTP/1.1\r\n" + headers + "Content-Length: 100\r\n\r\nvalue=")
			if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.1 "+status) || time.Since(start) > bodyTime+time.Second {
				t.Errorf("%s: got %q after %v", status, got, time.Since(start))
			}
			c.Close()
		}
	})
}

// Whoever wants to can be refused as often as they like: that is no news.
func TestRefusalsAreNoNews(t *testing.T) {
	for level, want := range map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 2} {
		var log bytes.Buffer
		h := Gate(answers(200), GateConfig{
			Hosts:  []string{"example.com"},
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: level})),
		})
		serveOnce(h, httptest.NewRequest("GET", "http://bad.example/", nil))
		r := httptest.NewRequest("PUT", "/v2/keys/a", strings.NewReader("value=secret"))
		r.Header.Set("Origin", "http://evil.example")
		serveOnce(h, r)
		if got := strings.Count(log.String(), "\n"); got != want || strings.Contains(log.String(), "secret") {
			t.Errorf("at %v: %d lines, want %d:\n%s", level, got, want, &log)
		}
	}
}

func TestWhoPassesTheGateCostsNoAllocation(t *testing.T) {
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	get := httptest.NewRequest("GET", "http://good.example:2379/v2/keys/a", nil)
	put := httptest.NewRequest("PUT", "http://good.example:2379/v2/keys/a", nil)
	for _, r := range []*http.Request{get, put} {
		r.Header.Set("Origin", "http://a.example")
	}
	w := httptest.NewRecorder()
	for name, h := range map[string]http.Handler{
		"lists": Gate(nothing, GateConfig{Hosts: []string{"good.example"}, CORS: []string{"http://a.example"}}),
		"stars": Gate(nothing, GateConfig{Hosts: []string{"*"}, CORS: []string{"*"}}),
	} {
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, get); h.ServeHTTP(w, put) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkGate is what the gate costs a read that nothing is configured for.
func BenchmarkGate(b *testing.B) {
	h := Gate(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), GateConfig{})
	r := httptest.NewRequest("GET", "http://127.0.0.1:2379/v2/keys/a", nil)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

// Clients at a unix socket have no address, and name what host they like.
func TestAClientAtAUnixSocketIsServedLikeOthers(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&lockedWriter{w: &log}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b := newBench(t)
	std := serve(t, b.cluster, b.cluster.stats(), func(c *Config) { c.Logger = logger }).Clients
	std.Handler = Gate(std.Handler, GateConfig{Hosts: []string{"localhost"}, Logger: logger})
	server := lean(std)
	path := filepath.Join(t.TempDir(), "clients")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // ends with ErrServerClosed
	defer serving.Wait()
	defer server.Close()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	for target, want := range map[string]int{
		"GET http://localhost/v2/keys": 200, "GET http://localhost/keytree/v1/discovery/new": 200, "GET http://localhost/health": 200,
		"PUT http://localhost/config/local/log": 204, "GET http://other/v2/keys": 421,
	} {
		method, url, _ := strings.Cut(target, " ")
		r, err := http.NewRequest(method, url, strings.NewReader(`{"Level":"INFO"}`))
		if err != nil {
			t.Fatal(err)
		}
		a, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		body, err := io.ReadAll(a.Body)
		if a.StatusCode != want || err != nil {
			t.Errorf("%s: got %d %q, %v", target, a.StatusCode, body, err)
		}
		_ = a.Body.Close()
	}
	if got := log.String(); strings.Count(got, "client=") != 2 || strings.Count(got, "client=@\n") != 2 {
		t.Errorf("the log:\n%s", got)
	}
}
