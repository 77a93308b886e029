package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// A note is what the log must know about the position a Machine stands at. It
// is stored by the Machine together with the batch, and is the only durable
// home of the membership:
//
//	version(1) term stamp(8, big endian) voters learners outgoing next autoLeave(1)
//
// Numbers are uvarints; each of the four lists is its length and its ids.
type note struct {
	term  uint64
	stamp int64
	conf  *raftpb.ConfState
}

const noteVersion = 1

// maxNoteMembers bounds a list in a note against damaged bytes.
const maxNoteMembers = 1 << 10

// Note makes the note of a machine that begins its life outside the log: the
// one to store with an initial tree, for the position given to Bootstrap.
func Note(voters, learners []uint64, term uint64, stamp int64) []byte {
	return note{term: term, stamp: stamp, conf: &raftpb.ConfState{Voters: voters, Learners: learners}}.append(nil)
}

func (n note) append(b []byte) []byte {
	b = append(b, noteVersion)
	b = binary.AppendUvarint(b, n.term)
	b = binary.BigEndian.AppendUint64(b, uint64(n.stamp))
	for _, ids := range [][]uint64{n.conf.GetVoters(), n.conf.GetLearners(), n.conf.GetVotersOutgoing(), n.conf.GetLearnersNext()} {
		b = binary.AppendUvarint(b, uint64(len(ids)))
		for _, id := range ids {
			b = binary.AppendUvarint(b, id)
		}
	}
	if n.conf.GetAutoLeave() {
		return append(b, 1)
	}
	return append(b, 0)
}

var errShortNote = errors.New("note ends early")

// parseNote reads a note. No bytes at all are the note of a machine that has
// never been given any.
func parseNote(b []byte) (note, error) {
	n := note{conf: &raftpb.ConfState{}}
	if len(b) == 0 {
		return n, nil
	}
	if b[0] != noteVersion {
		return n, fmt.Errorf("note has unknown version %d", b[0])
	}
	var ok bool
	if n.term, b, ok = cutUvarint(b[1:]); !ok || len(b) < 8 {
		return n, errShortNote
	}
	n.stamp, b = int64(binary.BigEndian.Uint64(b)), b[8:]
	for _, ids := range []*[]uint64{&n.conf.Voters, &n.conf.Learners, &n.conf.VotersOutgoing, &n.conf.LearnersNext} {
		var count uint64
		if count, b, ok = cutUvarint(b); !ok || count > maxNoteMembers {
			return n, errShortNote
		}
		for range count {
			var id uint64
			if id, b, ok = cutUvarint(b); !ok {
				return n, errShortNote
			}
			*ids = append(*ids, id)
		}
	}
	if len(b) != 1 || b[0] > 1 {
		return n, errShortNote
	}
	if b[0] == 1 {
		n.conf.AutoLeave = new(true)
	}
	return n, nil
}

func cutUvarint(b []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, b, false
	}
	return v, b[n:], true
}
