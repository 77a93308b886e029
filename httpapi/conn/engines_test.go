package conn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi"
	"keytree/httpapi/conn"
)

// These tests hold this package to its promise: on the wire it is net/http.
// The same bytes go to both, and everything that can be seen is compared.

// server is either of them.
type server interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// engines are the two, around the server that clients really meet.
var engines = []struct {
	name string
	over func(*http.Server) server
}{
	{"lean", func(s *http.Server) server { return conn.New(s) }},
	{"std", func(s *http.Server) server { return s }},
}

// newStd is a server with the limits that clients really meet.
func newStd(h http.Handler) *http.Server {
	s := httpapi.NewServer(h, slog.New(slog.DiscardHandler))
	s.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

// outcome is all that can be seen of how a server treats one connection.
type outcome struct {
	sent   string   // by the server, with dates masked
	sights []string // what the handler saw, request by request
	ended  time.Duration
}

// patience is for how long a client in memory waits for the server's end of a
// connection: longer than every limit of newStd.
const patience = 20 * time.Minute

var dates = regexp.MustCompile(`(?m)^Date: [^\r\n]*`)

// differs describes how got is not want. When a server closes has to be the
// same to a second, if it is not minutes away: deadlines that are far are
// moved rarely.
func (got outcome) differs(want outcome) string {
	var diff strings.Builder
	if got.sent != want.sent && mask(got.sent) != mask(want.sent) {
		fmt.Fprintf(&diff, "sent\n got %s\nwant %s\n", clip(mask(got.sent)), clip(mask(want.sent)))
	}
	if a, b := strings.Join(got.sights, "\n"), strings.Join(want.sights, "\n"); a != b {
		fmt.Fprintf(&diff, "the handler saw\n got %s\nwant %s\n", clip(a), clip(b))
	}
	near := time.Second
	if want.ended > 5*time.Minute {
		near = 80 * time.Second
	}
	if d := (got.ended - want.ended).Abs(); d > near {
		fmt.Fprintf(&diff, "closed after %v, want %v\n", got.ended, want.ended)
	}
	return diff.String()
}

func mask(s string) string { return dates.ReplaceAllString(s, "Date: -") }

func clip(s string) string {
	if len(s) > 1000 {
		return fmt.Sprintf("%d bytes: %q ... %q", len(s), s[:500], s[len(s)-500:])
	}
	return fmt.Sprintf("%q", s)
}

// witness calls a handler and notes what that is given.
type witness struct {
	handler http.HandlerFunc
	mu      sync.Mutex
	sights  []string
}

func (w *witness) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.note(sight(r))
	w.handler(out, r.WithContext(context.WithValue(r.Context(), witnessKey{}, w)))
}

func (w *witness) note(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sights = append(w.sights, what)
}

func (w *witness) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.sights)
}

type witnessKey struct{}

// note adds to what a handler saw.
func note(r *http.Request, format string, args ...any) {
	r.Context().Value(witnessKey{}).(*witness).note(fmt.Sprintf(format, args...))
}

// sight is all of a request but its body.
func sight(r *http.Request) string {
	var header strings.Builder
	_ = r.Header.Write(&header) // in order
	address := r.RemoteAddr
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host + ":port"
	}
	u := *r.URL
	user := u.User.String()
	u.User = nil
	return fmt.Sprintf("%q %#v %q %q %d header %d %q host %q length %d close %t encoding %q trailer %v proto %q %d.%d uri %q from %q tls %t empty %t local %T",
		r.Method, u, user, u.EscapedPath(), len(r.Header), len(header.String()), header.String(), r.Host, r.ContentLength, r.Close,
		r.TransferEncoding, r.Trailer, r.Proto, r.ProtoMajor, r.ProtoMinor, r.RequestURI, address, r.TLS != nil, r.Body == http.NoBody,
		r.Context().Value(http.LocalAddrContextKey))
}

