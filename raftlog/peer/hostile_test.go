package peer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog/member"
)

// connect makes a connection that a stranger would.
func (n *node) connect(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", n.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

// ask sends a request with headers, given in pairs, and returns the answer.
func (n *node) ask(t testing.TB, method, path string, headers ...string) (net.Conn, *http.Response, string) {
	t.Helper()
	conn := n.connect(t)
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\n", method, path)
	for i := 0; i < len(headers); i += 2 {
		fmt.Fprintf(conn, "%s: %s\r\n", headers[i], headers[i+1])
	}
	_, _ = io.WriteString(conn, "\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	var text []byte
	if answer.StatusCode != http.StatusSwitchingProtocols {
		text, _ = io.ReadAll(answer.Body)
	}
	return conn, answer, strings.TrimSpace(string(text))
}

// greeting are the headers that open a stream from one member to another.
func greeting(from, to member.ID) []string {
	return []string{"Connection", "Upgrade", "Upgrade", "keytree-raft", "X-Etcd-Cluster-Id", testCluster.String(),
		"X-Keytree-From", from.String(), "X-Keytree-To", to.String(), "X-Keytree-Version", "0.1.0", "X-Keytree-Protocol", "1"}
}

func with(headers []string, name, value string) []string {
	headers = append([]string(nil), headers...)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == name {
			headers[i+1] = value
			return headers
		}
	}
	panic("no header " + name)
}

// stranger is a member that others only know of: the test plays it.
const stranger = member.ID(0x5)

// startLone starts a member that knows a stranger, who answers at no URL.
func startLone(t testing.TB) *node {
	t.Helper()
	a := startNode(t, 0xa, listen(t), Config{})
	a.SetMembers([]member.Member{a.member(), {ID: stranger, PeerURLs: []string{"http://127.0.0.1:1"}}}, []member.ID{0x6})
	return a
}

func TestCallersThatDoNotBelongHereAreTurnedAway(t *testing.T) {
	a := startLone(t)
	good := greeting(stranger, a.id)
	tests := []struct {
		name, method, path string
		headers            []string
		status             int
		text, logged       string
	}{
		{"a foreign cluster", "GET", "/raft/stream", with(good, "X-Etcd-Cluster-Id", "beef"), 412, "cluster ID mismatch", "request cluster ID mismatch (got beef want c1)"},
		{"no cluster", "GET", "/raft/stream", nil, 400, "the request does not name its cluster", "request to the peer port ignored: it does not name its cluster"},
		{"a removed member", "GET", "/raft/stream", with(good, "X-Keytree-From", "6"), 410, "the member has been permanently removed from the cluster", "request of removed member 6 ignored"},
		{"an unknown member", "GET", "/raft/stream", with(good, "X-Keytree-From", "7"), 404, "the member is not known here", "request of unknown member 7 ignored"},
		{"no member", "GET", "/raft/stream", with(good, "X-Keytree-From", "zz"), 400, "the request does not name its sender", "request to the peer port ignored: it does not name its sender"},
		{"this member itself", "GET", "/raft/stream", with(good, "X-Keytree-From", "a"), 404, "the member is not known here", ""},
		{"meant for another", "GET", "/raft/stream", with(good, "X-Keytree-To", "b"), 421, "member ID mismatch (want a)", "streaming request ignored (ID mismatch got b want a)"},
		{"another protocol", "GET", "/raft/stream", with(good, "X-Keytree-Protocol", "2"), 505, "the peer protocol here is 1", `it speaks protocol \"2\", not 1`},
		{"no upgrade", "GET", "/raft/stream", with(good, "Upgrade", "websocket"), 426, "a stream must be upgraded to keytree-raft", ""},
		{"another method", "PUT", "/raft/stream", good, 405, "Method Not Allowed", ""},
		{"a foreign snapshot", "POST", "/raft/snapshot", with(good, "X-Etcd-Cluster-Id", "beef"), 412, "cluster ID mismatch", ""},
		{"etcd", "POST", "/raft", with(good, "X-Etcd-Cluster-Id", "beef"), 412, "cluster ID mismatch", ""},
		{"etcd of the same cluster", "POST", "/raft", good, 505, "this member speaks keytree's peer protocol only", ""},
		{"a reader of the specification", "GET", "/raft", nil, 405, "Method Not Allowed", ""},
		{"somebody lost", "GET", "/raft/else", nil, 404, "404 page not found", ""},
	}
	for _, tt := range tests {
		_, answer, text := a.ask(t, tt.method, tt.path, tt.headers...)
		if answer.StatusCode != tt.status || text != tt.text {
			t.Errorf("%s: got %d %q, want %d %q", tt.name, answer.StatusCode, text, tt.status, tt.text)
		}
		if got := answer.Header.Get("X-Etcd-Cluster-Id"); got != "c1" && tt.headers != nil && tt.status != 405 {
			t.Errorf("%s: cluster %q", tt.name, got)
		}
		if tt.logged != "" && a.log.count(tt.logged) != 1 {
			t.Errorf("%s: %q is not logged once:\n%s", tt.name, tt.logged, a.log)
		}
	}
	if _, answer, _ := a.ask(t, "GET", "/raft"); answer.Header.Get("Allow") != "POST" {
		t.Errorf("Allow: %q", answer.Header.Get("Allow"))
	}
}

func TestAForeignClusterIsLoggedOnceOnBothSides(t *testing.T) {
	a := startNode(t, 0xa, listen(t), Config{Tick: 10 * time.Millisecond})
	b := &node{id: 0xb, listener: listen(t), receiver: newRecorder(), log: &logbook{}}
	b.url = "http://" + b.listener.Addr().String()
	b.Transport = New(Config{Tick: 10 * time.Millisecond, Logger: newLogger(b.log)})
	b.start(t, Attachment{Cluster: 0xbeef, Member: b.id, Receiver: b.receiver})
	introduce(a, b)
	a.receiver.await(t, "some attempts", func() bool {
		a.Send([]*raftpb.Message{heartbeat(a.id, b.id)})
		return a.receiver.unreachable[b.id] >= 3
	})
	b.receiver.await(t, "an attempt of the other", func() bool {
		b.Send([]*raftpb.Message{heartbeat(b.id, a.id)})
		return b.receiver.unreachable[a.id] >= 1
	})
	for _, tt := range []struct {
		log  *logbook
		line string
	}{
		{a.log, "request cluster ID mismatch (got beef want c1)"},
		{b.log, "request cluster ID mismatch (got c1 want beef)"},
		{a.log, "request sent was ignored (cluster ID mismatch: peer[b]=beef, local=c1)"},
		{b.log, "request sent was ignored (cluster ID mismatch: peer[a]=c1, local=beef)"},
	} {
		if n := tt.log.count(tt.line); n != 1 {
			t.Errorf("%q is logged %d times", tt.line, n)
		}
	}
	if a.Connected(b.id) != (time.Time{}) || len(b.receiver.messages) > 0 {
		t.Error("the clusters talk")
	}
}

// A web server at a peer's old address must not have this member believe that
// it was removed.
func TestOnlyThePeerItselfSaysThatAMemberWasRemoved(t *testing.T) {
	for _, from := range []string{"", "c", "b"} {
		l := listen(t)
		answered := make(chan struct{}, 100)
		other := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if from != "" {
				w.Header().Set("X-Etcd-Cluster-Id", testCluster.String())
				w.Header().Set("X-Keytree-From", from)
			}
			w.WriteHeader(http.StatusGone)
			select {
			case answered <- struct{}{}:
			default:
			}
		})}
		go func() { _ = other.Serve(l) }()
		a := startNode(t, 0xa, listen(t), Config{})
		a.SetMembers([]member.Member{a.member(), {ID: 0xb, PeerURLs: []string{"http://" + l.Addr().String()}}}, nil)
		<-answered
		<-answered
		removed := get(a.receiver, func() int { return a.receiver.removed })
		if want := map[bool]int{from == "b": 1}[true]; removed != want {
			t.Errorf("told %d times that it was removed, by %q", removed, from)
		}
		a.stop()
		_ = other.Close()
	}
}

