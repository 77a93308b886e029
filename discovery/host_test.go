package discovery

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog/member"
)

// self is the member that joins in most tests.
const self member.ID = 0xabc

// told runs test on a clock of its own.
func told(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// newConfig is what a member called m0 asks the host at l with.
func newConfig(l *pipeListener, log *bytes.Buffer) Config {
	return Config{
		URL:          "http://host:2379/tok",
		Self:         self,
		Registration: "m0=http://m0:2380",
		DataDir:      "m0.etcd",
		Logger:       slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		dial:         l.dial,
	}
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// join joins, unless that takes a day.
func join(t *testing.T, c Config) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour)
	defer cancel()
	return Join(ctx, c)
}

// step is one request a scripted host waits for, and what it then does.
type step struct {
	request string // see shortForm
	status  int    // or one of the two below
	body    string
	index   int // of the host; 0: it does not tell
}

const (
	cut  = -1 // the connection ends without an answer
	hang = -2 // no answer until the client leaves
	late = -3 // a gateway's error after a minute
)

// script makes a host that goes through the steps, and fails the test for any
// other request and for steps that were not asked for.
func script(t *testing.T, steps ...step) *pipeListener {
	t.Helper()
	var mu sync.Mutex
	at := 0
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if at < len(steps) {
			t.Errorf("never asked: %s", steps[at].request)
		}
	})
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		n := at
		at++
		mu.Unlock()
		got := shortForm(r)
		if n >= len(steps) || steps[n].request != got {
			t.Errorf("request %d is %q, out of order", n+1, got)
			panic(http.ErrAbortHandler)
		}
		steps[n].answer(w, r)
	}))
}

func (s step) answer(w http.ResponseWriter, r *http.Request) {
	switch s.status {
	case cut:
		panic(http.ErrAbortHandler)
	case hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case late:
		time.Sleep(time.Minute)
		s.status = http.StatusGatewayTimeout
	}
	w.Header().Set("Connection", "close") // else the transport tries again by itself
	if s.index != 0 {
		w.Header().Set("X-Etcd-Index", fmt.Sprint(s.index))
	}
	w.WriteHeader(s.status)
	_, _ = w.Write([]byte(s.body))
}

// shortForm names the requests of the protocol; others it writes out.
func shortForm(r *http.Request) string {
	const plain = "quorum=false&recursive=false&sorted=false"
	one := "/tok/" + self.String()
	text := fmt.Sprintf("%s %s?%s", r.Method, r.URL.Path, r.URL.RawQuery)
	for long, short := range map[string]string{
		"GET /tok/_config/size?" + plain:  "size",
		"GET /tok?" + plain:               "list",
		"PUT " + one + "?prevExist=false": "register " + r.PostFormValue("value"),
	} {
		if text == long {
			return short
		}
	}
	text = strings.Replace(text, "GET "+one+"?recursive=false&wait=true&waitIndex=", "self ", 1)
	return strings.Replace(text, "GET /tok?recursive=true&wait=true&waitIndex=", "wait ", 1)
}

// What a host says in the usual steps.

func size(value string) step {
	return step{"size", 200, `{"action":"get","node":` + key("_config/size", value, 4) + `}`, 9}
}

func list(index int, keys ...string) step {
	return step{"list", 200, `{"action":"get","node":{"key":"/reg/tok","dir":true,"nodes":[` + strings.Join(keys, ",") + `],"modifiedIndex":4,"createdIndex":4}}`, index}
}

func registers(index int) step {
	return step{"register m0=http://m0:2380", 201, `{"action":"create","node":` + key(self.String(), "m0=http://m0:2380", index) + `}`, index}
}

func seesSelf(index int) step {
	return step{fmt.Sprint("self ", index), 200, `{"action":"create","node":` + key(self.String(), "m0=http://m0:2380", index) + `}`, index}
}

func event(since int, action, node string) step {
	return step{fmt.Sprint("wait ", since), 200, `{"action":"` + action + `","node":` + node + `}`, since - 1}
}

func refuses(request string, status, code int, message string) step {
	return step{request, status, fmt.Sprintf(`{"errorCode":%d,"message":%q,"cause":"/reg/tok","index":9}`, code, message), 9}
}

// key is a key below the token.
func key(name, value string, index int) string {
	return fmt.Sprintf(`{"key":"/reg/tok/%s","value":%q,"modifiedIndex":%d,"createdIndex":%d}`, name, value, index, index)
}

// m is what the member called mN registered.
func m(n, index int) string {
	return key(fmt.Sprintf("%x", n), fmt.Sprintf("m%d=http://m%d:2380", n, n), index)
}

func me(index int) string { return key(self.String(), "m0=http://m0:2380", index) }

// serve runs a server of h that ends with the test.
func serve(t *testing.T, h http.Handler) *pipeListener {
	t.Helper()
	l := &pipeListener{accept: make(chan net.Conn), done: make(chan struct{})}
	s := &http.Server{Handler: h}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return l
}

// pipeListener hands out both ends of in-memory connections.
type pipeListener struct {
	accept chan net.Conn
	done   chan struct{}
	once   sync.Once

	mu      sync.Mutex
	refuse  int      // so many dials fail from now on
	dialled []string // addresses
}

func (l *pipeListener) dial(_ context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dialled = append(l.dialled, address)
	if l.refuse > 0 {
		l.refuse--
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("connect: connection refused")}
	}
	client, server := net.Pipe()
	l.accept <- server
	return client, nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2379} }
