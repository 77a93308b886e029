package peer

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog/member"
)

func TestWithoutAConnectionOnlyTheNewestMessagesAreKept(t *testing.T) {
	q := newQueue()
	for i := range uint64(1000) {
		q.put(newAppend(1, 2, i, 1, 10))
		q.put(heartbeat(1, 2))
	}
	got := q.next(nil, maxQueue)
	if len(got) != 2*maxIdleMessages || got[len(got)-1].GetIndex() != 999 {
		t.Errorf("%d are kept, the last %v", len(got), got[len(got)-1].GetIndex())
	}
	if n := q.takeLost(); n != 2000-2*maxIdleMessages {
		t.Errorf("%d are lost", n)
	}
	for i := range uint64(10) {
		q.put(newAppend(1, 2, i, 1, maxIdleBytes/2))
	}
	if got := q.next(nil, maxQueue); len(got) != 1 || got[0].GetIndex() != 9 {
		t.Errorf("kept: %v", indexes(got))
	}
	if q.mu.bytes != 0 {
		t.Errorf("%d bytes are left of nothing", q.mu.bytes)
	}
}

func TestWhatWaitedTooLongForAConnectionIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.put(newAppend(1, 2, 1, 0, 0))
		time.Sleep(time.Second)
		q.put(newAppend(1, 2, 2, 0, 0))
		q.expire(time.Now().Add(-time.Second / 2))
		q.setOpen(true)
		if got := indexes(q.next(nil, maxQueue)); len(got) != 1 || got[0] != 2 {
			t.Errorf("kept: %v", got)
		}
	})
}

func TestAFifoNeverMixesUpItsMessages(t *testing.T) {
	var f fifo
	next, last := uint64(0), uint64(0)
	for round := range 1000 {
		for range round % 17 {
			f.push(waiting{m: newAppend(1, 2, last, 0, 0)})
			last++
		}
		for range min(f.len(), round%13) {
			if got := f.pop().m.GetIndex(); got != next {
				t.Fatalf("got %d, want %d", got, next)
			}
			next++
		}
	}
	if f.len() != int(last-next) || cap(f.list) > 16*f.len() {
		t.Errorf("%d of %d left, room for %d", f.len(), last-next, cap(f.list))
	}
}

// A peer that was stopped in its tracks takes connections and reads nothing.
func TestAPeerThatHangsTakesBoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		a := startNode(t, 0xa, network.listen("a:1"), Config{Dial: network.dial})
		l := network.listen("b:1")
		defer l.Close()
		go hang(l)
		a.SetMembers([]member.Member{a.member(), {ID: 0xb, PeerURLs: []string{"http://b:1"}}}, nil)
		time.Sleep(time.Second)
		m := newAppend(a.id, 0xb, 1, 1, 1<<20)
		for range 300 {
			a.Send([]*raftpb.Message{m})
		}
		q := a.peer(0xb).queue
		if n := q.bytes(); n > maxQueue || n < maxQueue-4<<20 {
			t.Errorf("%d bytes wait", n)
		}
		if n := get(a.receiver, func() int { return a.receiver.unreachable[0xb] }); n != 1 {
			t.Errorf("reported %d times", n)
		}
		time.Sleep(3 * time.Second) // longer than anybody's patience
		if n := q.bytes(); n != 0 {
			t.Errorf("%d bytes wait for a stream that was given up", n)
		}
	})
}

func (q *queue) bytes() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.bytes
}

// hang opens streams for all who come, and lets them wait.
func hang(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = conn.Write([]byte("HTTP/1.1 101 X\r\nX-Etcd-Cluster-Id: c1\r\nX-Keytree-From: b\r\n\r\n"))
	}
}

func TestAppendsAreTimedByTheirAnswers(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	answer := func(term, index uint64, reject bool) *raftpb.Message {
		return &raftpb.Message{Type: raftpb.MsgAppResp.Enum(), Term: &term, Index: &index, Reject: &reject}
	}
	drain := func(a *appends, m *raftpb.Message) (times []int) {
		for at, ok := a.answered(m); ok; at, ok = a.answered(m) {
			times = append(times, int(at.Sub(start).Seconds()))
		}
		return times
	}
	var a appends
	a.add(newAppend(1, 2, 10, 5, 1), at(1)) // to 15, in term 3
	a.add(newAppend(1, 2, 15, 1, 1), at(2))
	a.add(newAppend(1, 2, 16, 0, 0), at(3))
	for _, tt := range []struct {
		m    *raftpb.Message
		want int
	}{
		{answer(3, 14, false), 0}, {answer(2, 99, false), 0}, {answer(3, 15, false), 1}, {answer(3, 15, false), 0}, {answer(3, 20, false), 2},
	} {
		if got := drain(&a, tt.m); len(got) != tt.want {
			t.Errorf("%v answers %v, want %d", tt.m, got, tt.want)
		}
	}
	a.add(newAppend(1, 2, 10, 5, 1), at(4))
	if got := drain(&a, answer(3, 12, true)); len(got) != 0 {
		t.Errorf("a rejection answers %v", got)
	}
	a.add(newAppend(1, 2, 3, 1, 1), at(5))
	if got := drain(&a, answer(3, 4, false)); len(got) != 1 || got[0] != 5 {
		t.Errorf("after a rejection: %v", got)
	}
	a.add(newAppend(1, 2, 10, 5, 1), at(6))
	if got := drain(&a, answer(4, 30, false)); len(got) != 0 || a.mu.n != 0 {
		t.Errorf("an answer of the next term answers %v", got)
	}
	for i := range 2 * maxAppends {
		a.add(newAppend(1, 2, uint64(i), 0, 0), at(i))
	}
	if got := drain(&a, answer(3, 10_000, false)); len(got) != maxAppends || got[0] != 0 {
		t.Errorf("%d are remembered", len(got))
	}
	a.add(newAppend(1, 2, 1, 0, 0), at(7))
	a.forget()
	if got := drain(&a, answer(3, 1, false)); len(got) != 0 {
		t.Errorf("what was lost is answered: %v", got)
	}
}
