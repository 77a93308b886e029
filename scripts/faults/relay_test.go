package main

import (
	"bufio"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"keytree/scripts/process"
)

// A stage is a relay of member b in front of a server that says
// everything back.
type stage struct {
	network *network
	relay   *relay
}

func newStage(t *testing.T) *stage {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // nothing to lose
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c) // the test reads what comes
				_ = c.Close()        // all is said
			}()
		}
	}()
	var ports process.Ports
	port, err := ports.Take()
	if err != nil {
		t.Fatal(err)
	}
	n := newNetwork()
	n.know("a1", "a")
	r := &relay{name: "b", addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), target: l.Addr().String(), network: n}
	if err := r.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return &stage{n, r}
}

// A dialed is a connection through the relay.
type dialed struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// dial connects and says head.
func (s *stage) dial(t *testing.T, head string) *dialed {
	t.Helper()
	c, err := net.Dial("tcp", s.relay.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // nothing to lose
	d := &dialed{t, c, bufio.NewReader(c)}
	d.say(head)
	return d
}

const fromA = "GET /raft/stream HTTP/1.1\r\nHost: b\r\nX-Keytree-From: a1\r\n\r\n"

func (d *dialed) say(text string) {
	d.t.Helper()
	if _, err := io.WriteString(d, text); err != nil {
		d.t.Fatal(err)
	}
}

// hears waits for text.
func (d *dialed) hears(text string) {
	d.t.Helper()
	_ = d.SetReadDeadline(time.Now().Add(10 * time.Second)) // a closed connection shows below
	got := make([]byte, len(text))
	if _, err := io.ReadFull(d.r, got); err != nil || string(got) != text {
		d.t.Fatalf("got %q, %v, want %q", got, err, text)
	}
}

// hearsNothing waits a little.
func (d *dialed) hearsNothing() {
	d.t.Helper()
	_ = d.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // as above
	if b, err := d.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		d.t.Fatalf("got %q, %v, want nothing", b, err)
	}
}

// breaks waits for a reset.
func (d *dialed) breaks() {
	d.t.Helper()
	_ = d.SetReadDeadline(time.Now().Add(10 * time.Second)) // as above
	if _, err := io.Copy(io.Discard, d.r); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		d.t.Fatalf("got %v, want a reset", err)
	}
}

func TestARelayPassesBytesBothWaysAndTheEnd(t *testing.T) {
	s := newStage(t)
	d := s.dial(t, fromA)
	d.hears(fromA)
	d.say("more")
	d.hears("more")
	if err := d.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(d.r); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v, want the end", rest, err)
	}
}

func TestACutHoldsOneDirectionBackUntilItHeals(t *testing.T) {
	s := newStage(t)
	d := s.dial(t, fromA)
	d.hears(fromA)
	s.network.cut([]route{{"a", "b"}}, cutting{})
	d.say("held")
	d.hearsNothing()
	s.network.heal()
	d.hears("held")
	s.network.cut([]route{{"b", "a"}}, cutting{})
	d.say("echo")
	d.hearsNothing()
	s.network.heal()
	d.hears("echo")
}

func TestACutConcernsOnlyItsRoute(t *testing.T) {
	s := newStage(t)
	s.network.cut(between([]string{"c"}, []string{"b"}), cutting{reset: true, refuse: true})
	d := s.dial(t, fromA)
	d.hears(fromA)
}

func TestACutMayResetAndRefuse(t *testing.T) {
	s := newStage(t)
	d := s.dial(t, fromA)
	d.hears(fromA)
	s.network.cut(between([]string{"a"}, []string{"b"}), cutting{reset: true, refuse: true})
	d.breaks()
	s.dial(t, fromA).breaks()
	s.network.heal()
	s.dial(t, fromA).hears(fromA)
}

func TestAnUnansweredConnectionComesThroughWhenItHeals(t *testing.T) {
	s := newStage(t)
	s.network.cut(around("b", []string{"a"}), cutting{})
	known, stranger := s.dial(t, fromA), s.dial(t, "GET /members HTTP/1.1\r\n\r\n")
	known.hearsNothing()
	stranger.hearsNothing()
	s.network.heal()
	known.hears(fromA)
	stranger.hears("GET /members HTTP/1.1\r\n\r\n")
}

func TestASecondRequestTellsWhoSends(t *testing.T) {
	s := newStage(t)
	d := s.dial(t, "GET /raft/probing HTTP/1.1\r\nHost: b\r\n\r\n")
	d.hears("GET /raft/probing HTTP/1.1\r\nHost: b\r\n\r\n")
	s.network.cut([]route{{"a", "b"}}, cutting{})
	post := "POST /raft HTTP/1.1\r\nX-Server-From: a1\r\n\r\n"
	d.say(post)
	d.hearsNothing()
	s.network.heal()
	d.hears(post)
}

func TestADelayedLinkKeepsOrderAndTime(t *testing.T) {
	s := newStage(t)
	d := s.dial(t, fromA)
	d.hears(fromA)
	const delay = 30 * time.Millisecond
	s.network.slow(between([]string{"a"}, []string{"b"}), delay)
	began := time.Now()
	d.say("one")
	d.say("two")
	d.hears("onetwo")
	if took := time.Since(began); took < 2*delay {
		t.Errorf("took %v, want at least %v", took, 2*delay)
	}
}

func TestASnapshotBreaksHalfWayOnce(t *testing.T) {
	s := newStage(t)
	s.network.cutSnapshot("b", 1000)
	d := s.dial(t, fromA)
	d.hears(fromA)
	head := "POST /raft/snapshot HTTP/1.1\r\nX-Keytree-From: a1\r\n\r\n"
	d = s.dial(t, head+strings.Repeat("x", 5000))
	d.breaks()
	if got := s.network.brokenSnapshots(); got != 1 {
		t.Errorf("got %d broken snapshots, want 1", got)
	}
	whole := head + strings.Repeat("x", 5000)
	s.dial(t, whole).hears(whole)
}

func TestAClosedRelayResetsAndRefuses(t *testing.T) {
	s := newStage(t)
	d := s.dial(t, fromA)
	d.hears(fromA)
	s.relay.close()
	d.breaks()
	if c, err := net.Dial("tcp", s.relay.addr); err == nil {
		_ = c.Close() // the test has failed
		t.Error("a closed relay takes connections")
	}
	if err := s.relay.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.dial(t, fromA).hears(fromA)
}

func TestARandomResetHitsAMember(t *testing.T) {
	s := newStage(t)
	r := rand.New(rand.NewPCG(1, 1))
	s.network.resetOne(r)
	stranger := s.dial(t, "GET /members HTTP/1.1\r\n\r\n")
	stranger.hears("GET /members HTTP/1.1\r\n\r\n")
	d := s.dial(t, fromA)
	d.hears(fromA)
	s.network.resetOne(r)
	d.breaks()
	stranger.say("still there")
	stranger.hears("still there")
}

func TestAHeadWithoutEndIsGivenUp(t *testing.T) {
	s := newStage(t)
	s.dial(t, "GET / HTTP/1.1\r\nX: "+strings.Repeat("y", 2*maxHead)).breaks()
}
