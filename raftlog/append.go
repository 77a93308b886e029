package raftlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// An appendJob is one thing to do to the log on disk.
type appendJob struct {
	m        *raftpb.Message // a MsgStorageAppend; nil if there is none
	file     string          // the body of the snapshot in m
	stamp    int64           // out: the newest stamp of that snapshot
	truncate truncation
	settle   bool // write what could be left for later
}

// A truncation forgets the entries of [from, to.position].
type truncation struct {
	from uint64
	to   place
}

// appender is the append loop: it owns writing to the disk. All that has
// gathered while it wrote goes into one batch and under one sync.
type appender struct {
	id        uint64
	disk      *disk
	queue     *queue[*appendJob]
	transport Transport
	observer  Observer
	restore   func(file string, at place) (note, error) // has the apply loop do it
	deliver   func([]*appendJob) error

	batch  *pebble.Batch
	start  uint64    // the log on disk starts after it
	last   uint64    // the newest entry on disk
	hard   hardState // as it should be on disk
	synced hardState // as it was when last synced
	dirty  bool      // hard is newer than what was written
	count  int       // entries in batch
}

// maxMerge bounds the bytes written under one sync, so that answers to the
// first do not wait for the last.
const maxMerge = 4 << 20

// pointDeletes is how many keys are deleted one by one before a range
// tombstone is cheaper.
const pointDeletes = 100

// run returns when the queue is closed and done, or the disk fails.
func (a *appender) run() error {
	var err error
	if a.batch, err = a.disk.newBatch(); err != nil {
		return err
	}
	defer func() { _ = a.batch.Close() }() // nothing is in it
	var jobs []*appendJob
	for {
		if jobs = a.queue.take(jobs); len(jobs) == 0 {
			a.dirty = a.dirty || a.hard != a.synced
			return a.commit(false, a.dirty)
		}
		for rest := jobs; len(rest) > 0; {
			n, err := a.write(rest)
			if err != nil {
				return err
			}
			a.send(rest[:n])
			if err := a.deliver(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
		}
		clear(jobs)
	}
}

// write does the first n jobs, as many as fit under one sync.
func (a *appender) write(jobs []*appendJob) (n int, err error) {
	var answered, settle bool
	for n < len(jobs) && (n == 0 || a.batch.Len() < maxMerge) {
		job := jobs[n]
		n++
		settle = settle || job.settle
		if err := a.add(job); err != nil {
			return n, err
		}
		answered = answered || len(job.m.GetResponses()) > 0
	}
	// Nobody must be answered before all that was promised is synced. A commit
	// position is no promise: alone, it waits for company.
	promised := a.count > 0 || a.hard.term != a.synced.term || a.hard.vote != a.synced.vote
	if answered && promised {
		return n, a.commit(true, true)
	}
	return n, a.commit(false, settle || a.count > 0)
}

// add puts a job into the batch.
func (a *appender) add(job *appendJob) error {
	// A snapshot may have come between: then there is nothing left to truncate.
	if t := job.truncate; t.to.position > a.start {
		a.start = t.to.position
		if err := errors.Join(
			a.batch.DeleteRange(entryKey(t.from), entryKey(t.to.position+1), nil),
			putIdentity(a.batch, a.id, t.to),
		); err != nil {
			return fmt.Errorf("truncate the log: %w", err)
		}
	}
	if job.m == nil {
		return nil
	}
	h := a.hard
	if m := job.m; m.Term != nil {
		h = hardState{m.GetTerm(), m.GetVote(), m.GetCommit()}
	}
	if !raft.IsEmptySnap(job.m.GetSnapshot()) {
		if err := a.takeSnapshot(job, h); err != nil {
			return err
		}
	}
	a.dirty = a.dirty || h != a.hard
	a.hard = h
	entries := job.m.GetEntries()
	if len(entries) == 0 {
		return nil
	}
	if err := a.cut(entries[0].GetIndex(), entries[len(entries)-1].GetIndex()); err != nil {
		return err
	}
	for _, e := range entries {
		if err := putEntry(a.batch, e); err != nil {
			return fmt.Errorf("append entry %d: %w", e.GetIndex(), err)
		}
	}
	a.count += len(entries)
	a.last = entries[len(entries)-1].GetIndex()
	return nil
}

// cut deletes the entries that new ones at [first, last] put out of the log
// without overwriting them.
func (a *appender) cut(first, last uint64) error {
	if first > a.last || last >= a.last {
		return nil
	}
	if a.last-last > pointDeletes {
		return a.batch.DeleteRange(entryKey(last+1), entryKey(a.last+1), nil)
	}
	for p := last + 1; p <= a.last; p++ {
		if err := a.batch.Delete(entryKey(p), nil); err != nil {
			return err
		}
	}
	return nil
}

// takeSnapshot has the machine restore the snapshot of job and starts the log
// anew behind it. The mark put before says what happened, should a crash come
// between the two.
func (a *appender) takeSnapshot(job *appendJob, h hardState) error {
	meta := job.m.GetSnapshot().GetMetadata()
	p := place{meta.GetIndex(), meta.GetTerm()}
	if job.file == "" {
		return fmt.Errorf("snapshot at position %d has no body", p.position)
	}
	if err := putRestoring(a.batch, p); err != nil {
		return fmt.Errorf("mark a restore: %w", err)
	}
	if err := a.commit(true, true); err != nil {
		return err
	}
	n, err := a.restore(job.file, p)
	if err != nil {
		return err
	}
	job.stamp = n.stamp
	// Of what was committed behind the snapshot, nothing is on disk yet.
	h.commit = min(h.commit, p.position)
	if err := putReset(a.batch, a.id, p, h); err != nil {
		return fmt.Errorf("reset the log: %w", err)
	}
	a.start, a.last, a.hard = p.position, p.position, h
	return a.commit(true, true)
}

// commit writes the batch. The hard state goes along if anything does, and
// makes sure that a sync has something to sync.
func (a *appender) commit(sync, force bool) error {
	if a.batch.Count() == 0 && !(force && (a.dirty || sync)) {
		return nil
	}
	if a.dirty || sync {
		if err := putHardState(a.batch, a.hard); err != nil {
			return fmt.Errorf("write hard state: %w", err)
		}
	}
	var start time.Time
	if a.observer.Appended != nil {
		start = time.Now()
	}
	if err := a.disk.commit(a.batch, sync); err != nil {
		return err
	}
	if a.observer.Appended != nil && sync {
		a.observer.Appended(time.Since(start), a.count)
	}
	a.dirty = false
	if sync {
		a.count, a.synced = 0, a.hard
	}
	return nil
}

// send gives the answers that are for other members to the transport.
func (a *appender) send(jobs []*appendJob) {
	var list []*raftpb.Message
	for _, job := range jobs {
		for _, m := range job.m.GetResponses() {
			if m.GetTo() != a.id {
				list = append(list, m)
			}
		}
	}
	if len(list) > 0 {
		a.transport.Send(list)
	}
}
