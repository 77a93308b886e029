package proxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAnIndexThatTheHistoryHasLostIsRefusedByTheMember(t *testing.T) {
	inSharing(t, 1, func(t *testing.T, s *sharing) {
		for range 1100 {
			s.put("/a", "1")
		}
		for range 2 {
			if a := s.do("GET", "/v2/keys/a?wait=true&waitIndex=5", ""); a.status != 400 || !strings.Contains(a.body, `"errorCode":401`) {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}
	})
}

// reader follows a key through the proxy, by a stream or by polls, and goes on
// where it was when it is cut off.
func (s *sharing) reader(ctx context.Context, stream bool, since uint64) (seen []uint64, cuts int) {
	for ctx.Err() == nil {
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://proxy:80/v2/keys/d?wait=true&recursive=true&stream=%t&waitIndex=%d", stream, since), nil)
		if err != nil {
			s.t.Error(err)
			return seen, cuts
		}
		a, err := s.client.Do(q)
		if err != nil || a.StatusCode != http.StatusOK {
			if err == nil {
				_ = a.Body.Close()
			}
			cuts++
			time.Sleep(10 * time.Millisecond)
			continue
		}
		lines := bufio.NewReader(a.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				if err != io.EOF {
					cuts++
				}
				break
			}
			since = indexIn(s.t, line) + 1
			seen = append(seen, since-1)
		}
		_ = a.Body.Close()
	}
	return seen, cuts
}

func TestNoEventIsLostOrDoubledWhenMembersComeAndGo(t *testing.T) {
	inSharing(t, 3, func(t *testing.T, s *sharing) {
		var want []uint64
		start := s.put("/d/start", "1") + 1
		ctx, stop := context.WithCancel(t.Context())
		var readers sync.WaitGroup
		seen, cuts := make([][]uint64, 40), make([]int, 40)
		for i := range seen {
			readers.Go(func() { seen[i], cuts[i] = s.reader(ctx, i%2 == 0, start) })
		}
		for i := range 60 {
			want = append(want, s.put("/d/k", fmt.Sprint(i)))
			m := s.members.Members[i/10%3]
			switch i % 10 {
			case 3:
				m.Kill()
				s.members.Leader()
			case 6:
				m.Start()
				m.AwaitReady()
			}
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		stop()
		readers.Wait()
		for i := range seen {
			if fmt.Sprint(seen[i]) != fmt.Sprint(want) {
				t.Errorf("reader %d saw\n%v, want\n%v", i, seen[i], want)
			}
			if i%2 == 0 && cuts[i] > 1 { // the last one is our own
				t.Errorf("stream %d was cut %d times", i, cuts[i]-1)
			}
		}
	})
}

func TestASlowClientLosesItsStreamAndNobodyElseDoes(t *testing.T) {
	inSharing(t, 1, func(t *testing.T, s *sharing) {
		open := func() *http.Response {
			q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://proxy:80/v2/keys/a?wait=true&stream=true", nil)
			if err != nil {
				t.Fatal(err)
			}
			a, err := s.client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		quick, slow := open(), open()
		defer quick.Body.Close()
		defer slow.Body.Close()
		lines := bufio.NewReader(quick.Body)
		value := strings.Repeat("v", 30_000) // twice in an event, from the second on
		for range 50 {
			index := s.do("PUT", "/v2/keys/a", "value="+value, "Content-Type", "application/x-www-form-urlencoded")
			line, err := lines.ReadString('\n')
			if err != nil || indexIn(t, line) != indexIn(t, index.body) {
				t.Fatalf("the quick one got %v: %v", indexIn(t, line), err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		rest, err := io.ReadAll(slow.Body)
		if n := strings.Count(string(rest), "\n"); err != nil || n == 0 || n == 50 {
			t.Errorf("the slow one got %d events, %v", n, err)
		}
		for _, w := range s.proxy.fanout.all() {
			if w.size > 2*maxRemembered/64 {
				t.Errorf("the proxy remembers %d bytes", w.size)
			}
		}
	})
}

// told is a member whose streams say what the test wants, once.
func (w *world) told(address string, index *atomic.Int64, streams ...string) *fake {
	return w.member(address, func(rw http.ResponseWriter, q *http.Request) {
		rw.Header().Set("X-Etcd-Index", fmt.Sprint(index.Load()))
		switch q.URL.Path {
		case "/version":
			_, _ = io.WriteString(rw, `{"keytree":"0.1.0"}`)
		case "/v2/auth/enable":
			_, _ = io.WriteString(rw, `{"enabled":false}`)
		default:
			if len(streams) == 0 {
				_ = http.NewResponseController(rw).Flush() // a dead connection shows later
				<-q.Context().Done()
				return
			}
			_ = http.NewResponseController(rw).Flush() // as above
			time.Sleep(100 * time.Millisecond)
			_, _ = io.WriteString(rw, streams[0])
			streams = streams[1:]
		}
	})
}

func happened(index int, key string) string {
	return fmt.Sprintf(`{"action":"set","node":{"key":%q,"value":"v","modifiedIndex":%d,"createdIndex":%d}}`+"\n", key, index, index)
}

// A member goes on from the event that was read last, however far the cluster
// has come, and what it tells beyond that is left out.
func TestASharedWatchGoesOnWhereItWasCut(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var index atomic.Int64
		index.Store(7)
		m := w.told("a:79", &index,
			happened(9, "/d/a")+happened(12, "/d/b")+happened(13, "/d/cut")[:20],
			"", // the history was yet to be sent
			happened(12, "/d/b")+happened(20, "/d/_hidden")+happened(21, "/d/x/_y/z")+happened(22, "/d/c")+happened(60, "/d/_shown"),
			"no event\n")
		r := newRig(w, []string{"a:79"}, func(c *Config) { c.Fanout = true })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://proxy:80/v2/keys/d?wait=true&recursive=true&stream=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.client.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		index.Store(50)
		got, err := io.ReadAll(a.Body)
		if want := happened(9, "/d/a") + happened(12, "/d/b") + happened(22, "/d/c") + happened(60, "/d/_shown"); string(got) != want || ctx.Err() == nil {
			t.Errorf("got\n%s%v, want\n%s", got, err, want)
		}
		var asked []string
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, line := range m.seen {
			if strings.Contains(line, "/v2/keys") {
				asked = append(asked, line)
			}
		}
		const path = "GET /v2/keys/d?recursive=true&stream=true&wait=true"
		want := []string{path, path + "&waitIndex=13", path + "&waitIndex=13", path + "&waitIndex=61", path + "&waitIndex=61"}
		if !slices.Equal(asked, want) {
			t.Errorf("it was asked\n%q, want\n%q", asked, want)
		}
	})
}
