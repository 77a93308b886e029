package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A client certificate names a user, unless the request itself does.
func TestACertificateNamesAUser(t *testing.T) {
	withHandler(t, func(c *Config) { c.ClientCertAuth = true }, func(t *testing.T, b *bench, handler http.Handler) {
		b.enableAuth()
		b.mustPut("/v2/auth/roles/r", `{"role":"r","permissions":{"kv":{"read":["/a","/g"]}}}`, asRoot)
		b.mustPut("/v2/auth/users/u", `{"user":"u","password":"p","roles":["r"]}`, asRoot)
		b.mustPut("/v2/auth/roles/guest", `{"role":"guest","revoke":{"kv":{"read":["/*"]}},"grant":{"kv":{"read":["/g"]}}}`, asRoot)
		issuer := &x509.Certificate{Subject: pkix.Name{CommonName: "root"}} // must not count
		ask := func(target, name, header string) int {
			r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: name}}, issuer}}}
			if header != "" {
				_, value, _ := strings.Cut(header, ": ")
				r.Header.Set("Authorization", value)
			}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w.Code
		}
		for _, x := range []struct {
			target, name, header string
			want                 int
		}{
			{"/v2/keys/a", "u", "", 404}, {"/v2/keys/b", "u", "", 401}, {"/v2/keys/g", "unknown", "", 404}, {"/v2/keys/a", "unknown", "", 401},
			{"/v2/keys/a", "", "", 401}, {"/v2/keys/b", "root", "", 404}, {"/v2/keys/a", "root", as("u", "wrong"), 401}, {"/v2/keys/b", "u", asRoot, 404},
			{"/v2/auth/users", "root", "", 200}, {"/v2/auth/users", "u", "", 401}, {"/v2/auth/users", "unknown", "", 401}, {"/v2/auth/users", "", "", 401},
		} {
			if got := ask(x.target, x.name, x.header); got != x.want {
				t.Errorf("%+v: got %d", x, got)
			}
		}
	})
}

// Without being told to, nobody looks at certificates.
func TestACertificateIsNobodyUnlessItIsAskedFor(t *testing.T) {
	withHandler(t, func(*Config) {}, func(t *testing.T, b *bench, handler http.Handler) {
		b.enableAuth()
		b.closeToGuests()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v2/keys/a", nil)
		r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: "root"}}}}}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != 401 {
			t.Errorf("got %d", w.Code)
		}
	})
}