// pipes is a listener in memory.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// dial connects to p.
func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// step is a part of what a client says, and how long it then waits.
type step struct {
	text string
	wait time.Duration
}

// inMemory is what comes of steps taken one after the other on a connection in
// memory, each when the server has done all it can with those before. It has
// to be called in a bubble.
func inMemory(t *testing.T, over func(*http.Server) server, h http.HandlerFunc, steps ...step) outcome {
	t.Helper()
	w, l := &witness{handler: h}, newPipes()
	s := over(newStd(w))
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) }) // ends with the server
	defer time.Sleep(time.Second)         // net/http sleeps for a while after some of its answers
	defer serving.Wait()
	defer s.Close()
	c, start := l.dial(), time.Now()
	defer c.Close()
	sent := make(chan []byte, 1)
	var ended time.Duration
	_ = c.SetReadDeadline(start.Add(patience)) // a pipe has deadlines
	go func() {
		text, _ := io.ReadAll(c) // how it ends does not matter
		ended = time.Since(start)
		sent <- text
	}()
	for _, s := range steps {
		_ = c.SetWriteDeadline(start.Add(patience)) // as above
		if _, err := io.WriteString(c, s.text); err != nil {
			break // the server has closed: the answers tell
		}
		synctest.Wait()
		time.Sleep(s.wait)
	}
	text := <-sent
	return outcome{sent: string(text), sights: w.all(), ended: ended}
}

// onSocket is what comes of text sent on a socket, followed by the end of the
// client's side.
func onSocket(t *testing.T, network string, over func(*http.Server) server, h http.HandlerFunc, pieces []string) outcome {
	t.Helper()
	w, l := &witness{handler: h}, mustListen(t, network)
	s := over(newStd(w))
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) }) // ends with the server
	defer serving.Wait()
	defer s.Close()
	c := mustDial(t, l)
	defer c.Close()
	sent := make(chan []byte, 1)
	go func() {
		text, err := io.ReadAll(c)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("after %d bytes: %v", len(text), err)
		}
		sent <- text
	}()
	for _, piece := range pieces {
		if _, err := io.WriteString(c, piece); err != nil {
			break // the server has closed: the answers tell
		}
	}
	_ = c.(interface{ CloseWrite() error }).CloseWrite() // as above
	text := <-sent
	return outcome{sent: string(text), sights: w.all()}
}

// mustListen listens where no other test does, if it can: members of a cluster
// go on calling a port that one of them has left, whoever listens there next.
func mustListen(t testing.TB, network string) net.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if runtime.GOOS == "linux" { // others have to be told of the address first
		address = "127.0.0.2:0"
	}
	if network == "unix" {
		dir, err := os.MkdirTemp("", "conn") // short: there is a limit on the names of sockets
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) }) // it is temporary anyway
		address = filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustDial(t testing.TB, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // no test hangs
	return c
}

// wantSame fails the test unless both engines treat pieces alike, in memory.
func wantSame(t *testing.T, h http.HandlerFunc, pieces []string) {
	t.Helper()
	var both [2]outcome
	var steps []step
	for _, p := range pieces {
		steps = append(steps, step{text: p})
	}
	for i, e := range engines {
		synctest.Test(t, func(t *testing.T) { both[i] = inMemory(t, e.over, h, steps...) })
	}
	if diff := both[0].differs(both[1]); diff != "" {
		t.Errorf("%s\nis treated otherwise:\n%s", clip(strings.Join(pieces, "|")), diff)
	}
}

// wantSameOn is wantSame on a socket.
func wantSameOn(t *testing.T, network string, h http.HandlerFunc, pieces []string) {
	t.Helper()
	var both [2]outcome
	for i, e := range engines {
		both[i] = onSocket(t, network, e.over, h, pieces)
	}
	if diff := both[0].differs(both[1]); diff != "" {
		t.Errorf("%s: %s\nis treated otherwise:\n%s", network, clip(strings.Join(pieces, "|")), diff)
	}
}
