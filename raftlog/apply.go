package raftlog

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// An applyJob is one thing to do to the machine: entries to apply, a capture
// to take, or a snapshot to restore.
type applyJob struct {
	m       *raftpb.Message // a MsgStorageApply
	changes []change        // the membership changes in m, in order
	conf    *raftpb.ConfState

	capture bool
	restore *restoreJob
}

type change struct {
	cc      *raftpb.ConfChangeV2
	refused bool
}

// applier is the apply loop: the only one to call the machine, but for an
// append loop that carries.
type applier struct {
	machine  Machine
	queue    *queue[*applyJob]
	restore  func(*restoreJob) error
	captured func(*capture, error)
	durable  func(position uint64)
	deliver  func([]*applyJob)
	observer Observer

	mu      sync.Mutex // held by who calls the machine; guards all below
	at      uint64     // where the machine stands
	note    note       // of that position
	entries []Entry
	bytes   []byte // of the note, reused

	// Since the machine was last asked what it would keep.
	since, sinceBytes int
	every             int
}

// everyBytes is how much is applied at most before the log is truncated.
const everyBytes = 8 << 20

// run returns when the queue is closed and done, or the machine fails.
func (a *applier) run() error {
	var jobs []*applyJob
	for {
		if jobs = a.queue.take(jobs); len(jobs) == 0 {
			return nil
		}
		for rest := jobs; len(rest) > 0; {
			n, err := a.some(rest)
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
		clear(jobs)
	}
}

func (a *applier) some(jobs []*applyJob) (n int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.do(jobs)
}

// carry applies jobs in place of the apply loop, which must have none.
func (a *applier) carry(jobs []*applyJob, deliver func([]*applyJob) bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.apply(jobs); err != nil {
		return err
	}
	deliver(jobs)
	return a.askDurable()
}

// do does the first n jobs: one that is special, or all before the next such.
func (a *applier) do(jobs []*applyJob) (n int, err error) {
	if job := jobs[0]; job.capture {
		a.takeCapture()
		return 1, nil
	} else if job.restore != nil {
		err := a.takeSnapshot(job.restore)
		job.restore.done <- err
		return 1, err
	}
	for n < len(jobs) && jobs[n].m != nil {
		n++
	}
	if err := a.apply(jobs[:n]); err != nil {
		return n, err
	}
	a.deliver(jobs[:n])
	return n, a.askDurable()
}

// apply hands the entries of several jobs to the machine as one batch.
func (a *applier) apply(jobs []*applyJob) error {
	a.entries = emptied(a.entries)
	for _, job := range jobs {
		changes := job.changes
		for _, e := range job.m.GetEntries() {
			a.at, a.note.term = e.GetIndex(), e.GetTerm()
			a.since++
			a.sinceBytes += int(entrySize(e))
			switch {
			case isChange(e):
				a.addChange(e, changes[0])
				changes = changes[1:]
			case len(e.GetData()) > 0:
				if err := a.addEntry(e); err != nil {
					return err
				}
			}
		}
		a.note.conf = job.conf
	}
	a.bytes = a.note.append(a.bytes[:0])
	var start time.Time
	if a.observer.Applied != nil {
		start = time.Now()
	}
	if err := a.machine.Apply(Batch{Position: a.at, Note: a.bytes, Entries: a.entries}); err != nil {
		return fmt.Errorf("apply up to position %d: %w", a.at, err)
	}
	if a.observer.Applied != nil {
		a.observer.Applied(time.Since(start), len(a.entries))
	}
	return nil
}

func (a *applier) addEntry(e *raftpb.Entry) error {
	env, err := openEnvelope(e.GetData())
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.GetIndex(), err)
	}
	a.note.stamp = max(a.note.stamp, env.stamp)
	a.entries = append(a.entries, Entry{
		Position: e.GetIndex(), Term: e.GetTerm(), ID: env.id, Stamp: a.note.stamp, Data: env.data,
	})
	return nil
}

// addChange adds a membership change. The one raft makes itself has no stamp:
// it happens when what came before it does.
func (a *applier) addChange(e *raftpb.Entry, c change) {
	env, err := openEnvelope(c.cc.GetContext())
	if err == nil {
		a.note.stamp = max(a.note.stamp, env.stamp)
	}
	a.entries = append(a.entries, Entry{
		Position: e.GetIndex(), Term: e.GetTerm(), Stamp: a.note.stamp, Data: env.data, Change: c.cc, Refused: c.refused,
	})
}

func (a *applier) askDurable() error {
	if a.since < a.every && a.sinceBytes < everyBytes {
		return nil
	}
	a.since, a.sinceBytes = 0, 0
	position, err := a.machine.DurablePosition()
	if err != nil {
		return fmt.Errorf("ask what survives a power cut: %w", err)
	}
	a.durable(position)
	return nil
}

func (a *applier) takeCapture() {
	c, err := a.machine.Capture()
	if err != nil {
		a.captured(nil, fmt.Errorf("capture the machine: %w", err))
		return
	}
	a.captured(&capture{Capture: c, at: place{a.at, a.note.term}, conf: a.note.conf}, nil)
}

// takeSnapshot restores a snapshot and goes on from there.
func (a *applier) takeSnapshot(job *restoreJob) error {
	if err := a.restore(job); err != nil {
		return err
	}
	position, bytes := a.machine.Cursor()
	n, err := parseNote(bytes)
	if err != nil {
		return fmt.Errorf("note of a restored snapshot: %w", err)
	}
	if position != job.at.position || n.term != job.at.term {
		return fmt.Errorf("the leader sent a snapshot of position %d term %d, but the machine restored %d term %d",
			job.at.position, job.at.term, position, n.term)
	}
	a.at, a.note, job.note = position, n, n
	a.since = math.MaxInt / 2 // the log has started anew
	return nil
}

var errApplyEnded = errors.New("the apply loop has ended")
