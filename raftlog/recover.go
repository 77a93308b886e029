package raftlog

import (
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// Bootstrap makes the log of a member that has none. Its first entry will be
// position+1. The machine must stand at position, with the Note of the same
// term and voters.
//
// The founders of a cluster all name the same voters, and the same position
// and term of at least 1. A member that joins names 0, 0 and nobody: it is told
// the rest by the leader's snapshot.
func Bootstrap(c Config, position, term uint64, voters []uint64) error {
	c = c.withDefaults()
	if len(voters) > 0 && (position == 0 || term == 0) {
		return errors.New("raftlog: a log with voters starts after position 1 and term 1 at least")
	}
	final := c.FS.PathJoin(c.Dir, "entries")
	if _, err := c.FS.Stat(final); err == nil {
		return ErrExists
	}
	// The log is made under another name and renamed: where there is a log,
	// there is a whole one.
	fresh := c
	fresh.Dir, fresh.brief = c.FS.PathJoin(c.Dir, "bootstrap"), true
	if err := c.FS.RemoveAll(fresh.Dir); err != nil {
		return fmt.Errorf("clear what an earlier bootstrap left: %w", err)
	}
	if err := writeFirst(fresh, place{position, term}); err != nil {
		return err
	}
	if err := c.FS.Rename(c.FS.PathJoin(fresh.Dir, "entries"), final); err != nil {
		return fmt.Errorf("put the new log into place: %w", err)
	}
	if err := c.FS.RemoveAll(fresh.Dir); err != nil {
		return fmt.Errorf("clear up after bootstrap: %w", err)
	}
	for _, dir := range []string{c.Dir, c.FS.PathDir(c.Dir)} {
		if err := syncDir(c.FS, dir); err != nil {
			return err
		}
	}
	return nil
}

func writeFirst(c Config, p place) error {
	d, err := openDisk(c)
	if err != nil {
		return err
	}
	b, err := d.newBatch()
	err = errors.Join(
		err,
		putIdentity(b, c.ID, p),
		putHardState(b, hardState{term: p.term, commit: p.position}),
	)
	if err == nil {
		err = d.commit(b, true)
	}
	return errors.Join(err, b.Close(), d.close())
}

func syncDir(fs vfs.FS, dir string) error {
	f, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

// recovery is what a start finds: the log, the machine's note, and the newest
// stamp either of them holds.
type recovery struct {
	storage *storage
	cursor  uint64
	note    note
	stamp   int64
}

// recoverLog reads the whole log, so that damage is found now and not when a
// follower needs the entry, and holds it against the machine.
func recoverLog(c Config, d *disk) (*recovery, error) {
	id, truncated, ok, err := d.identity()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, d.corrupt("it has lost its identity", nil)
	}
	if id != c.ID {
		return nil, fmt.Errorf("the log in %s belongs to member %x, not to %x", c.Dir, id, c.ID)
	}
	r := &recovery{storage: &storage{
		disk: d, maxTail: c.TailEntries, maxBytes: uint64(c.TailBytes),
	}}
	var noteBytes []byte
	r.cursor, noteBytes = c.Machine.Cursor()
	if r.note, err = parseNote(noteBytes); err != nil {
		return nil, fmt.Errorf("the machine's note at position %d: %w", r.cursor, err)
	}
	r.storage.conf, r.stamp = r.note.conf, r.note.stamp
	if truncated, err = d.finishRestore(id, r.cursor, truncated); err != nil {
		return nil, err
	}
	r.storage.reset(truncated)
	if err := r.load(); err != nil {
		return nil, err
	}
	return r, r.verify()
}

// finishRestore ends a snapshot restore that a crash cut short: the machine
// has either taken the snapshot, then the log starts anew behind it, or not.
func (d *disk) finishRestore(id, cursor uint64, truncated place) (place, error) {
	p, ok, err := d.restoring()
	if err != nil || !ok {
		return truncated, err
	}
	b, err := d.newBatch()
	if err != nil {
		return truncated, err
	}
	if cursor == p.position {
		h, err := d.hardState()
		if err != nil {
			return truncated, err
		}
		h.term, h.commit = max(h.term, p.term), p.position
		if err := putReset(b, id, p, h); err != nil {
			return truncated, fmt.Errorf("reset the log: %w", err)
		}
		truncated = p
	} else if err := b.Delete([]byte{keyRestoring}, nil); err != nil {
		return truncated, fmt.Errorf("forget a restore: %w", err)
	}
	return truncated, errors.Join(d.commit(b, true), b.Close())
}

// putReset empties the log, to go on after p.
func putReset(b *pebble.Batch, id uint64, p place, h hardState) error {
	return errors.Join(
		b.DeleteRange([]byte{keyEntry}, []byte{keyEntry + 1}, nil),
		b.Delete([]byte{keyRestoring}, nil),
		putIdentity(b, id, p),
		putHardState(b, h),
	)
}

func (r *recovery) load() error {
	const group = 256
	s := r.storage
	var list []*raftpb.Entry
	flush := func() {
		s.appended(list, math.MaxUint64)
		list = nil
	}
	err := s.disk.scan(s.truncated.position+1, math.MaxUint64, func(e *raftpb.Entry) bool {
		if stamp, ok := stampOf(e); ok {
			r.stamp = stamp
		}
		if list = append(list, e); len(list) == group {
			flush()
		}
		return true
	})
	flush()
	return err
}

func (r *recovery) verify() error {
	s, d := r.storage, r.storage.disk
	h, err := d.hardState()
	if err != nil {
		return err
	}
	last := s.last.position
	switch {
	case h.commit > last:
		return d.corrupt(fmt.Sprintf("it ends at %d, but everything up to %d was committed", last, h.commit), nil)
	case h.term < s.last.term:
		return d.corrupt(fmt.Sprintf("it remembers term %d, but its last entry is of term %d", h.term, s.last.term), nil)
	case r.cursor > last:
		return d.corrupt(fmt.Sprintf("it ends at %d, but the machine has applied %d", last, r.cursor), nil)
	case r.cursor < s.truncated.position:
		return d.corrupt(fmt.Sprintf("it starts after %d, but the machine stands at %d", s.truncated.position, r.cursor), nil)
	}
	if term, err := s.Term(r.cursor); err != nil {
		return err
	} else if term != r.note.term {
		return d.corrupt(fmt.Sprintf("entry %d is of term %d, but the machine applied one of term %d", r.cursor, term, r.note.term), nil)
	}
	// The machine's position was committed, whether or not the news of it
	// reached the disk.
	h.commit = max(h.commit, r.cursor)
	s.hard = h
	return nil
}
