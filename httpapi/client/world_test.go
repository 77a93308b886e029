package client_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"keytree/httpapi"
	"keytree/httpapi/apitest"
	"keytree/httpapi/auth"
	"keytree/httpapi/client"
)

// world is a cluster of members in memory and a client of it.
type world struct {
	*client.Client
	members *apitest.Cluster
}

// inWorld runs test in a world of n members, on a clock of its own.
func inWorld(t *testing.T, n int, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{members: apitest.Open(t, n, func(m *apitest.Member) apitest.Servers {
			return apitest.Servers{Clients: httpapi.NewServer(handler(t, m), slog.New(slog.DiscardHandler))}
		})}
		w.Client = w.client(t, client.Config{})
		test(t, w)
	})
}

// handler is what m answers clients with.
func handler(t testing.TB, m *apitest.Member) http.Handler {
	a := auth.Open(auth.Config{Tree: m.Replica, Hasher: auth.Bcrypt{Cost: 4}})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return httpapi.New(httpapi.Config{
		Keyspace: m.Replica, Cluster: m.Replica, Progress: m.Replica, Pages: m.Replica, Reporter: m.Replica, Stats: m.Stats(), Auth: a,
		Logger: slog.New(slog.DiscardHandler), Version: "0.1.0", RequestTimeout: -1,
	})
}

// client makes a client of all members.
func (w *world) client(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	for _, m := range w.members.Members {
		c.Endpoints = append(c.Endpoints, m.ClientURL)
	}
	if c.Transport == nil {
		c.Transport = w.members.Client().Transport
	}
	return mustNew(t, c)
}

// mustNew makes a client whose endpoints keep their order, unless c says
// otherwise.
func mustNew(t testing.TB, c client.Config) *client.Client {
	t.Helper()
	if c.Shuffle == nil {
		c.Shuffle = func(int, func(i, j int)) {}
	}
	cl, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func (w *world) mustSet(t *testing.T, key, value string) *client.Response {
	t.Helper()
	return mustSet(t, w.Client, key, value)
}

func mustSet(t testing.TB, c *client.Client, key, value string) *client.Response {
	t.Helper()
	r, err := c.Set(t.Context(), key, value, client.SetOptions{})
	if err != nil {
		t.Fatalf("setting %s: %v", key, err)
	}
	return r
}

// fake is an endpoint that a test has in its hands.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // method, path and query, body
}

// serve starts a fake that answers with h.
func serve(t testing.TB, h http.HandlerFunc) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(f.recording(t, h))
	t.Cleanup(f.end)
	return f
}

func (f *fake) recording(t testing.TB, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		f.asked = append(f.asked, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body)))
		f.mu.Unlock()
		h(w, r)
	})
}

// end cuts what is under way and stops.
func (f *fake) end() {
	f.CloseClientConnections()
	f.Close()
}

// requests are those since the last call.
func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.asked
	f.asked = nil
	return list
}

// say answers with a status and a text.
func say(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Etcd-Index", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}
}

// cut breaks the connection.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// hang does not answer before the client leaves.
func hang(_ http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// aKey is a good answer.
const aKey = `{"action":"get","node":{"key":"/a","value":"1","modifiedIndex":5,"createdIndex":4}}`

// nobody is the URL of an endpoint that refuses connections.
func nobody(t testing.TB) string {
	s := httptest.NewServer(nil)
	s.Close()
	return s.URL
}
