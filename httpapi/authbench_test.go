package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func FuzzBodiesOnSecurity(f *testing.F) {
	for _, body := range []string{
		`{"user":"n","password":"p","roles":["a"]}`, `{"user":"n","grant":["a","a"],"revoke":null}`, `{"role":"n","permissions":{"kv":{"read":[""],"write":null}}}`,
		`{"role":"n","grant":{"kv":{"read":["/a"]}},"revoke":{"kv":{"write":["*"]}}}`, `null`, `[]`, `{"role":"n"}{`, "{\"user\":\"n\",\"password\":\"\xff\x00\"}",
	} {
		f.Add(body)
	}
	d := openLone(f)
	authority := runAuth(f, d, nil)
	api := New(Config{Keyspace: d, Cluster: d, Progress: d, Auth: authority})
	f.Fuzz(func(t *testing.T, body string) {
		for _, target := range []string{"/v2/auth/users/n", "/v2/auth/roles/n"} {
			for _, method := range []string{"PUT", "GET", "DELETE"} {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				w := httptest.NewRecorder()
				api.ServeHTTP(w, httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body)))
				cancel()
				if w.Code >= http.StatusInternalServerError {
					t.Errorf("%s %s %q: %d %s", method, target, body, w.Code, w.Body)
				}
			}
		}
	})
}

func BenchmarkGetAuthenticated(b *testing.B) {
	d := openLone(b)
	authority := runAuth(b, d, nil)
	a := New(Config{Keyspace: d, Cluster: d, Progress: d, Stats: d.stats(), Auth: authority}).(*API)
	send := func(method, target, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(b.Context(), method, target, strings.NewReader(body))
		a.ServeHTTP(w, r)
		if w.Code/100 != 2 {
			b.Fatal(method, target, w.Code, w.Body)
		}
		return w
	}
	send("PUT", "/v2/keys/d/500?value="+strings.Repeat("v", 128), "")
	send("PUT", "/v2/auth/users/root", `{"user":"root","password":"rootpw"}`)
	send("PUT", "/v2/auth/users/u", `{"user":"u","password":"a password","roles":["r"]}`)
	send("PUT", "/v2/auth/roles/r", `{"role":"r","permissions":{"kv":{"read":["/d/*"]}}}`)
	send("PUT", "/v2/auth/enable", "")
	w, r := newSink(), newRequest(b, "GET", "/v2/keys/d/500")
	r.SetBasicAuth("u", "a password")
	b.ReportAllocs()
	for b.Loop() {
		w.reset()
		a.ServeHTTP(w, r)
	}
	if w.written == 0 {
		b.Fatal("no answer")
	}
}
