package proxy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"keytree/httpapi"
	"keytree/httpapi/apitest"
	"keytree/httpapi/auth"
)

// sharing is a proxy that shares watches, in front of members of Keytree.
type sharing struct {
	*rig
	members *apitest.Cluster
	mu      sync.Mutex
	watches int // that reached a member
}

// inSharing runs test with n members behind such a proxy, in a bubble.
func inSharing(t *testing.T, n int, test func(t *testing.T, s *sharing)) {
	t.Helper()
	inBubble(t, func(t *testing.T, w *world) {
		s := &sharing{}
		s.members = apitest.Open(t, n, func(m *apitest.Member) apitest.Servers {
			return apitest.Servers{Clients: httpapi.NewServer(s.counted(handler(t, m)), slog.New(slog.DiscardHandler))}
		})
		var addresses []string
		at := map[string]*apitest.Member{}
		for _, m := range s.members.Members {
			address := strings.TrimPrefix(m.ClientURL, "http://")
			addresses, at[address] = append(addresses, address), m
		}
		w.other = func(address string) (net.Conn, error) {
			if m := at[address]; m != nil {
				return m.Dial()
			}
			return nil, syscall.ECONNREFUSED
		}
		s.rig = newRig(w, addresses, func(c *Config) { c.Fanout = true })
		test(t, s)
	})
}

// handler is what m answers clients with.
func handler(t *testing.T, m *apitest.Member) http.Handler {
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
		Keyspace: m.Replica, Cluster: m.Replica, Progress: m.Replica, Stats: m.Stats(), Auth: a,
		Logger: slog.New(slog.DiscardHandler), Version: "0.1.0", RequestTimeout: -1,
	})
}

func (s *sharing) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("wait") != "" {
			s.mu.Lock()
			s.watches++
			s.mu.Unlock()
		}
		h.ServeHTTP(w, r)
	})
}

// reached is how many watches came to the members since it was last asked.
func (s *sharing) reached() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, s.watches = s.watches, 0
	return n
}

// watchers are those that the first member has.
func (s *sharing) watchers() int {
	var figures struct{ Watchers int }
	text := s.get(true, "/v2/stats/store")
	_, text, _ = strings.Cut(text, `"{`)
	text, _, _ = strings.Cut(text, `}"`)
	if err := json.Unmarshal([]byte("{"+strings.ReplaceAll(text, `\`, "")+"}"), &figures); err != nil {
		s.t.Error(err)
	}
	return figures.Watchers
}

// put sets a key by way of the proxy and returns its index.
func (s *sharing) put(key, value string) (index uint64) {
	s.t.Helper()
	a := s.do("PUT", "/v2/keys"+key+"?value="+value, "")
	if a.status != 200 && a.status != 201 {
		s.t.Fatalf("PUT %s: %d %s", key, a.status, a.body)
	}
	return indexIn(s.t, a.body)
}

func indexIn(t *testing.T, line string) uint64 {
	t.Helper()
	var e struct {
		Node struct{ ModifiedIndex uint64 }
	}
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Errorf("%q: %v", line, err)
	}
	return e.Node.ModifiedIndex
}

// get sends one GET to the first member, or to the proxy, and gives the answer
// as text, with all that may differ between two moments left out. One that
// goes on is read for a second.
func (s *sharing) get(direct bool, target string, headers ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
	defer cancel()
	client, base := s.client, "http://proxy:80"
	if direct {
		client, base = s.members.Client(), s.members.Members[0].ClientURL
		defer client.CloseIdleConnections()
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, base+target, nil)
	if err != nil {
		return err.Error()
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	a, err := client.Do(q)
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	h := maps.Clone(a.Header)
	delete(h, "Date")
	return fmt.Sprintf("%d %v %q %v %v", a.StatusCode, h, body, err != nil, a.TransferEncoding)
}
