package raftlog

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// Replay brings the machine of c to the end of the log in c.Dir, which must not
// be open: for who wants what a member has, and not the member. As with Seize,
// everything in the log counts as committed: a member's disk is told late what
// the others have agreed to, and what it was told must not be left out.
func Replay(c Config) error {
	c = c.withDefaults()
	if _, err := c.FS.Stat(c.FS.PathJoin(c.Dir, "entries")); err != nil {
		return ErrNotBootstrapped
	}
	d, err := openDisk(c)
	if err != nil {
		return err
	}
	return errors.Join(d.replay(c), d.close())
}

// replayBytes is how much is read of the log at once.
const replayBytes = 4 << 20

func (d *disk) replay(c Config) (err error) {
	defer func() { err = orDiskFailure(recover(), err) }()
	r, err := recoverLog(c, d)
	if err != nil {
		return err
	}
	core := newCore(c, r, &clock{})
	a := applier{machine: c.Machine, at: r.cursor, note: r.note}
	for last := r.storage.last.position; a.at < last; {
		entries, err := d.entries(a.at+1, last+1, replayBytes)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			return d.corrupt(fmt.Sprintf("entry %d is missing", a.at+1), nil)
		}
		job, _ := core.applyWork(&raftpb.Message{Entries: entries})
		if err := a.apply([]*applyJob{job}); err != nil {
			return err
		}
	}
	return nil
}

// Renote makes, of the note a machine was given, the one it goes on with as a
// member of another cluster, where voters vote: log's clock and term stay. The
// term is that of the position to give to Bootstrap.
func Renote(bytes []byte, voters []uint64) (renoted []byte, term uint64, stamp int64, err error) {
	n, err := parseNote(bytes)
	if err != nil {
		return nil, 0, 0, err
	}
	if n.term == 0 {
		return nil, 0, 0, errors.New("raftlog: the machine has never applied anything")
	}
	return Note(voters, nil, n.term, n.stamp), n.term, n.stamp, nil
}
