package peer

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"keytree/raftlog/member"
)

func TestMessagesReachTheMemberTheyAreFor(t *testing.T) {
	a, b, c := startNode(t, 0xa, listen(t), Config{}), startNode(t, 0xb, listen(t), Config{}), startNode(t, 0xc, listen(t), Config{})
	introduce(a, b, c)
	awaitConnected(t, a, b)
	awaitConnected(t, a, c)
	awaitConnected(t, b, c)
	toB, toC := newAppend(a.id, b.id, 4, 3, 100), newAppend(a.id, c.id, 9, 0, 0)
	a.Send([]*raftpb.Message{toB, toC, heartbeat(a.id, 0xdead)})
	c.Send([]*raftpb.Message{heartbeat(c.id, b.id)})
	b.receiver.await(t, "two messages", func() bool { return len(b.receiver.messages) == 2 })
	c.receiver.await(t, "one message", func() bool { return len(c.receiver.messages) == 1 })
	for _, m := range b.receiver.messages {
		want := toB
		if m.GetFrom() == uint64(c.id) {
			want = heartbeat(c.id, b.id)
		}
		if !proto.Equal(m, want) {
			t.Errorf("got %v, want %v", m, want)
		}
	}
	if m := c.receiver.messages[0]; !proto.Equal(m, toC) {
		t.Errorf("got %v, want %v", m, toC)
	}
}

func TestAppendsKeepTheirOrderAndHeartbeatsOvertakeThem(t *testing.T) {
	q := newQueue()
	q.setOpen(true)
	for i := range uint64(5) {
		q.put(newAppend(1, 2, i, 1, maxWrite/2))
	}
	q.put(heartbeat(1, 2))
	first := q.next(nil, maxWrite)
	if len(first) != 3 || first[0].GetType() != raftpb.MsgHeartbeat || !slices.Equal(indexes(first[1:]), []uint64{0, 1}) {
		t.Errorf("first: %v", first)
	}
	if second := q.next(nil, maxWrite); !slices.Equal(indexes(second), []uint64{2, 3}) {
		t.Errorf("second: %v", indexes(second))
	}
}

func TestManyAppendsArriveInOrder(t *testing.T) {
	a, b := startPair(t, Config{})
	const n = 2000
	for i := range uint64(n) {
		a.Send([]*raftpb.Message{newAppend(a.id, b.id, i, int(i%7), int(i%50)*40)})
	}
	b.receiver.await(t, "all appends", func() bool { return len(b.receiver.messages) == n })
	if !slices.IsSorted(indexes(b.receiver.messages)) {
		t.Error("the appends came out of order")
	}
}

func TestAMessageLargerThanAnyBufferArrives(t *testing.T) {
	a, b := startPair(t, Config{Tick: time.Second}) // a slow machine is not to look like one that is gone
	m := newAppend(a.id, b.id, 1, 1, 33<<20)
	a.Send([]*raftpb.Message{m, newAppend(a.id, b.id, 2, 1, 10)})
	b.receiver.await(t, "both", func() bool { return len(b.receiver.messages) == 2 })
	if !proto.Equal(b.receiver.messages[0], m) {
		t.Error("the message was changed")
	}
}

func TestAMessageTooLargeToSendIsReportedAndTheOthersGoOn(t *testing.T) {
	a, b := startPair(t, Config{})
	big := newAppend(a.id, b.id, 1, 3, 30<<20)
	a.Send([]*raftpb.Message{big, newAppend(a.id, b.id, 2, 1, 10)})
	b.receiver.await(t, "the small one", func() bool { return len(b.receiver.messages) == 1 })
	a.receiver.await(t, "a report", func() bool { return a.receiver.unreachable[b.id] == 1 })
	if b.receiver.messages[0].GetIndex() != 2 {
		t.Error("the large one came")
	}
}

func TestLocalMessagesAndSnapshotsDoNotTravel(t *testing.T) {
	a, b := startPair(t, Config{})
	var list []*raftpb.Message
	for k := range raftpb.MessageType_name {
		m := heartbeat(a.id, b.id)
		m.Type = raftpb.MessageType(k).Enum()
		list = append(list, m)
	}
	a.Send(list)
	a.Send([]*raftpb.Message{newAppend(a.id, b.id, 77, 0, 0)})
	b.receiver.await(t, "the last", func() bool {
		n := len(b.receiver.messages)
		return n > 0 && b.receiver.messages[n-1].GetIndex() == 77
	})
	for _, m := range b.receiver.messages {
		switch m.GetType() {
		case raftpb.MsgHup, raftpb.MsgBeat, raftpb.MsgSnap, raftpb.MsgUnreachable, raftpb.MsgSnapStatus, raftpb.MsgCheckQuorum,
			raftpb.MsgStorageAppend, raftpb.MsgStorageAppendResp, raftpb.MsgStorageApply, raftpb.MsgStorageApplyResp, raftpb.MsgForgetLeader:
			t.Errorf("%v came", m.GetType())
		}
	}
	if len(b.receiver.messages) != 14 {
		t.Errorf("%d messages came", len(b.receiver.messages))
	}
}