func TestJunkInAStreamEndsIt(t *testing.T) {
	a := startLone(t)
	frame := func(m *raftpb.Message) []byte {
		b, err := appendFrame(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := frame(heartbeat(stranger, a.id))
	bomb := make([]byte, frameHeader, 1<<20)
	for range 2 * maxEntries {
		bomb = append(bomb, fieldEntries<<3|2, 0)
	}
	binary.BigEndian.PutUint32(bomb, uint32(len(bomb)-frameHeader))
	for name, junk := range map[string][]byte{
		"a length without end":       {0xff, 0xff, 0xff, 0xff, 1, 2, 3},
		"a length just too large":    binary.BigEndian.AppendUint32(nil, maxFrame+1),
		"what is no message":         {0, 0, 0, 3, 0xff, 0xff, 0xff},
		"a message of somebody else": frame(heartbeat(0x7, a.id)),
		"a message for another":      frame(heartbeat(stranger, 0x8)),
		"a message from nobody":      {0, 0, 0, 2, 8, 8},
		"more entries than bytes":    bomb,
	} {
		before := get(a.receiver, func() int { return len(a.receiver.messages) })
		conn, answer, _ := a.ask(t, "GET", "/raft/stream", greeting(stranger, a.id)...)
		if answer.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%s: status %d", name, answer.StatusCode)
		}
		_, _ = conn.Write(append(append([]byte{}, good...), junk...))
		_, _ = conn.Write(good) // it may be closed by now
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: the stream stays open", name)
		}
		if after := get(a.receiver, func() int { return len(a.receiver.messages) }); after != before+1 {
			t.Errorf("%s: %d messages came, not 1", name, after-before)
		}
	}
}

