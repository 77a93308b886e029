package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/client"
)

func TestEndpointsThatCannotBeReadAreRefused(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"127.0.0.1:2379":         `parse "127.0.0.1:2379": first path segment in URL cannot contain colon`,
		"http://[::1":            `parse "http://[::1": missing ']' in host`,
		":::":                    `parse ":::": missing protocol scheme`,
		" http://127.0.0.1:2379": `parse " http://127.0.0.1:2379": first path segment in URL cannot contain colon`,
	} {
		if _, err := client.New(client.Config{Endpoints: []string{endpoint}}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", endpoint, err, want)
		}
	}
	if _, err := client.New(client.Config{}); err != client.ErrNoEndpoints || err.Error() != "client: no endpoints available" {
		t.Errorf("none: got %v", err)
	}
	own := client.Config{Endpoints: []string{"unix:///x"}, Transport: http.DefaultTransport}
	if _, err := client.New(own); err == nil {
		t.Error("a socket through a transport of one's own")
	}
}

func TestEndpointsAreReadAsEtcdReadsThem(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"localhost:2379": `unsupported protocol scheme "localhost"`,
		"ftp://there":    `unsupported protocol scheme "ftp"`,
	} {
		c := mustNew(t, client.Config{Endpoints: []string{endpoint}})
		_, err := c.Get(t.Context(), "/a", client.GetOptions{})
		if err == nil || !strings.Contains(err.Error(), "error #0: "+want+"\n") || client.Unreachable(err) {
			t.Errorf("%q: got %v", endpoint, err)
		}
	}
	f := serve(t, say(200, aKey))
	host := strings.TrimPrefix(f.URL, "http://")
	for endpoint, want := range map[string]string{
		"//" + host:             "GET /v2/keys/a",
		f.URL + "/":             "GET /v2/keys/a",
		f.URL + "/behind/this/": "GET /behind/this/v2/keys/a",
	} {
		c := mustNew(t, client.Config{Endpoints: []string{endpoint}})
		if _, err := c.Get(t.Context(), "/a", client.GetOptions{}); err != nil {
			t.Errorf("%q: %v", endpoint, err)
		}
		if asked := f.requests(); len(asked) != 1 || asked[0] != want+"?quorum=false&recursive=false&sorted=false" {
			t.Errorf("%q: asked %q", endpoint, asked)
		}
	}
	if list := mustNew(t, client.Config{Endpoints: []string{"//h:1", "h"}}).Endpoints(); !slices.Equal(list, []string{"http://h:1", "http://h"}) {
		t.Errorf("got %q", list)
	}
}

