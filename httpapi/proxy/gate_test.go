package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi"
)

// permissive is a member that lets pages of every origin do everything.
func permissive(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Access-Control-Allow-Origin", "*")
	rw.Header().Set("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE")
	rw.Header().Set("Access-Control-Allow-Headers", "accept, content-type, authorization")
	rw.Header().Set("Access-Control-Max-Age", "5")
	_, _ = io.WriteString(rw, "done")
}

// behindGate is the answer of a proxy behind a gate that allows origins, to a
// request with the headers given.
func behindGate(r *rig, origins []string, method, target string, headers ...string) *httptest.ResponseRecorder {
	h := httpapi.Gate(r.proxy.Handler(), httpapi.GateConfig{CORS: origins})
	q := httptest.NewRequest(method, "http://proxy:80"+target, nil)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, q)
	return w
}

// A proxy that is told which origins are allowed is the one to say so: it says
// it once, whatever members say, and they are not asked to agree.
func TestAProxyWithOriginsOfItsOwnDecidesAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.member("a:79", permissive)
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.CORS = true })
		origins := []string{"http://a.example"}
		for _, x := range []struct {
			origin string
			method string
			status int
			allow  []string
		}{
			{"http://a.example", "GET", 200, origins},
			{"http://a.example", "PUT", 200, origins},
			{"http://b.example", "GET", 200, nil},
			{"http://b.example", "PUT", 403, nil},
			{"", "PUT", 200, nil},
		} {
			headers := []string{"Sec-Fetch-Site", "cross-site", "Origin", x.origin}
			if x.origin == "" {
				headers = nil
			}
			before := m.requests()
			a := behindGate(r, origins, x.method, "/v2/keys/x", headers...)
			if got := a.Header()["Access-Control-Allow-Origin"]; a.Code != x.status || !slices.Equal(got, x.allow) || a.Header().Get("Access-Control-Max-Age") != "" {
				t.Errorf("%s from %q: got %d %v, want %d and %q", x.method, x.origin, a.Code, a.Header(), x.status, x.allow)
			}
			if passed := m.requests() > before; passed != (x.status == 200) {
				t.Errorf("%s from %q: did it reach the member: %v", x.method, x.origin, passed)
			}
			if h := m.last.Header; h.Get("Origin") != "" || h.Get("Sec-Fetch-Site") != "" {
				t.Errorf("%s from %q: the member was told %v", x.method, x.origin, h)
			}
		}
		if a := behindGate(r, origins, "GET", "/v2/keys//x", "Origin", "http://a.example"); a.Code != 301 || a.Header().Get("Access-Control-Allow-Origin") != origins[0] {
			t.Errorf("an unclean path: %d %v", a.Code, a.Header())
		}
	})
}

// Otherwise it is the members' to say who may read.
func TestAProxyPassesOnWhatMembersAllow(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.member("a:79", permissive)
		r := newRig(w, []string{"a:79"})
		a := behindGate(r, nil, "GET", "/v2/keys/x", "Origin", "http://a.example", "Sec-Fetch-Site", "cross-site")
		h := m.last.Header
		if a.Header().Get("Access-Control-Allow-Origin") != "*" || h.Get("Origin") != "http://a.example" || h.Get("Sec-Fetch-Site") != "cross-site" {
			t.Errorf("got %v, and the member %v", a.Header(), h)
		}
	})
}

func TestABodyIsTakenUpToTheLimitThatIsConfigured(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		only := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.MaxRequestBytes = 2000 })
		if a := r.do("PUT", "/v2/keys/x", strings.Repeat("x", 2000)); a.status != 200 || len(only.body) != 2000 {
			t.Errorf("at the limit: got %v, and the member %d bytes", a, len(only.body))
		}
		const cause = "http: POST too large: the limit is 2000 bytes"
		want := `{"errorCode":210,"message":"Invalid POST form","cause":"` + cause + `","index":0}` + "\n"
		const announced = "Content-Length: 2001\r\nExpect: 100-continue\r\n\r\n"
		chunked := fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", 2001, strings.Repeat("x", 2001))
		for _, body := range []string{announced, chunked} {
			began := time.Now()
			if a := r.raw("PUT /v2/keys/x HTTP/1.1\r\nHost: x\r\n" + body); a.status != 400 || a.body != want || time.Since(began) != 0 {
				t.Errorf("beyond it: got %v after %v", a, time.Since(began))
			}
			if a := r.raw("POST /v2/members HTTP/1.1\r\nHost: x\r\n" + body); a.status != 413 || !strings.Contains(a.body, cause) {
				t.Errorf("elsewhere: got %v", a)
			}
		}
	})
}

// In HTTP/2 a write deadline that passes ends a stream, whether anything is
// being written or not.
func TestAQuietWatchOutlivesAllLimitsInBothVersionsOfHTTP(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.watched("a:79")
		r := newRig(w, []string{"a:79"})
		over := new(http.Protocols)
		over.SetUnencryptedHTTP2(true)
		server := httpapi.NewServer(r.proxy.Handler(), slog.New(slog.DiscardHandler))
		server.Protocols = over
		w.serve("second:80", server)
		second := &http.Transport{Protocols: over, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return w.dial(ctx, network, "second:80")
		}}
		defer second.CloseIdleConnections()
		first := r.client.Transport
		for version, transport := range []http.RoundTripper{1: first, 2: second} {
			if transport == nil {
				continue
			}
			r.client.Transport = transport
			ctx, leave := context.WithCancel(t.Context())
			a := r.watch(ctx)
			if a.ProtoMajor != version {
				t.Errorf("version %d was spoken", a.ProtoMajor)
			}
			in := bufio.NewReader(a.Body)
			for i := range 3 {
				time.Sleep(time.Hour)
				line := fmt.Sprintln("event", i)
				select {
				case m.events <- line:
				case <-m.left:
					t.Fatalf("version %d: the watch has ended", version)
				}
				if got, err := in.ReadString('\n'); got != line || err != nil {
					t.Fatalf("version %d: got %q, %v, want %q", version, got, err, line)
				}
			}
			leave()
			synctest.Wait()
			_ = a.Body.Close() // the request has ended
			<-m.left
		}
	})
}

// Whoever is before the proxy has said where a request comes from; a unix
// socket has nothing to add.
func TestAClientWithoutAnAddressKeepsWhereItsRequestCameFrom(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		m := w.member("a:79", nil)
		r := newRig(w, []string{"a:79"})
		for _, address := range []string{"@", ""} {
			for came, want := range map[string][]string{"": nil, "10.1.2.3": {"10.1.2.3"}} {
				q := httptest.NewRequest("GET", "http://localhost/v2/keys/x", nil)
				q.RemoteAddr = address
				if came != "" {
					q.Header.Set("X-Forwarded-For", came)
				}
				a := httptest.NewRecorder()
				r.proxy.Handler().ServeHTTP(a, q)
				if got := m.last.Header["X-Forwarded-For"]; a.Code != 200 || !slices.Equal(got, want) {
					t.Errorf("%q forwarded for %q: got %d, and the member %q", address, came, a.Code, got)
				}
			}
		}
	})
}
