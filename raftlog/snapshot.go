package raftlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// A capture is the machine at a place in the log, for one follower.
type capture struct {
	Capture
	at   place
	conf *raftpb.ConfState
}

// drop closes a capture that nobody will send; nil is none.
func (c *capture) drop() {
	if c != nil {
		_ = c.Close() // it was only read
	}
}

// An outgoing snapshot: raft's message and what it stands for.
type outgoing struct {
	m       *raftpb.Message
	capture *capture
}

// snapshots are the captures on their way to followers. The core owns it. The
// log is not truncated beyond a capture that is in here: its receiver would
// need the next snapshot at once.
type snapshots struct {
	wanted  bool // raft has asked and nobody has been told yet
	asked   bool // the apply loop has been told
	ready   *capture
	idle    int        // ticks for which ready has not been fetched
	taken   []*capture // fetched by raft; its message comes with the next ready
	sending []*capture
}

// take gives raft the capture that is ready, or has one made.
func (s *snapshots) take() (*raftpb.Snapshot, error) {
	if s.ready == nil {
		s.wanted = true
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	c := s.ready
	s.ready = nil
	s.taken = append(s.taken, c)
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: new(c.at.position), Term: new(c.at.term), ConfState: c.conf,
	}}, nil
}

// request says, once, that a capture is wanted.
func (s *snapshots) request() bool {
	if !s.wanted || s.asked || s.ready != nil {
		return false
	}
	s.wanted, s.asked = false, true
	return true
}

// offer takes a capture that was made; nil if that failed.
func (s *snapshots) offer(c *capture) {
	s.asked, s.ready, s.idle = false, c, 0
}

// give finds the capture of a message that raft made.
func (s *snapshots) give(m *raftpb.Message) outgoing {
	for i, c := range s.taken {
		if c.at.position == m.GetSnapshot().GetMetadata().GetIndex() {
			s.taken = append(s.taken[:i:i], s.taken[i+1:]...)
			s.sending = append(s.sending, c)
			return outgoing{m, c}
		}
	}
	panic("raftlog: raft sends a snapshot it was not given")
}

// sent forgets a capture whose sending has ended.
func (s *snapshots) sent(c *capture) {
	for i := range s.sending {
		if s.sending[i] == c {
			s.sending = append(s.sending[:i:i], s.sending[i+1:]...)
			return
		}
	}
}

// tick closes a capture that its follower has no use for any more.
func (s *snapshots) tick(patience int) {
	if s.ready == nil {
		return
	}
	if s.idle++; s.idle > 2*patience {
		_ = s.ready.Close() // it was only read
		s.ready = nil
	}
}

// floor is the oldest position still needed, or limit.
func (s *snapshots) floor(limit uint64) uint64 {
	if s.ready != nil {
		limit = min(limit, s.ready.at.position)
	}
	for _, list := range [][]*capture{s.taken, s.sending} {
		for _, c := range list {
			limit = min(limit, c.at.position)
		}
	}
	return limit
}

// close releases what was not sent.
func (s *snapshots) close() {
	if s.ready != nil {
		s.taken = append(s.taken, s.ready)
	}
	for _, c := range s.taken {
		_ = c.Close() // it was only read
	}
	s.ready, s.taken = nil, nil
}

// A restoreJob is a snapshot that has come in and that raft wants.
type restoreJob struct {
	file string
	at   place
	note note       // out
	done chan error // has room for one
}

// spool keeps the bodies of snapshots on their way in.
type spool struct {
	fs   vfs.FS
	dir  string
	next atomic.Uint64
}

func openSpool(fs vfs.FS, dir string) (*spool, error) {
	s := &spool{fs: fs, dir: fs.PathJoin(dir, "incoming")}
	if err := fs.RemoveAll(s.dir); err != nil {
		return nil, fmt.Errorf("clear incoming snapshots: %w", err)
	}
	if err := fs.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of incoming snapshots: %w", err)
	}
	return s, nil
}

// write keeps body in a new file. It need not survive a crash: the machine's
// own restore is durable, and before it the leader will send again.
func (s *spool) write(ctx context.Context, body io.Reader) (file string, err error) {
	file = s.fs.PathJoin(s.dir, fmt.Sprint(s.next.Add(1)))
	f, err := s.fs.Create(file, vfs.WriteCategoryUnspecified)
	if err != nil {
		return "", fmt.Errorf("keep incoming snapshot: %w", err)
	}
	_, err = io.Copy(f, &patientReader{ctx, body})
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("receive snapshot: %w", err), s.fs.Remove(file))
	}
	return file, nil
}

// restore has the machine restore a file, which is gone afterwards.
func (s *spool) restore(m Machine, file string) error {
	f, err := s.fs.Open(file, vfs.SequentialReadsOption)
	if err != nil {
		return fmt.Errorf("open incoming snapshot: %w", err)
	}
	err = m.Restore(f)
	if err = errors.Join(err, f.Close(), s.fs.Remove(file)); err != nil {
		return fmt.Errorf("restore snapshot: %w", err)
	}
	return nil
}

// patientReader reads until its context ends.
type patientReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *patientReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
