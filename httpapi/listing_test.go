package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"keytree/store"
)

// plant makes a tree of n keys of the given size, some hidden, some deep.
func (b *bench) plant(n, size int) {
	b.t.Helper()
	for i := range n {
		name := fmt.Sprintf("/t/%02d/%04d", i%7, i)
		switch {
		case i%11 == 0:
			name = fmt.Sprintf("/t/%02d/_hidden%d/x", i%7, i)
		case i%13 == 0:
			name = fmt.Sprintf("/t/%02d/deep/er/%d", i%7, i)
		}
		c := store.Command{Op: store.Set, Path: store.ParsePath(store.Keys, name), Value: strings.Repeat("é<", size/4), Expires: i%17 == 0, TTL: 1e12}
		if _, err := b.cluster.Do(b.t.Context(), c); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, dir := range []string{"/t/empty", "/t/empty2/_only/hidden"} {
		if _, err := b.cluster.Do(b.t.Context(), store.Command{Op: store.Set, Path: store.ParsePath(store.Keys, dir), Dir: true}); err != nil {
			b.t.Fatal(err)
		}
	}
}

// tree renders a listing the simple way: all of it in memory, by encoding/json.
type treeNode struct {
	Key        string      `json:"key,omitempty"`
	Value      *string     `json:"value,omitempty"`
	Dir        bool        `json:"dir,omitempty"`
	Expiration string      `json:"expiration,omitempty"`
	TTL        int64       `json:"ttl,omitempty"`
	Nodes      []*treeNode `json:"nodes,omitempty"`
	Modified   uint64      `json:"modifiedIndex,omitempty"`
	Created    uint64      `json:"createdIndex,omitempty"`
}

func (b *bench) simple(p store.Path, recursive bool) string {
	b.t.Helper()
	l, err := b.cluster.List(p, recursive)
	if err != nil {
		b.t.Fatal(err)
	}
	defer l.Close()
	top := &treeNode{}
	open := []*treeNode{top}
	for l.Next() {
		i := l.Item()
		if i.Kind == store.Leave {
			open = open[:len(open)-1]
			continue
		}
		n := &treeNode{Dir: i.Dir, Modified: uint64(i.Modified), Created: uint64(i.Created)}
		if name := string(i.Path); name != "/" {
			n.Key = name
		}
		if !i.Dir {
			value := string(i.Value)
			n.Value = &value
		}
		if i.Expiry != store.Never {
			n.Expiration, n.TTL = i.Expiry.Time().Format("2006-01-02T15:04:05.999999999Z07:00"), i.Expiry.TTL(b.cluster.Now())
		}
		above := open[len(open)-1]
		above.Nodes = append(above.Nodes, n)
		if i.Dir {
			open = append(open, n)
		}
	}
	text, err := json.Marshal(top.Nodes[0])
	if err != nil {
		b.t.Fatal(err)
	}
	return `{"action":"get","node":` + string(text) + "}\n"
}

// However large a listing is, its bytes are those of one rendered in memory.
func TestAListingIsTheSameInPieces(t *testing.T) {
	for _, size := range []int{0, 40, 4000, 400_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			told(t, func(t *testing.T, b *bench) {
				b.plant(max(3, min(2000, 4_000_000/(size+1))), size)
				for _, target := range []string{"/t", "/", "/t/00", "/t/empty", "/t/empty2", "/t/00/_hidden0"} {
					for _, recursive := range []bool{false, true} {
						want := b.simple(store.ParsePath(store.Keys, target), recursive)
						if got := b.get(fmt.Sprintf("/v2/keys%s?recursive=%t", target, recursive)); got.body != want {
							t.Errorf("%s, recursive %t: got %d bytes, want %d\n%s\n%s",
								target, recursive, len(got.body), len(want), clip(got.body), clip(want))
						}
					}
				}
			})
		})
	}
}

// pieces records how an answer was cut.
type pieces struct {
	sink
	sizes []int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.sizes = append(p.sizes, len(b))
	return len(b), nil
}

