package replica

import (
	"slices"
	"testing"

	"go.etcd.io/raft/v3"

	"keytree/raftlog"
	"keytree/raftlog/member"
)

func TestALeaderToldByRaftHowItsFollowersStand(t *testing.T) {
	r := newReplica(Config{})
	t.Cleanup(func() { _ = r.Close() }) // nothing is open
	r.self = 3
	got := r.followers([]raftlog.Peer{
		{ID: 3, Match: 10, Active: true},
		{ID: 9, Match: 12, Active: true, Snapshot: true},
		{ID: 1, Match: 7, Active: true, Learner: true},
		{ID: 2, Probing: true},
	}, 10)
	want := []member.Follower{
		{ID: 1, Match: 7, Lag: 3, Progress: member.Replicating, Learner: true},
		{ID: 2, Lag: 10, Progress: member.Probing},
		{ID: 9, Match: 12, Progress: member.Restoring},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatAMemberIsToRaft(t *testing.T) {
	r := newReplica(Config{})
	t.Cleanup(func() { _ = r.Close() }) // nothing is open
	r.self = 3
	for i, c := range []struct {
		state    raft.StateType
		learners []member.ID
		want     member.State
	}{
		{raft.StateLeader, nil, member.Leading},
		{raft.StateFollower, nil, member.Following},
		{raft.StateFollower, []member.ID{2}, member.Following},
		{raft.StateFollower, []member.ID{2, 3}, member.Learning},
		{raft.StateCandidate, nil, member.Campaigning},
		{raft.StatePreCandidate, nil, member.Campaigning},
	} {
		r.conf.Store(&conf{learners: c.learners})
		if got := r.state(raftlog.Status{State: c.state}); got != c.want {
			t.Errorf("%d: got %s, want %s", i, got, c.want)
		}
	}
}
