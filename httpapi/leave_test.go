package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ways are those in which a client can leave.
var ways = map[string]func(net.Conn) error{
	"close": net.Conn.Close,
	"half":  func(c net.Conn) error { return c.(*net.TCPConn).CloseWrite() },
	"reset": func(c net.Conn) error { _ = c.(*net.TCPConn).SetLinger(0); return c.Close() }, // Close tells
}

// Watchers are gone soon after their clients, on sockets too, whether they
// leave before or after the first event.
func TestClientsThatLeaveASocketEndTheirWatches(t *testing.T) {
	onSockets(t, func(t *testing.T, m *lone, addr string) {
		for how, leave := range ways {
			for _, query := range []string{"wait=true", "wait=true&stream=true", "wait=true&recursive=true&waitIndex=9999"} {
				var all []net.Conn
				for i := range 20 {
					c := mustDial(t, addr)
					defer c.Close()
					if i%4 == 0 { // some have asked before
						mustAsk(t, c, "GET /v2/keys/none HTTP/1.1\r\nHost: x\r\n\r\n", http.StatusNotFound)
					}
					mustBegin(t, c, "GET /v2/keys/w?"+query+" HTTP/1.1\r\nHost: x\r\n\r\n")
					all = append(all, c)
				}
				awaitWatchers(t, m, 20)
				for _, c := range all {
					if err := leave(c); err != nil {
						t.Errorf("%s: %v", how, err)
					}
				}
				awaitWatchers(t, m, 0)
			}
		}
	})
}

// A client that has ended its side gets the answer to what it asked, also to a
// change.
func TestAHalfClosedClientIsAnswered(t *testing.T) {
	onSockets(t, func(t *testing.T, m *lone, addr string) {
		if strings.HasSuffix(t.Name(), "/std") {
			t.Skip("net/http takes it for gone")
		}
		for i := range 50 {
			c := mustDial(t, addr)
			body := fmt.Sprint("value=", i)
			mustWrite(t, c, fmt.Sprintf("PUT /v2/keys/h HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: %d\r\n\r\n%s", formType, len(body), body)+
				"GET /v2/keys/h HTTP/1.1\r\nHost: x\r\n\r\n")
			if err := ways["half"](c); err != nil {
				t.Error(err)
			}
			text, err := io.ReadAll(c)
			if n := strings.Count(string(text), fmt.Sprintf(`"value":"%d"`, i)); n != 2 || err != nil {
				t.Fatalf("%v after %q", err, text)
			}
			_ = c.Close() // it was read to the end
		}
	})
}

// Long polls in a row on one connection get an event each, also when the next
// request is there before it.
func TestLongPollsShareAConnection(t *testing.T) {
	onSockets(t, func(t *testing.T, m *lone, addr string) {
		polls, writer := mustDial(t, addr), mustDial(t, addr)
		defer polls.Close()
		defer writer.Close()
		in, out := bufio.NewReader(polls), bufio.NewReader(writer)
		const put = "PUT /v2/keys/p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
		const n = 200
		var ahead strings.Builder
		for i := range n {
			poll := fmt.Sprintf("GET /v2/keys/p?wait=true&waitIndex=%d HTTP/1.1\r\nHost: x\r\n\r\n", 4+i)
			if i < n/2 {
				ahead.WriteString(poll)
				continue
			}
			if i == n/2 {
				mustWrite(t, polls, ahead.String()) // half of them at once
				go func() {
					for range n {
						if _, err := io.WriteString(writer, put); err != nil {
							t.Error(err)
						}
						if r, err := http.ReadResponse(out, nil); err == nil {
							_, _ = io.Copy(io.Discard, r.Body) // the events tell
						}
					}
				}()
			}
			mustWrite(t, polls, poll)
		}
		for i := range n {
			r, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r.Body)
			if want := fmt.Sprintf(`"modifiedIndex":%d,`, 4+i); err != nil || !strings.Contains(string(text), want) {
				t.Fatalf("poll %d: %v, %q has no %s", i, err, text, want)
			}
		}
	})
}

func mustDial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // no test hangs
	return c
}

func mustWrite(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// mustAsk sends a request and reads its answer.
func mustAsk(t *testing.T, c net.Conn, text string, status int) {
	t.Helper()
	mustWrite(t, c, text)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != status {
		t.Fatalf("got %d, %v", r.StatusCode, err)
	}
}

// mustBegin sends a request whose answer goes on, and reads its head.
func mustBegin(t *testing.T, c net.Conn, text string) {
	t.Helper()
	mustWrite(t, c, text)
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r, err)
	}
}

// awaitWatchers fails the test unless there are so many soon.
func awaitWatchers(t *testing.T, m *lone, want int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		got := m.stats().Watchers()
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d watchers, want %d", got, want)
		}
	}
}
