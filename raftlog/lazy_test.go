package raftlog

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

func appendTo(to, commit uint64, entries int) *raftpb.Message {
	m := &raftpb.Message{Type: raftpb.MsgApp.Enum(), To: new(to), Term: new(uint64(2)), Commit: new(commit)}
	for range entries {
		m.Entries = append(m.Entries, &raftpb.Entry{})
	}
	return m
}

func heartbeatTo(to uint64) *raftpb.Message {
	return &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), To: new(to), Term: new(uint64(2))}
}

func sent(list []*raftpb.Message) (text string) {
	for _, m := range list {
		text += fmt.Sprintf("%s to %d commit %d, ", m.GetType(), m.GetTo(), m.GetCommit())
	}
	return text
}

// News of a commit waits for the next entries, unless its receiver waits for
// it, and never makes anything else come before it.
func TestNewsOfACommitTravelsWithTheNextEntries(t *testing.T) {
	c := &core{id: 1, term: 2, state: raft.StateLeader}
	l := newLazy()
	for _, step := range []struct {
		what string
		send []*raftpb.Message
		want string
	}{
		{"entries go at once", []*raftpb.Message{appendTo(2, 4, 1), appendTo(3, 4, 1)}, "MsgApp to 2 commit 4, MsgApp to 3 commit 4, "},
		{"news waits", []*raftpb.Message{appendTo(2, 5, 0), appendTo(3, 5, 0)}, ""},
		{"and goes with the next entries", []*raftpb.Message{appendTo(2, 5, 1)}, "MsgApp to 2 commit 5, "},
		{"or before anything else", []*raftpb.Message{heartbeatTo(3)}, "MsgApp to 3 commit 5, MsgHeartbeat to 3 commit 0, "},
		{"newer news takes the place of older", []*raftpb.Message{appendTo(2, 6, 0), appendTo(2, 7, 0), heartbeatTo(2)}, "MsgApp to 2 commit 7, MsgHeartbeat to 2 commit 0, "},
	} {
		if got := sent(l.pass(c, step.send)); got != step.want {
			t.Errorf("%s: sent %q, want %q", step.what, got, step.want)
		}
	}
	c.await(3)
	c.placed(9)
	if got, want := sent(l.pass(c, []*raftpb.Message{appendTo(2, 9, 0), appendTo(3, 8, 0)})), "MsgApp to 3 commit 8, "; got != want {
		t.Errorf("for one that proposed: sent %q, want %q", got, want)
	}
	if got, want := sent(l.pass(c, []*raftpb.Message{appendTo(3, 9, 0)})), "MsgApp to 3 commit 9, "; got != want {
		t.Errorf("the news it waits for: sent %q, want %q", got, want)
	}
	if got := sent(l.pass(c, []*raftpb.Message{appendTo(3, 10, 0)})); got != "" {
		t.Errorf("news it does not wait for: sent %q", got)
	}
	if got, want := len(l.due(c)), 2; got != want {
		t.Errorf("%d messages are due, want %d", got, want)
	}
	l.pass(c, []*raftpb.Message{appendTo(2, 11, 0)})
	c.state = raft.StateFollower
	if got := sent(l.pass(c, []*raftpb.Message{heartbeatTo(2)})); got != "MsgApp to 2 commit 11, MsgHeartbeat to 2 commit 0, " || len(l.held) != 0 {
		t.Errorf("when it leads no more: sent %q, holds %d", got, len(l.held))
	}
}

// Followers apply what was committed within a moment, also when nothing comes
// after it.
func TestFollowersHearOfTheLastCommitSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 3, 4, nil)
		defer c.stopAll()
		c.net.spoil(0, 0, 0)
		id, ok := c.propose(c.members[c.leader()], time.Second)
		if !ok {
			t.Fatal("no answer")
		}
		time.Sleep(2 * lazyDelay)
		for n, m := range c.members {
			select {
			case <-m.machine.seen(id):
			default:
				t.Errorf("member %d has not applied it", n)
			}
		}
	})
}
