package proxy

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"keytree/raftlog/member"
)

// crowd is three members behind a proxy, on real sockets.
type crowd struct {
	mu      sync.Mutex
	arrived map[string]int // writes, by URI
	members []*httptest.Server
}

func (c *crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		c.mu.Lock()
		c.arrived[r.RequestURI]++
		c.mu.Unlock()
	}
	if r.URL.Query().Get("wait") == "true" {
		_ = http.NewResponseController(w).Flush() // a dead connection shows later
		<-r.Context().Done()
		return
	}
	_, _ = io.WriteString(w, r.RequestURI)
}

// TestMembersThatComeAndGoUnderLoadLoseNoReadAndRepeatNoWrite has many clients
// at work while members are cut off, one after the other.
func TestMembersThatComeAndGoUnderLoadLoseNoReadAndRepeatNoWrite(t *testing.T) {
	c := &crowd{arrived: map[string]int{}}
	var told []member.Member
	for range 3 {
		s := httptest.NewServer(c)
		t.Cleanup(s.Close)
		c.members = append(c.members, s)
		told = append(told, member.Member{PeerURLs: []string{s.URL}, ClientURLs: []string{s.URL}})
	}
	p, err := Open(Config{
		PeerURLs: []string{c.members[0].URL}, Dir: t.TempDir(), RefreshInterval: 10 * time.Millisecond,
		Ask: func(context.Context, string) ([]member.Member, error) { return told, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, p)
	front := httptest.NewServer(p.Handler())
	t.Cleanup(front.Close)

	done := make(chan struct{})
	var clients sync.WaitGroup
	for i := range 8 {
		clients.Go(func() { c.work(t, front.URL, i, done) })
		clients.Go(func() { watchAgain(t, front.URL, done) })
	}
	for i := range 12 {
		time.Sleep(20 * time.Millisecond)
		c.members[i%3].CloseClientConnections()
	}
	if err := c.members[0].Config.Close(); err != nil { // the listener, and what is under way
		t.Error(err)
	}
	time.Sleep(50 * time.Millisecond)
	close(done)
	p.EndWatches()
	clients.Wait()
	for uri, n := range c.arrived {
		if n > 1 {
			t.Errorf("PUT %s arrived %d times", uri, n)
		}
	}
	if len(c.arrived) == 0 {
		t.Error("no write arrived")
	}
}

// work reads and writes until done.
func (c *crowd) work(t *testing.T, front string, client int, done <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
		}
		uri := fmt.Sprintf("/v2/keys/%d/%d", client, n)
		if status, body := send(t, "GET", front+uri); status != 200 || body != uri {
			t.Errorf("GET %s: got %d %q", uri, status, body)
		}
		if status, body := send(t, "PUT", front+uri); status != 200 && body != fmt.Sprintf(silence, 1) {
			t.Errorf("PUT %s: got %d %q", uri, status, body)
		}
	}
}

func send(t *testing.T, method, url string) (int, string) {
	q, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil && method == "PUT" {
		return 200, "" // it arrived; its answer was cut
	}
	if err != nil {
		return a.StatusCode, err.Error()
	}
	return a.StatusCode, string(body)
}

// watchAgain begins a watch whenever the last one ended, until done.
func watchAgain(t *testing.T, front string, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		a, err := http.Get(front + "/v2/keys/x?wait=true")
		if err != nil {
			continue // cut before its header
		}
		if _, err := io.Copy(io.Discard, a.Body); err == nil {
			t.Error("a watch ended as if whole")
		}
		a.Body.Close()
	}
}
