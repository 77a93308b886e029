package raftlog

import (
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/confchange"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"
)

// A membership change carries the same envelope as a proposal, at the front of
// its context: only a stamp, and no id.

func isChange(e *raftpb.Entry) bool { return e.GetType() != raftpb.EntryNormal }

// sealChange makes the entry of a proposed change.
func sealChange(cc raftpb.ConfChangeI) (*raftpb.Entry, error) {
	v2 := cc.AsV2()
	context := make([]byte, Headroom, Headroom+len(v2.GetContext()))
	seal(context, 0)
	data, err := proto.Marshal(&raftpb.ConfChangeV2{
		Transition: v2.Transition,
		Changes:    v2.Changes,
		Context:    append(context, v2.GetContext()...),
	})
	if err != nil {
		return nil, fmt.Errorf("encode membership change: %w", err)
	}
	return &raftpb.Entry{Type: raftpb.EntryConfChangeV2.Enum(), Data: data}, nil
}

// parseChange reads a change. The one raft makes itself, to leave a joint
// membership, has neither data nor envelope.
func parseChange(e *raftpb.Entry) (*raftpb.ConfChangeV2, error) {
	var cc raftpb.ConfChangeI
	var err error
	if e.GetType() == raftpb.EntryConfChange {
		v1 := &raftpb.ConfChange{}
		cc, err = v1, proto.Unmarshal(e.GetData(), v1)
	} else {
		v2 := &raftpb.ConfChangeV2{}
		cc, err = v2, proto.Unmarshal(e.GetData(), v2)
	}
	if err != nil {
		return nil, fmt.Errorf("decode membership change: %w", err)
	}
	return cc.AsV2(), nil
}

// stampChange sets the stamp of a change that enters the leader's log.
func stampChange(e *raftpb.Entry, stamp int64) error {
	cc, err := parseChange(e)
	if err != nil {
		return err
	}
	if _, err := openEnvelope(cc.GetContext()); err != nil {
		return err
	}
	setStamp(cc.Context, stamp)
	data, err := proto.Marshal(cc)
	if err != nil {
		return fmt.Errorf("encode membership change: %w", err)
	}
	e.Type, e.Data = raftpb.EntryConfChangeV2.Enum(), data
	return nil
}

// stampOf is the stamp an entry carries, if it carries one.
func stampOf(e *raftpb.Entry) (int64, bool) {
	data := e.GetData()
	if isChange(e) {
		cc, err := parseChange(e)
		if err != nil {
			return 0, false
		}
		data = cc.GetContext()
	}
	env, err := openEnvelope(data)
	return env.stamp, err == nil
}

// checkChange says whether cc fits the membership conf. raft panics on one that
// does not, so every member asks first; the answer follows from the arguments
// alone, so every member refuses the same.
func checkChange(conf *raftpb.ConfState, cc *raftpb.ConfChangeV2) error {
	switch cc.GetTransition() {
	case raftpb.ConfChangeTransitionAuto, raftpb.ConfChangeTransitionJointImplicit, raftpb.ConfChangeTransitionJointExplicit:
	default:
		return fmt.Errorf("unknown transition %d", cc.GetTransition())
	}
	for _, c := range cc.GetChanges() {
		if c.GetNodeId() == 0 {
			return errors.New("member id 0")
		}
	}
	const anywhere = 1 // progress is not looked at
	config, progress, err := confchange.Restore(confchange.Changer{
		Tracker: tracker.MakeProgressTracker(1, 0), LastIndex: anywhere,
	}, conf)
	if err != nil {
		return fmt.Errorf("current membership: %w", err)
	}
	t := tracker.MakeProgressTracker(1, 0)
	t.Config, t.Progress = config, progress
	changer := confchange.Changer{Tracker: t, LastIndex: anywhere}
	if cc.LeaveJoint() {
		_, _, err = changer.LeaveJoint()
	} else if autoLeave, joint := cc.EnterJoint(); joint {
		_, _, err = changer.EnterJoint(autoLeave, cc.GetChanges()...)
	} else {
		_, _, err = changer.Simple(cc.GetChanges()...)
	}
	return err
}
