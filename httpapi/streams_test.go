package httpapi

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/httpapi/conn"
	"keytree/store"
)

// These tests have streams on real sockets, where a client can be slow: with
// the connection loop that pushes events, and with net/http that does not.

// reader is what reads requests off sockets.
type reader interface {
	Serve(net.Listener) error
	Close() error
}

// onSockets runs test against a lone member that serves on a socket.
func onSockets(t *testing.T, test func(t *testing.T, m *lone, addr string)) {
	for name, over := range map[string]func(*http.Server) reader{
		"lean": func(s *http.Server) reader { return conn.New(s) },
		"std":  func(s *http.Server) reader { return s },
	} {
		t.Run(name, func(t *testing.T) {
			m := openLone(t)
			metrics := prometheus.NewRegistry()
			if err := m.stats().Register(metrics); err != nil {
				t.Fatal(err)
			}
			api := New(Config{Keyspace: m, Cluster: m, Progress: m, Stats: m.stats(), Metrics: metrics, RequestTimeout: -1})
			s := over(NewServer(api, slog.New(slog.DiscardHandler)))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(l) }()
			defer func() {
				m.EndWatches()
				_ = s.Close() // its clients are done
				if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			}()
			test(t, m, l.Addr().String())
		})
	}
}

// openStream asks for all events beneath /d from the first on, and returns
// when the answer has begun.
func openStream(t *testing.T, addr string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /v2/keys/d?wait=true&stream=true&recursive=true HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(answer.Body)
}

// follow reads events to the end of the stream, or the last one, and returns
// their indices.
func follow(t *testing.T, body *bufio.Reader, last int) (got []store.Index) {
	t.Helper()
	for len(got) < last {
		line, err := body.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		}
		_, rest, _ := strings.Cut(line, `"modifiedIndex":`)
		number, _, _ := strings.Cut(rest, ",")
		index, bad := strconv.ParseUint(number, 10, 64)
		if err := errors.Join(err, bad); err != nil {
			t.Errorf("after %d events %.200q: %v", len(got), line, err)
			break
		}
		got = append(got, store.Index(index))
	}
	return got
}

// write puts n keys beneath /d and returns the indices of the events.
func write(t *testing.T, m *lone, n int, value string) (made []store.Index) {
	t.Helper()
	for i := range n {
		key := store.ParsePath(store.Keys, fmt.Sprintf("/d/%d", i%50))
		done, err := m.Do(t.Context(), store.Command{Op: store.Set, Path: key, Value: value})
		if err != nil {
			t.Error(err)
			break
		}
		made = append(made, done.Index)
	}
	return made
}

// slowWatches is how many watches were ended because of their clients.
func slowWatches(t *testing.T, addr string) (n int) {
	t.Helper()
	answer, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	const name = "\nkeytree_watches_slow_total "
	_, rest, found := strings.Cut(string(page), name)
	if _, err := fmt.Sscan(rest, &n); err != nil || !found {
		t.Fatalf("no %s: %v", strings.TrimSpace(name), err)
	}
	return n
}

// All streams get all events, as fast as they can be written; one that cannot
// keep up gets what the history held, in order, and its end, and is counted.
func TestStreamsUnderFullLoadLoseNothing(t *testing.T) {
	const streams, writers, each = 100, 8, 300
	onSockets(t, func(t *testing.T, m *lone, addr string) {
		var readers, puts sync.WaitGroup
		got := make([][]store.Index, streams)
		for i := range streams {
			c, body := openStream(t, addr)
			defer c.Close()
			readers.Go(func() { got[i] = follow(t, body, writers*each) })
		}
		made := make([][]store.Index, writers)
		for i := range writers {
			puts.Go(func() { made[i] = write(t, m, each, "v") })
		}
		puts.Wait()
		readers.Wait()
		want := slices.Concat(made...)
		slices.Sort(want)
		whole := 0
		for i, indices := range got {
			if len(indices) == len(want) {
				whole++
			}
			if !slices.Equal(indices, want[:min(len(indices), len(want))]) {
				t.Errorf("stream %d lacks events or has them in another order", i)
			}
		}
		if slow := slowWatches(t, addr); whole+slow != streams || whole == 0 {
			t.Errorf("%d streams are whole and %d were ended, of %d", whole, slow, streams)
		}
	})
}

// A client that does not read is cut off from the history, not from the
// others: it finds what was kept for it, and the end.
func TestAStreamThatNobodyReadsIsEndedAndCounted(t *testing.T) {
	onSockets(t, func(t *testing.T, m *lone, addr string) {
		slow, late := openStream(t, addr)
		defer slow.Close()
		quick, body := openStream(t, addr)
		defer quick.Close()
		all := make(chan []store.Index, 1)
		go func() { all <- follow(t, body, math.MaxInt) }()
		var want []store.Index
		for slowWatches(t, addr) == 0 && len(want) < 20_000 {
			want = append(want, write(t, m, 100, strings.Repeat("v", 4<<10))...)
		}
		if slow, open := slowWatches(t, addr), m.stats().Watchers(); slow != 1 || open != 1 {
			t.Errorf("%d watches were ended as slow and %d are open", slow, open)
		}
		m.EndWatches()
		if got := <-all; !slices.Equal(got, want) {
			t.Errorf("the one that reads got %d events of %d", len(got), len(want))
		}
		got := follow(t, late, math.MaxInt)
		if n := len(got); n < 1000 || n >= len(want) || !slices.Equal(got, want[:n]) {
			t.Errorf("the one that did not read got %d events of %d, want what the sockets and the history held", n, len(want))
		}
	})
}
