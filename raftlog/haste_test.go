package raftlog

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// far is a wire on which every message takes the same time.
type far struct {
	wire
	delay time.Duration
}

func (w far) Send(list []*raftpb.Message) {
	for _, m := range list {
		b, err := proto.Marshal(m)
		if err != nil {
			panic(err)
		}
		time.AfterFunc(w.delay, func() { w.deliver(m.GetTo(), b) })
	}
}

// Who stands again before votes can have arrived never wins: haste must not
// go on like that for as long as it lasts.
func TestHasteLetsVotesArriveThatComeFromFarAway(t *testing.T) {
	const clusters = 10
	var sum time.Duration
	for seed := range uint64(clusters) {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, 3, seed, func(c *Config) {
				c.Transport = far{c.Transport.(wire), 150 * time.Millisecond}
			})
			defer c.stopAll()
			start := time.Now()
			c.leader()
			sum += time.Since(start)
		})
	}
	// Haste lasts 3 seconds.
	if mean := sum / clusters; mean > 2600*time.Millisecond {
		t.Errorf("a leader took %v on average", mean)
	}
}

// The last words of a leader are heard before the news that it is gone, also
// when both wait for the raft loop: else it would be taken for alive again.
func TestTheLastWordsOfALeaderDoNotReviveIt(t *testing.T) {
	m := newFakeMachine(1, Note([]uint64{1, 2, 3}, nil, 1, 0))
	c := Config{ID: 1, Dir: "log", FS: vfs.NewMem(), Machine: m}
	if err := Bootstrap(c, 1, 1, []uint64{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	l, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	r := turn{Log: l, hurry: newHurry()}
	say := func() {
		beat := &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(2)), To: new(uint64(1)), Term: new(uint64(5))}
		if err := l.Step(t.Context(), beat); err != nil {
			t.Fatal(err)
		}
	}
	say()
	r.take()
	if lead := l.core.raw.BasicStatus().Lead; lead != 2 {
		t.Fatalf("%d leads", lead)
	}
	say()
	l.LeaderGone(2)
	r.take()
	if lead := l.core.raw.BasicStatus().Lead; lead != 0 {
		t.Errorf("%d is taken for the leader", lead)
	}
}