func TestWhatTakesNoBytesTakesNoMemory(t *testing.T) {
	a := startLone(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conn, _, _ := a.ask(t, "GET", "/raft/stream", greeting(stranger, a.id)...)
	_, _ = conn.Write(binary.BigEndian.AppendUint32(nil, maxFrame)) // announced, and then little
	_, _ = conn.Write(make([]byte, 1000))
	time.Sleep(20 * time.Millisecond)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("%d bytes were allocated", grown)
	}
}

func TestJunkOnThePortIsSurvived(t *testing.T) {
	a, b := startPair(t, Config{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		conn := a.connect(t)
		junk := make([]byte, r.IntN(3000))
		for i := range junk {
			junk[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			junk = append([]byte("GET /raft/stream HTTP/1.1\r\nUpgrade: keytree-raft\r\n"), junk...)
		}
		_, _ = conn.Write(junk)
		_ = conn.Close()
	}
	slow := a.connect(t) // never ends its request
	_, _ = io.WriteString(slow, "GET /raft/stream HTTP/1.1\r\nX: ")
	if n, err := io.Copy(io.Discard, slow); n > 200 || err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("a request without end: %d bytes, %v", n, err)
	}
	b.Send([]*raftpb.Message{heartbeat(b.id, a.id)})
	a.receiver.await(t, "a message", func() bool { return len(a.receiver.messages) == 1 })
}

func TestStrangersAreForgottenInTime(t *testing.T) {
	s := newSources()
	first := source{"a", "x"}
	if !s.isNew(first) || s.isNew(first) {
		t.Error("the first is not told once")
	}
	for i := range maxSources {
		s.isNew(source{fmt.Sprint(i), "x"})
	}
	if len(s.mu.known) != maxSources || len(s.mu.order) != maxSources || !s.isNew(first) {
		t.Errorf("%d are remembered", len(s.mu.known))
	}
}

// A server that answers a caller with junk is as good as none.
func TestJunkInAnswersIsSurvived(t *testing.T) {
	for _, junk := range []string{
		"\x00\xff\xfe", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 101 X\r\nX-Etcd-Cluster-Id: c1\r\nX-Keytree-From: c\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + strings.Repeat("x", 100_000), "HTTP/1.1 412 X\r\nX-Etcd-Cluster-Id: \x1b\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 100_000),
	} {
		l := listen(t)
		calls := make(chan struct{}, 100)
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, junk)
				_ = conn.Close()
				calls <- struct{}{}
			}
		}()
		a := startNode(t, 0xa, listen(t), Config{})
		a.SetMembers([]member.Member{a.member(), {ID: 0xb, PeerURLs: []string{"http://" + l.Addr().String()}}}, nil)
		<-calls
		<-calls
		a.stop()
		_ = l.Close()
		if bytes.ContainsAny([]byte(a.log.String()), "\x00\x1b") || a.log.count("active") > 0 {
			t.Errorf("logged:\n%s", a.log)
		}
	}
}
