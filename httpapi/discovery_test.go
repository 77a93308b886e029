package httpapi

import (
	"crypto/tls"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

const newTokenPath = "/keytree/v1/discovery/new"

// newToken makes a token and returns the path of its URL.
func (b *bench) newToken(method, query string) (path string) {
	b.t.Helper()
	a := b.do(method, newTokenPath+query, "")
	m := regexp.MustCompile(`^http://127\.0\.0\.1:21379(/v2/keys/_etcd/registry/[0-9a-f]{32})\n$`).FindStringSubmatch(a.body)
	if a.status != 200 || m == nil || a.headers.Get("Content-Type") != "text/plain; charset=utf-8" || a.headers.Get("Cache-Control") != "no-store" {
		b.t.Fatalf("got %v", a)
	}
	return m[1]
}

func (b *bench) wantSize(token, size string) {
	b.t.Helper()
	if a := b.get(token + "/_config/size"); a.status != 200 || !strings.Contains(a.body, `"value":"`+size+`"`) {
		b.t.Errorf("got %v, want a size of %s", a, size)
	}
}

func TestATokenIsMadeForThreeMembersUnlessTold(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		first := b.newToken("GET", "")
		b.wantSize(first, "3")
		b.get(first+"/_config/size?wait=true&waitIndex=4").wantIn(t, 200, `{"action":"create","node":`)
		second := b.newToken("POST", "?size=5")
		b.wantSize(second, "5")
		if first == second {
			t.Errorf("the same token twice: %s", first)
		}
		for _, size := range []string{"1", "64"} {
			b.wantSize(b.newToken("GET", "?size="+size), size)
		}
		a := b.post(newTokenPath, "size=7")
		path := strings.TrimPrefix(strings.TrimSpace(a.body), "http://127.0.0.1:21379")
		b.wantSize(path, "7")
	})
}

// A member of etcd that was given the URL finds there what it finds at etcd.
func TestMembersRegisterUnderANewToken(t *testing.T) {
	lines := readGolden(t, "../discovery/testdata/discovery_01_requests.jsonl")[1:] // the first makes the token
	told(t, func(t *testing.T, b *bench) {
		token := strings.TrimPrefix(b.newToken("GET", "?size=2"), "/v2/keys/_etcd/registry/")
		var rename func(x exchange) exchange
		rename = func(x exchange) exchange {
			x.Path = strings.ReplaceAll(x.Path, "/tok1", "/"+token)
			x.RespBody = strings.ReplaceAll(x.RespBody, "/tok1", "/"+token)
			during := x.During
			x.During = nil
			for _, d := range during {
				x.During = append(x.During, rename(d))
			}
			return x
		}
		for i, x := range lines {
			if diff := b.replay(rename(x)); diff != "" {
				t.Errorf("line %d: %s %s\n%s", i+2, x.Method, x.Path, diff)
			}
		}
	})
}

func TestASizeThatIsNoneMakesNoToken(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, query := range []string{"size=", "size=0", "size=-1", "size=65", "size=x", "size=3.0", "size=%2B3", "size=+3", "size=0x3",
			"size=99999999999999999999", "size=3&size=4"} {
			a := b.get(newTokenPath + "?" + query)
			if a.status != 400 || a.body != `{"message":"size must be a whole number from 1 to 64"}` || a.headers.Get("Content-Type") != "application/json" {
				t.Errorf("%s: %v", query, a)
			}
		}
		for _, a := range []*answer{
			b.get(newTokenPath + "?size=%zz"),
			b.post(newTokenPath, "size=3&pad="+strings.Repeat("x", maxTokenForm)),
		} {
			a.wantIn(t, 400, `{"message":"`)
		}
		// What was too long is not waited for.
		c := b.dial()
		defer c.Close()
		c.send("POST", newTokenPath, "size=3&pad="+strings.Repeat("x", maxTokenForm), formType)
		if text := c.rest(); !strings.HasPrefix(text, "HTTP/1.1 400 ") || !strings.Contains(text, "\r\nConnection: close\r\n") {
			t.Errorf("a form that is too long: %q", text)
		}
		if a := b.get("/v2/keys/_etcd"); a.status != 404 {
			t.Errorf("something was made: %v", a)
		}
	})
}

