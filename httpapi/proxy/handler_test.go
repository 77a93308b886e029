package proxy

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestARequestReachesTheMemberAsItWasSent(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		a := r.raw("PUT /v2/keys/a%2Fb%3F/%c3%bc?x;y&c=%zz&wait=false HTTP/1.1\r\nHost: etcd.example:99\r\n" +
			"Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Basic eDp5\r\nExpect: 100-continue\r\n" +
			"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Forwarded-Proto: https\r\nForwarded: for=x\r\n" +
			"Connection: close, X-Gone, Upgrade\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: p\r\nUpgrade: \xffh2c\r\n" +
			"Content-Length: 7\r\n\r\nvalue=1")
		if a.status != 200 || a.body != "from a:79" {
			t.Fatalf("got %d %q, want 200 from a:79", a.status, a.body)
		}
		got := only.last
		if want := "PUT /v2/keys/a%2Fb%3F/%c3%bc?x;y&c=%zz&wait=false"; only.seen[0] != want || only.body != "value=1" || got.Host != "etcd.example:99" {
			t.Errorf("the member got %q with %q on %q, want %q with value=1", only.seen[0], only.body, got.Host, want)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/x-www-form-urlencoded", "Authorization": "Basic eDp5", "Content-Length": "7",
			"X-Forwarded-For": "1.2.3.4, 5.6.7.8, 10.1.2.3", "X-Forwarded-Proto": "https", "Forwarded": "for=x",
			"X-Forwarded-Host": "", "X-Gone": "", "Keep-Alive": "", "Proxy-Authorization": "", "Upgrade": "", "Expect": "",
			"Connection": "", "Accept-Encoding": "",
		} {
			if have := strings.Join(got.Header.Values(name), "|"); have != want {
				t.Errorf("%s: the member got %q, want %q", name, have, want)
			}
		}
	})
}

func TestAnAnswerReachesTheClientAsItWasSent(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	inBubble(t, func(t *testing.T, w *world) {
		w.member("a:79", func(rw http.ResponseWriter, q *http.Request) {
			h := rw.Header()
			h["X-Twice"] = []string{"1", "2"}
			h.Set("X-Gone", "1")
			h.Set("Connection", "X-Gone")
			h.Set("Content-Type", "application/json")
			if q.URL.Path == "/long" {
				h.Set("Content-Length", strconv.Itoa(len(long)))
			}
			rw.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(rw, long)
		})
		r := newRig(w, []string{"a:79"})
		for _, target := range []string{"/long", "/chunked"} {
			a := r.do("GET", target, "")
			if a.status != http.StatusTeapot || a.body != long {
				t.Errorf("%s: got %d and %d bytes, want 418 and %d", target, a.status, len(a.body), len(long))
			}
			if len(a.header["X-Twice"]) != 2 || a.header.Get("X-Gone") != "" {
				t.Errorf("%s: got the headers %v", target, a.header)
			}
		}
	})
}

func TestTheProxyAnswersSomeRequestsItself(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		a := r.expect("GET", "/v2/config/local/proxy", 200, `{"endpoints":["http://a:79"]}`+"\n")
		if got := a.header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
			t.Errorf("got Content-Type %q", got)
		}
		for _, method := range []string{"PUT", "HEAD", "FOO"} {
			a = r.do(method, "/v2/config/local/proxy", "")
			if a.status != 405 || a.header.Get("Allow") != "GET" || method != "HEAD" && a.body != "Method Not Allowed\n" {
				t.Errorf("%s: got %d %v %q", method, a.status, a.header, a.body)
			}
		}
		r.expect("OPTIONS", "/v2/keys/x", 200, "")
		r.expect("OPTIONS", "/metrics/", 200, "")
		if a = r.raw("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n"); a.status != 404 {
			t.Errorf("CONNECT: got %d, want 404", a.status)
		}
		if a = r.raw("GET * HTTP/1.1\r\nHost: x:1\r\n\r\n"); a.status != 400 {
			t.Errorf("GET *: got %d, want 400", a.status)
		}
		if n := only.requests(); n != 0 {
			t.Errorf("the member got %d of these requests, want none", n)
		}
		r.expect("GET", "/v2/config/local/proxy/", 200, "from a:79")
		r.expect("GET", "/metrics/", 200, "from a:79")
	})
}

func TestAnUncleanPathIsSentBackToItsCleanForm(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.Readonly = true })
		for target, want := range map[string]string{
			"/v2/keys//foo": "/v2/keys/foo", "/v2/keys/foo//": "/v2/keys/foo/", "/v2/keys/foo/.": "/v2/keys/foo",
			"/v2/keys/%2e%2e/foo?a=b&c": "/v2/foo?a=b&c", "/v2/keys/a%2F%2Fb": "/v2/keys/a/b", "//v2/keys/x": "/v2/keys/x",
			"/..": "/", "/v2/keys/%20//": "/v2/keys/%20/",
		} {
			for _, method := range []string{"GET", "PUT", "OPTIONS"} {
				a := r.raw(method + " " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
				body := ""
				if method == "GET" {
					body = `<a href="` + strings.ReplaceAll(want, "&", "&amp;") + `">Moved Permanently</a>.` + "\n\n"
				}
				if a.status != 301 || a.header.Get("Location") != want || a.body != body {
					t.Errorf("%s %s: got %d to %q with %q, want 301 to %q", method, target, a.status, a.header.Get("Location"), a.body, want)
				}
			}
		}
		if n := only.requests(); n != 0 {
			t.Errorf("the member got %d of these requests, want none", n)
		}
	})
}

