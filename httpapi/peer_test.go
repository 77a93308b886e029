package httpapi

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestThePeerPortTellsMembersAndVersion(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := openLone(t)
		h := NewPeerHandler(Config{Keyspace: l, Cluster: l, Progress: l, Version: "0.1.0"})
		for _, tt := range []struct {
			method, target string
			status         int
			body           string
		}{
			{"GET", "/members", 200, `[{"id":7616583982444832909,"peerURLs":["http://127.0.0.1:21380"],"name":"node1","clientURLs":["http://127.0.0.1:21379"]}]` + "\n"},
			{"GET", "/version", 200, `{"etcdserver":"3.4.23","etcdcluster":"3.4.0","keytree":"0.1.0"}`},
			{"HEAD", "/members", 405, "Method Not Allowed\n"},
			{"POST", "/members", 405, "Method Not Allowed\n"},
			{"POST", "/version", 405, "Method Not Allowed\n"},
			{"GET", "/members/", 404, "404 page not found\n"},
			{"GET", "/v2/keys", 404, "404 page not found\n"},
			{"GET", "/health", 404, "404 page not found\n"},
		} {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.target, nil))
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.target, w.Code, w.Body, tt.status, tt.body)
			}
			if got := w.Header().Get("Allow"); tt.status == http.StatusMethodNotAllowed && got != "GET" {
				t.Errorf("%s %s allows %q", tt.method, tt.target, got)
			}
			if got := w.Header().Get(headerClusterID); tt.target == "/members" && tt.status == http.StatusOK && got != "31c6e9f19e0fb0d9" {
				t.Errorf("/members names the cluster %q", got)
			}
		}
	})
}
