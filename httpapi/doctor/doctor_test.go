package doctor

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
)

// mustFind looks for a finding of a state whose text, or what mends it, has
// all the words.
func mustFind(t *testing.T, all []Finding, s State, words ...string) {
	t.Helper()
	for _, f := range all {
		if f.State == s && hasAll(f.String(), words) {
			return
		}
	}
	t.Errorf("nothing is %s with %q:\n%s", s, words, shown(all))
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// mustBeFine refuses warnings and faults.
func mustBeFine(t *testing.T, all []Finding) {
	t.Helper()
	if len(all) == 0 {
		t.Error("nothing was found")
	}
	for _, f := range all {
		if f.State == Wrong || f.State == Warning {
			t.Errorf("not fine: %s", f)
		}
	}
}

func shown(all []Finding) string {
	var b strings.Builder
	for _, f := range all {
		b.WriteString(f.String())
	}
	return b.String()
}

// examOf is an examination on a machine of its own: names and addresses are
// made up.
func examOf(s Subject) *exam {
	s.local = []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1")}
	names := map[string]string{"here": "192.0.2.1", "there": "192.0.2.7", "localhost": "127.0.0.1"}
	s.lookUp = func(_ context.Context, host string) ([]netip.Addr, error) {
		if a, ok := names[host]; ok {
			return []netip.Addr{netip.MustParseAddr(a)}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	e := &exam{Subject: s.withDefaults()}
	e.readCluster()
	return e
}

func TestAFindingIsOneLineAndOneForEachRemedy(t *testing.T) {
	f := Finding{"ports", Unchecked, "two\nlines", []string{"a b", "c"}}
	if got, want := f.String(), "not checked  ports: two lines\n             -> a b\n             -> c\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWordsAreQuotedForAShell(t *testing.T) {
	for word, want := range map[string]string{"": "''", "/var/lib/k-1": "/var/lib/k-1", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "http://[::1]:2": "'http://[::1]:2'"} {
		if got := quoted(word); got != want {
			t.Errorf("%q is quoted as %s, want %s", word, got, want)
		}
	}
}

func TestFindingsComeInOrderHoweverLongEachTakes(t *testing.T) {
	slow := make(chan struct{})
	e := &exam{}
	var got []string
	e.runStage(t.Context(), []step{
		func(context.Context) []Finding { <-slow; return []Finding{{Text: "first"}} },
		func(context.Context) []Finding { close(slow); return []Finding{{Text: "second"}, {Text: "third"}} },
	}, func(f Finding) { got = append(got, f.Text) })
	if strings.Join(got, " ") != "first second third" {
		t.Errorf("got %v", got)
	}
}

// memoryNet is a network in memory: for bubbles.
type memoryNet struct {
	mu        sync.Mutex
	listeners map[string]chan net.Conn
}

func newMemoryNet() *memoryNet { return &memoryNet{listeners: map[string]chan net.Conn{}} }

func (n *memoryNet) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l, there := n.listeners[address]
	n.mu.Unlock()
	if !there {
		<-ctx.Done() // as behind a firewall
		return nil, ctx.Err()
	}
	near, far := net.Pipe()
	select {
	case l <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve has h answer at an address until the test ends.
func (n *memoryNet) serve(t *testing.T, address string, h http.Handler) {
	t.Helper()
	l := &memoryListener{make(chan net.Conn), make(chan struct{}), sync.Once{}}
	n.mu.Lock()
	n.listeners[address] = l.conns
	n.mu.Unlock()
	server := &http.Server{Handler: h}
	var done sync.WaitGroup
	done.Go(func() { _ = server.Serve(l) }) // it ends with an error by design
	t.Cleanup(func() { _ = server.Close(); done.Wait() })
}

type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, errors.New("closed")
	}
}
func (l *memoryListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{} }