func TestUnixSocketsAreEndpoints(t *testing.T) {
	t.Parallel()
	for scheme, secure := range map[string]bool{"unix": false, "unixs": true} {
		socket := filepath.Join(t.TempDir(), "s")
		l, err := net.Listen("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		f := &fake{}
		s := httptest.NewUnstartedServer(f.recording(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "localhost" {
				t.Errorf("asked for host %q", r.Host)
			}
			say(200, aKey)(w, r)
		}))
		_ = s.Listener.Close() // the one it came with
		s.Listener = l
		c := client.Config{Endpoints: []string{scheme + "://" + socket}}
		if secure {
			s.StartTLS()
			c.TLS = s.Client().Transport.(*http.Transport).TLSClientConfig
			c.TLS.ServerName = "example.com" // the certificate is for that
		} else {
			s.Start()
		}
		t.Cleanup(s.Close)
		var shown string
		c.Trace = func(a client.Attempt) { shown = a.URL }
		if r, err := mustNew(t, c).Get(t.Context(), "/a", client.GetOptions{}); err != nil || r.Node.Value != "1" {
			t.Errorf("%s: got %v, %v", scheme, r, err)
		}
		if want := scheme + "://" + socket + "/v2/keys/a?quorum=false&recursive=false&sorted=false"; shown != want {
			t.Errorf("shown %s, want %s", shown, want)
		}
		c.Endpoints[0] += "x"
		_, err = mustNew(t, c).Delete(t.Context(), "/a", client.DeleteOptions{})
		if err == nil || err.Error() != "dial unix "+socket+"x: connect: no such file or directory" {
			t.Errorf("%s: got %v", scheme, err)
		}
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(say(200, aKey))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it complains of who does not trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	trusting := s.Client().Transport.(*http.Transport).TLSClientConfig
	for _, c := range []struct {
		tls  *tls.Config
		want string
	}{
		{trusting, ""},
		{nil, "tls: failed to verify certificate: x509: certificate signed by unknown authority"},
	} {
		_, err := mustNew(t, client.Config{Endpoints: []string{s.URL}, TLS: c.tls}).Delete(t.Context(), "/a", client.DeleteOptions{})
		if err != nil && err.Error() != c.want || err == nil && c.want != "" {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestAProxyIsUsed(t *testing.T) {
	t.Parallel()
	proxy := serve(t, say(200, aKey))
	at, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := mustNew(t, client.Config{Endpoints: []string{"http://member.invalid:2379"}, Proxy: http.ProxyURL(at)})
	if _, err := c.Get(t.Context(), "/a", client.GetOptions{}); err != nil {
		t.Error(err)
	}
	if asked := proxy.requests(); len(asked) != 1 || !strings.HasPrefix(asked[0], "GET http://member.invalid:2379/v2/keys/a?") {
		t.Errorf("asked %q", asked)
	}
}

func TestADialHasALimit(t *testing.T) {
	t.Parallel()
	c := mustNew(t, client.Config{Endpoints: []string{"http://192.0.2.1:2379"}, DialTimeout: time.Nanosecond})
	_, err := c.Delete(t.Context(), "/a", client.DeleteOptions{})
	if err == nil || err.Error() != "dial tcp 192.0.2.1:2379: i/o timeout" || !client.Unreachable(err) {
		t.Errorf("got %v", err)
	}
}

func TestSyncMakesAllClientURLsTheEndpoints(t *testing.T) {
	t.Parallel()
	answer := say(200, "")
	f := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, r) })
	members := func(urls ...string) {
		text := ""
		for i, u := range urls {
			text += fmt.Sprintf(`,{"id":"%x","name":"n","peerURLs":[],"clientURLs":[%s]}`, i+1, u)
		}
		answer = say(200, `{"members":[`+strings.TrimPrefix(text, ",")+`]}`)
	}
	shuffled := 0
	reverse := func(n int, swap func(i, j int)) {
		shuffled++
		for i := range n / 2 {
			swap(i, n-1-i)
		}
	}
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}, Shuffle: reverse})
	want := func(err error, wantErr error, list ...string) {
		t.Helper()
		if got := c.Endpoints(); !errors.Is(err, wantErr) || !slices.Equal(got, list) {
			t.Errorf("got %q, %v, want %q", got, err, list)
		}
	}
	members()
	want(c.Sync(t.Context()), client.ErrNoEndpoints, f.URL)
	members(`"http://[::1"`)
	if err := c.Sync(t.Context()); err == nil {
		t.Error("a URL that is none is taken")
	}
	answer = say(404, "404 page not found\n")
	err := c.Sync(t.Context())
	var status *client.StatusError
	if !errors.As(err, &status) || err.Error() != "unexpected status code 404" {
		t.Errorf("got %v", err)
	}
	dead := nobody(t)
	members(`"`+dead+`","`+f.URL+`"`, ``, `"http://h:3"`)
	want(c.Sync(t.Context()), nil, "http://h:3", f.URL, dead)
	f.requests()
	before := shuffled
	want(c.Sync(t.Context()), nil, "http://h:3", f.URL, dead)
	if shuffled != before {
		t.Error("the same endpoints are shuffled again")
	}
	if asked := f.requests(); len(asked) != 1 {
		t.Errorf("the endpoint that answered is not the first: %q", asked)
	}
	members(`"` + dead + `"`)
	want(c.Sync(t.Context()), nil, dead)
	if err := c.Sync(t.Context()); !client.Unreachable(err) {
		t.Errorf("got %v", err)
	}
}

func TestAutoSyncGoesOnUntilItsContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	f := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 2 {
			say(500, "")(w, r)
			return
		} else if asked == 4 {
			cancel()
		}
		say(200, `{"members":[{"id":"1","clientURLs":["http://`+r.Host+`"]}]}`)(w, r)
	})
	c := mustNew(t, client.Config{Endpoints: []string{f.URL}})
	if err := c.AutoSync(ctx, time.Millisecond); err != context.Canceled || asked != 4 {
		t.Errorf("got %v after %d", err, asked)
	}
	f = serve(t, say(200, `{"members":[]}`))
	c = mustNew(t, client.Config{Endpoints: []string{f.URL}})
	if err := c.AutoSync(t.Context(), time.Millisecond); err != client.ErrNoEndpoints {
		t.Errorf("got %v", err)
	}
}

// domain is a resolver that knows some services.
type domain map[string][]*net.SRV

func (d domain) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	asked := fmt.Sprintf("_%s._%s.%s", service, proto, name)
	if found := d[asked]; found != nil {
		return asked, found, nil
	}
	return "", nil, errors.New("no " + asked)
}

func TestEndpointsAreDiscoveredThroughDNS(t *testing.T) {
	t.Parallel()
	d := domain{
		"_etcd-client-ssl._tcp.a.test":      {{Target: "m1.a.test.", Port: 2379}},
		"_etcd-client._tcp.a.test":          {{Target: "m2.a.test.", Port: 2379}, {Target: "m3.a.test.", Port: 4001}},
		"_etcd-client-blue._tcp.plain.test": {{Target: "m4.", Port: 1}},
	}
	for _, c := range []struct{ domain, service, want string }{
		{"a.test", "", "[https://m1.a.test.:2379 http://m2.a.test.:2379 http://m3.a.test.:4001] <nil>"},
		{"plain.test", "blue", "[http://m4.:1] <nil>"},
		{"b.test", "", "[] dns lookup errors: no _etcd-client-ssl._tcp.b.test and no _etcd-client._tcp.b.test"},
	} {
		list, err := client.Discover(t.Context(), d, c.domain, c.service)
		if got := fmt.Sprint(list, err); got != c.want {
			t.Errorf("%s: got %s, want %s", c.domain, got, c.want)
		}
	}
}