// A listing goes out in pieces of bounded size, and a small one in one.
func TestAListingIsSentInBoundedPieces(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.plant(2000, 1000)
		a := New(Config{Keyspace: b.cluster, Cluster: b.cluster, Progress: b.cluster})
		list := func(target string) []int {
			w := &pieces{sink: *newSink()}
			r, err := http.NewRequest("GET", target, nil)
			if err != nil {
				t.Fatal(err)
			}
			a.ServeHTTP(w, r)
			return w.sizes
		}
		large := list("/v2/keys/t?recursive=true")
		for i, n := range large {
			if n > pieceBytes || n < pieceBytes && i < len(large)-1 {
				t.Errorf("piece %d of %d has %d bytes", i, len(large), n)
			}
		}
		if len(large) < 10 {
			t.Errorf("%d pieces", len(large))
		}
		if small := list("/v2/keys/t"); len(small) != 1 {
			t.Errorf("a small listing went out in %v", small)
		}
	})
}

// Whoever waits for the processor gets it while a long listing is sent.
func TestAListingYields(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.plant(2000, 1000)
		a := New(Config{Keyspace: b.cluster, Cluster: b.cluster, Progress: b.cluster}).(*API)
		yields := 0
		a.yield = func() { yields++ }
		w := &pieces{sink: *newSink()}
		r, err := http.NewRequest("GET", "/v2/keys/t?recursive=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		a.ServeHTTP(w, r)
		if want := (len(w.sizes) - 1) * pieceBytes / yieldBytes; yields != want || want < 2 {
			t.Errorf("%d pieces went out with %d yields, want %d", len(w.sizes), yields, want)
		}
	})
}

// A listing shows one moment, whatever happens while it is sent.
func TestAListingShowsOneMoment(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.plant(2000, 1000)
		want := b.get("/v2/keys/t?recursive=true").body
		c := b.dial()
		defer c.Close()
		c.send("GET", "/v2/keys/t?recursive=true", "")
		a, body := c.head("GET")
		var got strings.Builder
		buf := make([]byte, 50_000)
		for i := 0; ; i++ {
			n, err := body.Read(buf)
			got.Write(buf[:n])
			if err != nil {
				break
			}
			b.put(fmt.Sprintf("/v2/keys/t/06/%04d", 2000-i), "value=changed")
		}
		if got.String() != want {
			t.Errorf("got %d bytes, want %d", got.Len(), len(want))
		}
		if now := b.get("/v2/keys").headers.Get("X-Etcd-Index"); now == a.headers.Get("X-Etcd-Index") {
			t.Error("nothing happened meanwhile")
		}
	})
}

// stalled is a client that takes some pieces of an answer, and of the next
// says so to reached and is gone once leave is closed.
type stalled struct {
	sink
	takes   int
	reached chan<- struct{}
	leave   <-chan struct{}
}

func (s *stalled) Write(b []byte) (int, error) {
	if s.takes--; s.takes >= 0 {
		return len(b), nil
	}
	s.reached <- struct{}{}
	<-s.leave
	return 0, io.ErrClosedPipe
}

// However many clients do not take their long listings, they keep nobody else
// from theirs.
func TestALongListingWaitsForNoClient(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		b.plant(2000, 2000)
		a := New(Config{Keyspace: b.cluster, Cluster: b.cluster, Progress: b.cluster}).(*API)
		list := func(w http.ResponseWriter) {
			r, err := http.NewRequest("GET", "/v2/keys/t?recursive=true", nil)
			if err != nil {
				t.Error(err)
				return
			}
			a.ServeHTTP(w, r)
		}
		const clients = 20
		reached, leave := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				defer func() {
					if e := recover(); e != http.ErrAbortHandler {
						t.Errorf("a client that left: %v", e)
					}
				}()
				list(&stalled{sink: *newSink(), takes: longListing/pieceBytes - 2 + i%5, reached: reached, leave: leave})
			})
		}
		for range clients {
			<-reached
		}
		whole := &pieces{sink: *newSink()}
		list(whole)
		if len(whole.sizes) <= longListing/pieceBytes+5 {
			t.Errorf("%d pieces are no long listing", len(whole.sizes))
		}
		close(leave)
		wg.Wait()
		if len(a.turns) != 0 {
			t.Errorf("%d turns were not given back", len(a.turns))
		}
	})
}
