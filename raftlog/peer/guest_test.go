package peer

import (
	"fmt"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"keytree/raftlog/member"
)

// startUnknown starts two members of which only the second knows the other.
func startUnknown(t *testing.T) (a, b *node) {
	t.Helper()
	a, b = startNode(t, 0xa, listen(t), Config{}), startNode(t, 0xb, listen(t), Config{})
	a.SetMembers([]member.Member{a.member()}, nil)
	b.SetMembers([]member.Member{a.member(), b.member()}, nil)
	awaitConnected(t, a, b)
	return a, b
}

// One that was away while the other was added has to hear from it, and answer:
// the other may lead, and nobody else can tell who is a member now.
func TestAMemberThatIsNotKnownYetIsHeardAndAnswered(t *testing.T) {
	a, b := startUnknown(t)
	b.Send([]*raftpb.Message{newAppend(b.id, a.id, 1, 1, 10)})
	a.receiver.await(t, "a message of the unknown", func() bool { return len(a.receiver.messages) == 1 })
	a.Send([]*raftpb.Message{heartbeat(a.id, b.id)})
	b.receiver.await(t, "the answer", func() bool { return len(b.receiver.messages) == 1 })

	since := a.Connected(b.id)
	introduce(a, b)
	time.Sleep(50 * time.Millisecond)
	if now := a.Connected(b.id); now != since {
		t.Errorf("connected since %v, and since %v once it is known", since, now)
	}
	b.stop()
	a.receiver.await(t, "the end", func() bool { return a.receiver.gone[b.id] > 0 })
	if a.peer(b.id) == nil {
		t.Error("a member is no peer any more")
	}
}

func TestAGuestIsOneForAsLongAsItSpeaks(t *testing.T) {
	a, b := startUnknown(t)
	a.SetMembers([]member.Member{a.member(), {ID: 0xc, PeerURLs: []string{"http://127.0.0.1:1"}}}, nil)
	if a.Connected(b.id).IsZero() {
		t.Error("it is sent away because another was added")
	}
	b.stop()
	for end := time.Now().Add(10 * time.Second); a.peer(b.id) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is not forgotten")
		}
	}
}

func TestAGuestThatTurnsOutToBeRemovedIsToldSo(t *testing.T) {
	a, b := startUnknown(t)
	a.SetMembers([]member.Member{a.member()}, []member.ID{b.id})
	b.receiver.await(t, "its removal", func() bool { return b.receiver.removed == 1 })
}

func TestThereAreFewGuestsAndNoneWithoutAnAddress(t *testing.T) {
	a := startLone(t)
	good := greeting(stranger, a.id)
	guest := func(i int, urls string) int {
		headers := append(with(good, "X-Keytree-From", fmt.Sprint(100+i)), "X-Keytree-Urls", urls)
		_, answer, _ := a.ask(t, "GET", "/raft/stream", headers...)
		return answer.StatusCode
	}
	for _, urls := range []string{"", "nonsense", "http://127.0.0.1:1,", "http://h:1/path"} {
		if got := guest(0, urls); got != 404 {
			t.Errorf("with URLs %q it is answered %d", urls, got)
		}
	}
	for i := range 3 * maxGuests {
		want := 101
		if i >= maxGuests {
			want = 404
		}
		if got := guest(i, "http://127.0.0.1:1"); got != want {
			t.Fatalf("guest %d is answered %d, want %d", i, got, want)
		}
	}
}