func TestAReadonlyProxyPassesGetAndNothingElse(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.Readonly = true })
		for _, method := range []string{"PUT", "POST", "DELETE", "HEAD", "OPTIONS", "CONNECT", "FOO"} {
			for _, target := range []string{"/v2/keys/x", "/v2/members", "/v2/config/local/proxy", "/version"} {
				a := r.do(method, target, "")
				if a.status != 501 || a.body != "" || a.header.Get("Content-Type") != "" {
					t.Errorf("%s %s: got %d %q %v, want a bare 501", method, target, a.status, a.body, a.header)
				}
			}
		}
		if n := only.requests(); n != 0 {
			t.Errorf("the member got %d of these requests, want none", n)
		}
		r.expect("GET", "/v2/keys/x?quorum=true", 200, "from a:79")
		if a := r.do("POST", "/metrics", ""); a.status != 200 {
			t.Errorf("POST /metrics: got %d, want 200", a.status)
		}
	})
}

func TestABodyIsTakenUpToTheDialectsLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		fits := "value=" + strings.Repeat("x", maxBody-6)
		if a := r.do("PUT", "/v2/keys/x", fits); a.status != 200 || only.body != fits {
			t.Errorf("at the limit: got %d, and the member %d bytes", a.status, len(only.body))
		}
		before := only.requests()
		a := r.do("PUT", "/v2/keys/x", fits+"x")
		if want := `{"errorCode":210,"message":"Invalid POST form","cause":"http: POST too large","index":0}` + "\n"; a.status != 400 || a.body != want || a.header.Get("X-Etcd-Index") != "0" {
			t.Errorf("beyond the limit: got %d %q %v, want 400 %q", a.status, a.body, a.header, want)
		}
		a = r.do("POST", "/v2/members", fits+"x")
		if want := `{"message":"httpproxy: failed to read request body: http: POST too large"}`; a.status != 413 || a.body != want {
			t.Errorf("elsewhere: got %d %q, want 413 %q", a.status, a.body, want)
		}
		if only.requests() != before {
			t.Error("the member got a body beyond the limit")
		}
	})
}

func TestTheBodyOfAReadIsDropped(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		if a := r.do("GET", "/v2/keys/x", "value=1"); a.status != 200 || only.body != "" || only.last.ContentLength != 0 {
			t.Errorf("got %d, and the member %q", a.status, only.body)
		}
	})
}

func TestABodyThatDoesNotComeIsGivenUp(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		began := time.Now()
		a := r.raw("PUT /v2/keys/x HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\nvalu")
		if took := time.Since(began); a.status != 500 || took != bodyTime {
			t.Errorf("got %d after %v, want 500 after %v", a.status, took, bodyTime)
		}
		if !strings.HasPrefix(a.body, `{"message":"httpproxy: failed to read request body: `) {
			t.Errorf("got %q", a.body)
		}
		a = r.raw("PUT /v2/keys/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		if a.status != 500 {
			t.Errorf("a broken chunk: got %d, want 500", a.status)
		}
		if n := only.requests(); n != 0 {
			t.Errorf("the member got %d of these requests, want none", n)
		}
	})
}

func TestTheTimeForABodyIsNotTheTimeForItsAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		w.member("a:79", func(rw http.ResponseWriter, q *http.Request) {
			select {
			case <-time.After(2 * bodyTime):
				_, _ = io.WriteString(rw, "at last")
			case <-q.Context().Done():
			}
		})
		r := newRig(w, []string{"a:79"})
		for _, method := range []string{"PUT", "GET"} {
			if a := r.do(method, "/v2/keys/x?wait=true", "value=1"); a.status != 200 || a.body != "at last" {
				t.Errorf("%s: got %d %q", method, a.status, a.body)
			}
		}
	})
}

func TestMetricsHaveEtcdsNames(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		first := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		r.do("GET", "/v2/keys/x", "")
		r.do("GET", "/v2/keys/x?wait=true", "") // takes as long as it likes
		r.do("PUT", "/v2/keys/x", "")
		r.do("FOO", "/v2/keys/x", "")
		r.do("BAR", "/v2/keys/x", "")
		first.kill()
		r.do("GET", "/v2/keys/x", "") // refused
		r.do("GET", "/v2/keys/x", "") // nobody left
		a := r.do("GET", "/metrics", "", "Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
		if got := a.header.Get("Content-Type"); a.status != 200 || got != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("got %d, Content-Type %q", a.status, got)
		}
		for _, line := range []string{
			`etcd_proxy_requests_total{method="GET"} 4`, `etcd_proxy_requests_total{method="PUT"} 1`,
			`etcd_proxy_requests_total{method="other"} 2`, `etcd_proxy_handled_total{code="200",method="GET"} 2`,
			`etcd_proxy_dropped_total{method="GET",proxying_error="failed_sending_request"} 1`,
			`etcd_proxy_dropped_total{method="GET",proxying_error="failed_getting_response"} 1`,
			`etcd_proxy_dropped_total{method="GET",proxying_error="zero_endpoints"} 1`,
			`etcd_proxy_handling_duration_seconds_count{method="GET"} 1`, `etcd_proxy_handling_duration_seconds_count{method="PUT"} 1`,
			`process_open_fds `, `go_goroutines `,
		} {
			if !strings.Contains(a.body, "\n"+line) {
				t.Errorf("/metrics lacks %s", line)
			}
		}
	})
}
