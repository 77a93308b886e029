package raftlog

import (
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// storage is the log as raft sees it: what is stable on disk, with the newest
// entries in memory. The raft loop owns it; entries are added when the append
// loop has synced them and before raft is told, so raft never sees a state the
// disk does not have.
type storage struct {
	disk      *disk
	hard      hardState
	conf      *raftpb.ConfState
	truncated place // the log starts after it
	last      place

	tail      []*raftpb.Entry // the newest entries, ending at last
	tailBytes uint64
	maxTail   int
	maxBytes  uint64

	marks   []mark // how many bytes lie before some positions, rising
	written uint64 // bytes appended since the process started

	snapshots snapshots
}

// A mark says how many bytes had been written when position was appended.
type mark struct{ position, written uint64 }

// markEvery is the distance of marks: they bound the error of bytesFloor.
const markEvery = 1 << 20

// InitialState implements raft.Storage.
func (s *storage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	h := s.hard
	if h == (hardState{}) {
		return nil, s.conf, nil
	}
	return &raftpb.HardState{Term: new(h.term), Vote: new(h.vote), Commit: new(h.commit)}, s.conf, nil
}

// FirstIndex implements raft.Storage.
func (s *storage) FirstIndex() (uint64, error) { return s.truncated.position + 1, nil }

// LastIndex implements raft.Storage.
func (s *storage) LastIndex() (uint64, error) { return s.last.position, nil }

// Term implements raft.Storage.
func (s *storage) Term(position uint64) (uint64, error) {
	switch {
	case position == s.last.position:
		return s.last.term, nil
	case position == s.truncated.position:
		return s.truncated.term, nil
	case position < s.truncated.position:
		return 0, raft.ErrCompacted
	case position > s.last.position:
		return 0, raft.ErrUnavailable
	case position >= s.tailStart():
		return s.tail[position-s.tailStart()].GetTerm(), nil
	}
	return s.fromDisk(position, position+1, 0)[0].GetTerm(), nil
}

// Entries implements raft.Storage.
func (s *storage) Entries(lo, hi, maxBytes uint64) ([]*raftpb.Entry, error) {
	if lo <= s.truncated.position {
		return nil, raft.ErrCompacted
	}
	if hi > s.last.position+1 {
		return nil, raft.ErrUnavailable
	}
	start := s.tailStart()
	if lo < start {
		return s.fromDisk(lo, min(hi, start), maxBytes), nil
	}
	list := s.tail[lo-start : hi-start]
	var size uint64
	for i, e := range list {
		if size += entrySize(e); size > maxBytes && i > 0 {
			list = list[:i]
			break
		}
	}
	return list[:len(list):len(list)], nil
}

// A diskFailure is panicked with where raft has no way to take an error; the
// raft loop catches it and stops.
type diskFailure struct{ err error }

func (s *storage) fromDisk(lo, hi, maxBytes uint64) []*raftpb.Entry {
	list, err := s.disk.entries(lo, hi, maxBytes)
	if err == nil && len(list) == 0 {
		err = s.disk.corrupt(fmt.Sprintf("entry %d is missing", lo), nil)
	}
	if err != nil {
		panic(diskFailure{err})
	}
	return list
}

func (s *storage) tailStart() uint64 { return s.last.position + 1 - uint64(len(s.tail)) }

// appended takes entries that are now on disk; those at their positions and
// after are gone. applied bounds what may leave the memory.
func (s *storage) appended(entries []*raftpb.Entry, applied uint64) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].GetIndex()
	if start := s.tailStart(); first <= start {
		s.tail, s.tailBytes = nil, 0
	} else if first <= s.last.position {
		for _, e := range s.tail[first-start:] {
			s.tailBytes -= entrySize(e)
		}
		s.tail = s.tail[: first-start : first-start]
	}
	for _, e := range entries {
		n := entrySize(e)
		s.tailBytes += n
		s.written += n
	}
	s.tail = append(s.tail, entries...)
	e := entries[len(entries)-1]
	s.last = place{e.GetIndex(), e.GetTerm()}
	for len(s.marks) > 0 && s.marks[len(s.marks)-1].position >= first {
		s.marks = s.marks[:len(s.marks)-1]
	}
	if n := len(s.marks); n == 0 || s.written-s.marks[n-1].written >= markEvery {
		s.marks = append(s.marks, mark{s.last.position, s.written})
	}
	s.shrinkTail(applied)
}

// shrinkTail forgets old entries once a quarter too many are held, so that the
// copy it takes costs little per entry. Slices handed to raft stay whole.
func (s *storage) shrinkTail(applied uint64) {
	if len(s.tail) <= s.maxTail+s.maxTail/4 && s.tailBytes <= s.maxBytes+s.maxBytes/4 {
		return
	}
	drop, start := 0, s.tailStart()
	for drop < len(s.tail) && start+uint64(drop) <= applied &&
		(len(s.tail)-drop > s.maxTail || s.tailBytes > s.maxBytes) {
		s.tailBytes -= entrySize(s.tail[drop])
		drop++
	}
	if drop == 0 {
		return
	}
	kept := make([]*raftpb.Entry, len(s.tail)-drop, len(s.tail)-drop+s.maxTail/2)
	copy(kept, s.tail[drop:])
	s.tail = kept
}

// bytesFloor is the position before which entries must go so that at most
// maxBytes remain up to position.
func (s *storage) bytesFloor(position, maxBytes uint64) uint64 {
	end := s.written
	for _, m := range s.marks {
		if m.position >= position {
			end = m.written
			break
		}
	}
	floor := s.truncated.position
	for _, m := range s.marks {
		if m.position < position && m.written+maxBytes < end {
			floor = m.position
		}
	}
	return floor
}

// truncate forgets the entries up to position, which must be in the log. The
// disk follows.
func (s *storage) truncate(position uint64) place {
	term, err := s.Term(position)
	if err != nil {
		panic(fmt.Sprintf("raftlog: truncate to %d: %v", position, err))
	}
	s.truncated = place{position, term}
	if start := s.tailStart(); position >= start {
		for _, e := range s.tail[:position+1-start] {
			s.tailBytes -= entrySize(e)
		}
		s.tail = s.tail[position+1-start:]
	}
	n := 0
	for n < len(s.marks) && s.marks[n].position <= position {
		n++
	}
	s.marks = append(s.marks[:0], s.marks[n:]...)
	return s.truncated
}

// reset makes the log empty, to go on after p.
func (s *storage) reset(p place) {
	s.truncated, s.last = p, p
	s.tail, s.tailBytes, s.marks = nil, 0, nil
}

// Snapshot implements raft.Storage. raft asks when a follower needs one, is
// told to come back, and finds a capture when it does.
func (s *storage) Snapshot() (*raftpb.Snapshot, error) { return s.snapshots.take() }
