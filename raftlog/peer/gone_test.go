package peer

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog/member"
)

func TestTheEndOfAProcessIsNoticedAtOnce(t *testing.T) {
	for _, rest := range []time.Duration{0, time.Second} { // a short life, and one after which nothing is put off
		a, b := startPair(t, Config{})
		time.Sleep(rest)
		began := time.Now()
		b.stop()
		a.receiver.await(t, "the end", func() bool { return a.receiver.gone[b.id] > 0 })
		if d := time.Since(began); d > 500*time.Millisecond { // it takes some milliseconds; the machine may be busy
			t.Errorf("noticed after %v", d)
		}
		a.receiver.await(t, "a report", func() bool { return a.receiver.unreachable[b.id] > 0 })
		time.Sleep(100 * time.Millisecond)
		if n := get(a.receiver, func() int { return a.receiver.gone[b.id] }); n != 1 {
			t.Errorf("told %d times", n)
		}
		if !a.Connected(b.id).IsZero() {
			t.Error("still connected")
		}
		a.stop()
	}
}

func TestAProcessThatCameBackCanEndAgain(t *testing.T) {
	a, b := startPair(t, Config{})
	for life := 1; life <= 3; life++ {
		b.stop()
		a.receiver.await(t, "the end", func() bool { return a.receiver.gone[b.id] == life })
		l, err := net.Listen("tcp", b.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		b = startNode(t, 0xb, l, Config{})
		introduce(a, b)
		awaitConnected(t, a, b)
	}
}

func TestAMemberThatNeverWasThereIsNotGone(t *testing.T) {
	a := startNode(t, 0xa, listen(t), Config{})
	a.SetMembers([]member.Member{a.member(), {ID: 0xb, PeerURLs: []string{"http://127.0.0.1:1"}}}, nil)
	a.receiver.await(t, "some attempts", func() bool {
		a.Send([]*raftpb.Message{heartbeat(a.id, 0xb)})
		return a.receiver.unreachable[0xb] >= 3
	})
	if n := get(a.receiver, func() int { return a.receiver.gone[0xb] }); n != 0 {
		t.Error("it is called gone")
	}
}

// The connections break, as if a router had lost them, but the process can
// still be reached: it may only have to be dialled again.
func TestBrokenConnectionsAloneAreNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut cutter
		network := newMemoryNet()
		cut.dial = network.dial
		a, b := startNode(t, 0xa, network.listen("a:1"), Config{Dial: cut.Dial}), startNode(t, 0xb, network.listen("b:1"), Config{Dial: cut.Dial})
		introduce(a, b)
		time.Sleep(10 * time.Second)
		since := a.Connected(b.id)
		cut.cut()
		time.Sleep(10 * time.Second)
		if again := a.Connected(b.id); again.IsZero() || !again.After(since) {
			t.Errorf("connected since %v, then %v", since, again)
		}
		if n := get(a.receiver, func() int { return a.receiver.gone[b.id] }); n != 0 {
			t.Error("the process is called gone")
		}
	})
}

func TestASilentNetworkIsNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut cutter
		network := newMemoryNet()
		cut.dial = network.dial
		a, b := startNode(t, 0xa, network.listen("a:1"), Config{Dial: cut.Dial}), startNode(t, 0xb, network.listen("b:1"), Config{Dial: cut.Dial})
		introduce(a, b)
		time.Sleep(10 * time.Second)
		network.silence("a:1", true)
		network.silence("b:1", true)
		cut.cut()
		for range 100 {
			a.Send([]*raftpb.Message{heartbeat(a.id, b.id)})
			time.Sleep(100 * time.Millisecond)
		}
		if n := get(a.receiver, func() int { return a.receiver.gone[b.id] }); n != 0 {
			t.Error("the process is called gone")
		}
		if n := get(a.receiver, func() int { return a.receiver.unreachable[b.id] }); n < 3 {
			t.Errorf("reported %d times", n)
		}
		network.silence("a:1", false)
		network.silence("b:1", false)
		time.Sleep(3 * time.Second)
		if a.Connected(b.id).IsZero() {
			t.Error("not connected when the network was back")
		}
		sent := get(b.receiver, func() int { return len(b.receiver.messages) })
		if sent > 12 { // what waited for longer than a second is dropped
			t.Errorf("%d old messages came", sent)
		}
	})
}

// A network that swallows everything breaks no connection, but the streams
// fall silent.
func TestAStreamThatFallsSilentIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cut cutter
		network := newMemoryNet()
		cut.dial = network.dial
		a, b := startNode(t, 0xa, network.listen("a:1"), Config{Dial: cut.Dial}), startNode(t, 0xb, network.listen("b:1"), Config{Dial: cut.Dial})
		introduce(a, b)
		time.Sleep(10 * time.Second)
		if a.Connected(b.id).IsZero() || time.Since(a.Connected(b.id)) < 9*time.Second {
			t.Errorf("an idle stream does not last: connected since %v", a.Connected(b.id))
		}
		for _, from := range []string{"dialler", "listener"} {
			before := a.Connected(b.id)
			cut.swallow(from == "listener")
			began := time.Now()
			for !a.Connected(b.id).After(before) && time.Since(began) < time.Minute {
				time.Sleep(10 * time.Millisecond)
			}
			if d := time.Since(began); d < time.Second || d > 4*time.Second {
				t.Errorf("silence of the %s: connected anew after %v", from, d)
			}
			time.Sleep(5 * time.Second)
		}
		if a.log.count(errSilent.Error())+b.log.count(errSilent.Error()) == 0 { // who notices first hangs up
			t.Errorf("silence is not what is logged:\n%s\n%s", a.log, b.log)
		}
		if n := get(a.receiver, func() int { return a.receiver.gone[b.id] }); n != 0 {
			t.Error("the process is called gone")
		}
	})
}

func TestAttemptsBecomeRarer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		var dials atomic.Int64
		a := startNode(t, 0xa, network.listen("a:1"), Config{Dial: func(ctx context.Context, n, addr string) (net.Conn, error) {
			dials.Add(1)
			return network.dial(ctx, n, addr)
		}})
		a.SetMembers([]member.Member{a.member(), {ID: 0xb, PeerURLs: []string{"http://b:1"}}}, nil)
		time.Sleep(time.Minute)
		if n := dials.Load(); n < 120 || n > 300 { // every 250 to 500 ms in the end
			t.Errorf("%d attempts in a minute", n)
		}
		if n := a.log.count("cannot reach peer b"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
}

// A peer that connects to us is there: we need not wait out the pause.
func TestWhoCallsIsCalledBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		a := startNode(t, 0xa, network.listen("a:1"), Config{Dial: network.dial, Tick: time.Second})
		a.SetMembers([]member.Member{a.member(), {ID: 0xb, PeerURLs: []string{"http://b:1"}}}, nil)
		time.Sleep(time.Minute) // the pause is seconds by now
		b := startNode(t, 0xb, network.listen("b:1"), Config{Dial: network.dial, Tick: time.Second})
		introduce(a, b)
		time.Sleep(100 * time.Millisecond)
		if a.Connected(b.id).IsZero() {
			t.Errorf("not connected:\n%s", a.log)
		}
	})
}
