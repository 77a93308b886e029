package raftlog

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
)

// Seize makes the member in c.Dir the only one of its cluster, for an operator
// who has lost the others for good. Everything in its log counts as committed,
// whether or not the others ever agreed; then all others leave, and then come
// proposals, each with Headroom, which the next start hands to the machine.
//
// The log must not be open. If the others are alive after all, there are two
// clusters with the same history.
func Seize(c Config, proposals [][]byte) error {
	c = c.withDefaults()
	d, err := openDisk(c)
	if err != nil {
		return err
	}
	return errors.Join(d.seize(c, proposals), d.close())
}

func (d *disk) seize(c Config, proposals [][]byte) error {
	r, err := recoverLog(c, d)
	if err != nil {
		return err
	}
	conf, err := r.membership(c)
	if err != nil {
		return err
	}
	hard := hardState{term: r.storage.hard.term + 1, vote: c.ID}
	position := r.storage.last.position
	b, err := d.newBatch()
	if err != nil {
		return err
	}
	add := func(e *raftpb.Entry) {
		position++
		e.Index, e.Term = new(position), new(hard.term)
		err = errors.Join(err, putEntry(b, e))
	}
	for _, change := range departures(conf, c.ID) {
		e, sealing := sealChange(change)
		if sealing == nil {
			sealing = stampChange(e, r.stamp)
		}
		if sealing != nil {
			return errors.Join(sealing, b.Close())
		}
		add(e)
	}
	for _, buf := range proposals {
		seal(buf, 0)
		setStamp(buf, r.stamp)
		add(&raftpb.Entry{Data: buf})
	}
	hard.commit = position
	if err = errors.Join(err, putHardState(b, hard)); err == nil {
		err = d.commit(b, true)
	}
	return errors.Join(err, b.Close())
}

// membership is who takes part once all of the log is applied.
func (r *recovery) membership(c Config) (*raftpb.ConfState, error) {
	core := newCore(c, r, &clock{})
	entries, err := r.storage.disk.entries(r.cursor+1, r.storage.last.position+1, 1<<62)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !isChange(e) {
			continue
		}
		cc, err := parseChange(e)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.GetIndex(), err)
		}
		if checkChange(core.conf, cc) == nil {
			core.conf = core.raw.ApplyConfChange(cc)
		}
	}
	return core.conf, nil
}

// departures are the changes that leave nobody but self, one by one: each is
// within what raft allows without the others.
func departures(conf *raftpb.ConfState, self uint64) []raftpb.ConfChangeI {
	var list []raftpb.ConfChangeI
	if len(conf.GetVotersOutgoing()) > 0 {
		list = append(list, &raftpb.ConfChangeV2{}) // leave the joint membership first
	}
	list = append(list, oneChange(raftpb.ConfChangeAddNode, self))
	for _, ids := range [][]uint64{conf.GetVoters(), conf.GetLearners(), conf.GetLearnersNext()} {
		for _, id := range ids {
			if id != self {
				list = append(list, oneChange(raftpb.ConfChangeRemoveNode, id))
			}
		}
	}
	return list
}

func oneChange(what raftpb.ConfChangeType, id uint64) raftpb.ConfChangeI {
	return &raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{{Type: what.Enum(), NodeId: new(id)}}}
}

// Membership reads the note a Machine was given with a batch: who votes there,
// and who learns.
func Membership(bytes []byte) (voters, learners []uint64, err error) {
	n, err := parseNote(bytes)
	return n.conf.GetVoters(), n.conf.GetLearners(), err
}
