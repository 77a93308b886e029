package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keytree/httpapi/client"
)

func TestASnapshotComesAsItIsSent(t *testing.T) {
	const text = "what a server sends"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); r.URL.Path != "/keytree/v1/snapshot" || user != "root" || password != "pw" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Etcd-Cluster-Id", "abc")
		w.Header().Set("X-Etcd-Index", "42")
		w.Header().Set("X-Keytree-Size", "1000")
		_, _ = io.WriteString(w, text)
	}))
	defer server.Close()
	cl := mustNew(t, client.Config{Endpoints: []string{server.URL}, Username: "root", Password: "pw", MaxBody: 1})
	s, err := cl.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(s.Body)
	if err := errors.Join(err, s.Body.Close()); err != nil || string(body) != text {
		t.Errorf("got %q, %v", body, err)
	}
	if s.Cluster != "abc" || s.Index != 42 || s.Size != 1000 {
		t.Errorf("got %+v", s)
	}
}

func TestASnapshotThatIsRefusedIsAnError(t *testing.T) {
	answers := map[int]string{http.StatusNotFound: "404 page not found\n", http.StatusUnauthorized: `{"message":"Insufficient credentials"}`}
	for status, text := range answers {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}))
		cl := mustNew(t, client.Config{Endpoints: []string{server.URL}})
		_, err := cl.Snapshot(t.Context())
		var refused *client.StatusError
		if !errors.As(err, &refused) || refused.Status != status || strings.HasPrefix(text, "{") && !strings.Contains(text, err.Error()) {
			t.Errorf("%d %s: got %v", status, text, err)
		}
		server.Close()
	}
}

// A snapshot ends with its context, however long it has been on its way.
func TestASnapshotEndsWithItsContext(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the first piece")
		_ = http.NewResponseController(w).Flush() // a test's own server can
		<-r.Context().Done()
	}))
	defer server.Close()
	cl := mustNew(t, client.Config{Endpoints: []string{server.URL}})
	ctx, cancel := context.WithCancel(t.Context())
	s, err := cl.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Body.Close()
	cancel()
	if _, err := io.ReadAll(s.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