func TestOtherMethodsMakeNoToken(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, method := range []string{"PUT", "DELETE", "HEAD", "PATCH", "BREW"} {
			if a := b.do(method, newTokenPath, ""); a.status != 405 || a.headers.Get("Allow") != "GET,POST" {
				t.Errorf("%s: %v", method, a)
			}
		}
		if a := b.get(newTokenPath + "/"); a.status != 404 {
			t.Errorf("with a slash: %v", a)
		}
	})
}

func TestTheURLNamesTheHostThatWasAsked(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		ask := func(host string) string {
			c := b.dial()
			defer c.Close()
			c.sendRaw("GET " + newTokenPath + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
			return c.rest()
		}
		for _, host := range []string{"example.com", "keytree_1.local:4001", "10.0.0.1:2379", "[::1]:2379", "[fd00::1]", "a", "example.com."} {
			if got := ask(host); !strings.HasPrefix(got, "HTTP/1.1 200 ") || !strings.Contains(got, "\r\n\r\nhttp://"+host+"/v2/keys/_etcd/registry/") {
				t.Errorf("%s: got %q", host, got)
			}
		}
		for _, host := range []string{"", "a/b", "user@host", "a b", "a:", "a:x", "a:0", "a:65536", ":2379", "::1", "[::1", "[x]:1", "a?b", "a#b", "a,b", "a'b",
			"$(id)", "%41", "b\xc3\xbc", strings.Repeat("a", 256)} {
			if got := ask(host); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
				t.Errorf("%q: got %q", host, got)
			}
			if isHost(host) { // whatever the HTTP library makes of it before
				t.Errorf("%q is taken for a host", host)
			}
		}
		c := b.dial()
		defer c.Close()
		c.sendRaw("GET " + newTokenPath + " HTTP/1.0\r\n\r\n")
		if got := c.rest(); !strings.HasPrefix(got, "HTTP/1.0 400 ") {
			t.Errorf("without a host: got %q", got)
		}
	})
}

func TestOverTLSTheURLSaysSo(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		d := openLone(t)
		r := httptest.NewRequest("GET", newTokenPath, nil)
		r.TLS = new(tls.ConnectionState)
		w := httptest.NewRecorder()
		New(Config{Keyspace: d, Cluster: d, Progress: d}).ServeHTTP(w, r)
		if got := w.Body.String(); !strings.HasPrefix(got, "https://example.com/v2/keys/_etcd/registry/") {
			t.Errorf("got %d %q", w.Code, got)
		}
	})
}

// Whoever may not write the key of the token may not make it in this way.
func TestATokenIsGuardedAsAWriteOfItsKey(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.enableAuth()
		b.mustPut("/v2/auth/roles/maker", `{"role":"maker","permissions":{"kv":{"write":["/_etcd/registry/*"]}}}`, asRoot)
		b.mustPut("/v2/auth/users/maker", `{"user":"maker","password":"p","roles":["maker"]}`, asRoot)
		b.mustPut("/v2/auth/users/other", `{"user":"other","password":"p"}`, asRoot)
		b.mustPut("/v2/auth/roles/guest", `{"role":"guest","revoke":{"kv":{"write":["/*"]}}}`, asRoot)
		for name, who := range map[string][]string{"guest": nil, "other": {as("other", "p")}, "wrong": {as("maker", "q")}} {
			a := b.do("GET", newTokenPath, "", who...)
			a.want(t, 401, `{"errorCode":110,"message":"The request requires user authentication","cause":"Insufficient credentials","index":0}`)
			if t.Failed() {
				t.Fatalf("%s made a token", name)
			}
		}
		if a := b.do("GET", newTokenPath, "", as("maker", "p")); a.status != 200 || !strings.Contains(a.body, "/v2/keys/_etcd/registry/") {
			t.Errorf("got %v", a)
		}
	})
}

func TestWithoutAQuorumThereAreNoTokens(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.cluster.hang.Store(true)
		begun := time.Now()
		b.get(newTokenPath).want(t, 500, `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`)
		if took := time.Since(begun); took != 7*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