// Raft passes a wish for another leader on in the name of that leader.
func TestAWishForAnotherLeaderIsFromThatLeader(t *testing.T) {
	a, b := startPair(t, Config{})
	m := heartbeat(0xc, b.id)
	m.Type = raftpb.MsgTransferLeader.Enum()
	a.Send([]*raftpb.Message{m})
	b.receiver.await(t, "the wish", func() bool { return len(b.receiver.messages) == 1 })
}

func TestAMemberIsReachedAtTheURLThatWorks(t *testing.T) {
	a, b := startNode(t, 0xa, listen(t), Config{}), startNode(t, 0xb, listen(t), Config{})
	dead := listen(t)
	_ = dead.Close()
	members := []member.Member{
		{ID: a.id, PeerURLs: []string{"http://" + dead.Addr().String(), strings.Replace(a.url, "127.0.0.1", "localhost", 1)}},
		b.member(),
	}
	a.SetMembers(members, nil)
	b.SetMembers(members, nil)
	awaitConnected(t, a, b)
}

func TestAMemberThatMovedIsFoundAtItsNewURL(t *testing.T) {
	dead := listen(t)
	_ = dead.Close()
	a, b := startNode(t, 0xa, listen(t), Config{}), startNode(t, 0xb, listen(t), Config{})
	a.SetMembers([]member.Member{a.member(), {ID: b.id, PeerURLs: []string{"http://" + dead.Addr().String()}}}, nil)
	a.receiver.await(t, "nothing yet", func() bool { return true })
	introduce(a, b)
	awaitConnected(t, a, b)
}

func TestMessagesPassBothWaysOrConnectedIsZero(t *testing.T) {
	a, b := startNode(t, 0xa, listen(t), Config{}), startNode(t, 0xb, listen(t), Config{})
	a.SetMembers([]member.Member{a.member(), b.member()}, nil)
	b.SetMembers([]member.Member{b.member(), {ID: a.id, PeerURLs: []string{"http://127.0.0.1:1"}}}, nil)
	a.Send([]*raftpb.Message{heartbeat(a.id, b.id)})
	b.receiver.await(t, "a message", func() bool { return len(b.receiver.messages) == 1 })
	if at := a.Connected(b.id); !at.IsZero() {
		t.Errorf("connected since %v, but b cannot reach a", at)
	}
	if at := a.Connected(0xdead); !at.IsZero() {
		t.Errorf("connected with a stranger since %v", at)
	}
}

func TestAMemberThatWasRemovedIsToldAtOnce(t *testing.T) {
	a, b := startPair(t, Config{})
	a.SetMembers([]member.Member{a.member()}, []member.ID{b.id})
	b.receiver.await(t, "the removal", func() bool { return b.receiver.removed == 1 })
	time.Sleep(50 * time.Millisecond) // some more attempts
	if n := get(b.receiver, func() int { return b.receiver.removed }); n != 1 {
		t.Errorf("told %d times", n)
	}
	if !a.Connected(b.id).IsZero() {
		t.Error("still connected")
	}
	if n := a.log.count("request of removed member b ignored"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, a.log)
	}
	if n := get(a.receiver, func() int { return a.receiver.gone[b.id] }); n != 0 {
		t.Error("a member that was removed is called gone")
	}
}

func TestAMemberThatIsNotKnownYetComesAgain(t *testing.T) {
	a, b := startNode(t, 0xa, listen(t), Config{}), startNode(t, 0xb, listen(t), Config{})
	b.SetMembers([]member.Member{a.member()}, nil) // it could not say where it is reached
	for a.log.count("request of unknown member b ignored") == 0 {
		time.Sleep(time.Millisecond)
	}
	introduce(a, b)
	awaitConnected(t, a, b)
	if n := a.log.count("unknown"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, a.log)
	}
}

