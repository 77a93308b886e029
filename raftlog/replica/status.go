package replica

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"

	"keytree/raftlog"
	"keytree/raftlog/member"
)

// Report is how this member stands. Its error is that of the log, when that
// does not answer before ctx ends.
func (r *Replica) Report(ctx context.Context) (member.Report, error) {
	s, t := r.log.Status(), r.tree.Figures()
	report := member.Report{
		State:           r.state(s),
		Term:            s.Term,
		Committed:       s.Commit,
		Applied:         min(s.Applied, s.Commit), // they were read one after the other
		Pending:         r.waiters.pending(),
		Watchers:        t.Polls + t.Streams,
		KeysBytes:       r.tree.Bytes(),
		OldestEvent:     uint64(t.Oldest),
		NewestEvent:     uint64(t.Newest),
		HistoryCapacity: t.HistoryCapacity,
	}
	tree, _, _ := r.tree.Engine()
	log, _, _ := r.log.Engine()
	report.TreeBytes, report.LogBytes = tree.DiskSpaceUsage(), log.DiskSpaceUsage()
	if usage, err := r.fs.GetDiskUsage(r.treeDir()); err == nil { // not all systems tell
		report.FreeBytes, report.DiskBytes = usage.AvailBytes, usage.TotalBytes
	}
	if report.State != member.Leading {
		return report, nil
	}
	peers, err := r.log.Peers(ctx)
	if err != nil {
		return member.Report{}, fmt.Errorf("how the followers stand: %w", err)
	}
	report.Followers = r.followers(peers, s.Commit)
	return report, nil
}

func (r *Replica) state(s raftlog.Status) member.State {
	switch {
	case s.State == raft.StateLeader:
		return member.Leading
	case s.State == raft.StateCandidate, s.State == raft.StatePreCandidate:
		return member.Campaigning
	case slices.Contains(r.conf.Load().learners, r.self):
		return member.Learning
	}
	return member.Following
}

// followers are the others among peers, by ID, of a log that is committed up
// to a position.
func (r *Replica) followers(peers []raftlog.Peer, commit uint64) []member.Follower {
	all := make([]member.Follower, 0, len(peers))
	for _, p := range peers {
		if p.ID == uint64(r.self) {
			continue
		}
		f := member.Follower{
			ID:       member.ID(p.ID),
			Match:    p.Match,
			Lag:      commit - min(p.Match, commit),
			Progress: member.Replicating,
			Learner:  p.Learner,
			// raft forgets now and then whom it has heard from, to find out anew.
			Active: !r.config.Transport.Connected(member.ID(p.ID)).IsZero(),
		}
		switch {
		case p.Snapshot:
			f.Progress = member.Restoring
		case p.Probing:
			f.Progress = member.Probing
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b member.Follower) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Behind is how many entries this member knows to be committed that its tree
// has not applied.
func (r *Replica) Behind() uint64 {
	s := r.log.Status()
	return s.Commit - min(s.Applied, s.Commit)
}

// DiskFailure is what the disk of the tree has failed of, or nil.
func (r *Replica) DiskFailure() error {
	select {
	case <-r.Failed():
		return r.Failure()
	default:
		return nil
	}
}