func TestBeforeAttachCallersAreToldToComeAgain(t *testing.T) {
	a, b := startNode(t, 0xa, listen(t), Config{}), New(Config{})
	l := listen(t)
	n := &node{id: 0xb, listener: l, url: "http://" + l.Addr().String(), Transport: b, receiver: newRecorder(), log: &logbook{}}
	b.Send([]*raftpb.Message{heartbeat(n.id, a.id)})
	n.SetMembers([]member.Member{a.member(), n.member()}, nil)
	b.Send([]*raftpb.Message{heartbeat(n.id, a.id)})
	for _, path := range []string{"/raft", "/raft/stream", "/raft/snapshot", "/raft/probing"} {
		answer := httptest.NewRecorder()
		b.Handler().ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		if answer.Code != http.StatusServiceUnavailable {
			t.Errorf("%s is answered with %d", path, answer.Code)
		}
	}
	if err := b.Run(t.Context()); err == nil {
		t.Error("it runs without being attached")
	}
	a.SetMembers([]member.Member{a.member(), n.member()}, nil)
	n.start(t, Attachment{Cluster: testCluster, Member: n.id, Receiver: n.receiver})
	awaitConnected(t, a, n)
}

// A removed member's numbers are not shown any more; who is there is counted.
func TestWhatPassesIsCounted(t *testing.T) {
	a, b := startPair(t, Config{})
	a.Send([]*raftpb.Message{newAppend(a.id, b.id, 10, 2, 100)})
	b.receiver.await(t, "the append", func() bool { return len(b.receiver.messages) == 1 })
	answer := heartbeat(b.id, a.id)
	answer.Type, answer.Index = raftpb.MsgAppResp.Enum(), new(uint64(12))
	b.Send([]*raftpb.Message{answer})
	a.receiver.await(t, "the answer", func() bool { return len(a.receiver.messages) == 1 })
	if got := string(a.stats.Leader.AppendJSON(nil, "a")); !strings.Contains(got, `"b":`) || !strings.Contains(got, `"counts":{"fail":0,"success":1}`) {
		t.Errorf("leader: %s", got)
	}
	if got := string(a.stats.Self.AppendJSON(nil, time.Now())); !strings.Contains(got, `"sendAppendRequestCnt":1`) {
		t.Errorf("self of a: %s", got)
	}
	if got := string(b.stats.Self.AppendJSON(nil, time.Now())); !strings.Contains(got, `"recvAppendRequestCnt":1`) {
		t.Errorf("self of b: %s", got)
	}
	shown := metrics(t, a.stats)
	for _, want := range []string{
		`etcd_network_active_peers{Local="a",Remote="b"} 1`,
		`etcd_network_peer_sent_bytes_total{To="b"} `, `etcd_network_peer_received_bytes_total{From="b"} `,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not shown:\n%s", want, shown)
		}
	}
	a.SetMembers([]member.Member{a.member()}, []member.ID{b.id})
	if shown := metrics(t, a.stats); strings.Contains(shown, `"b"`) {
		t.Errorf("shown after it was removed:\n%s", shown)
	}
}

func TestAMessageThatIsNotTakenIsCountedAndTheOthersGoOn(t *testing.T) {
	a, b := startPair(t, Config{})
	b.receiver.refuse = errors.New("too much waits")
	a.Send([]*raftpb.Message{newAppend(a.id, b.id, 1, 0, 0), newAppend(a.id, b.id, 2, 0, 0)})
	b.receiver.await(t, "both", func() bool { return len(b.receiver.messages) == 2 })
	for want := `etcd_network_peer_received_failures_total{From="a"} 2`; !strings.Contains(metrics(t, b.stats), want); {
		time.Sleep(time.Millisecond)
	}
	if a.Connected(b.id).IsZero() {
		t.Error("the stream was given up")
	}
}

// In a bubble nothing may be left over: a goroutine that stays fails the test.
func TestRunLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newMemoryNet()
		c := Config{Dial: net.dial}
		a, b := startNode(t, 0xa, net.listen("a:1"), c), startNode(t, 0xb, net.listen("b:1"), c)
		introduce(a, b)
		time.Sleep(10 * time.Second)
		if a.Connected(b.id).IsZero() {
			t.Errorf("not connected:\n%s", a.log)
		}
		a.cancel()
		b.cancel()
		a.ended.Go(func() { _ = a.server.Close() })
		b.ended.Go(func() { _ = b.server.Close() })
		a.ended.Wait()
		b.ended.Wait()
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, s := range []string{"(*peer)", "(*Transport).Run", "attend"} {
			if strings.Contains(string(stacks), s) {
				t.Errorf("%s is left:\n%s", s, stacks)
			}
		}
		called := false
		a.SendSnapshot(&raftpb.Message{To: new(uint64(b.id))}, nil, func(err error) { called = err != nil })
		if !called {
			t.Error("a snapshot after the end is not refused")
		}
	})
}
