package replica

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"keytree/raftlog/member"
	"keytree/store"
)

// The roster lies in the Cluster space, so that it is replicated, captured
// and counted like keys (etcd's layout, spec 13):
//
//	/members/ID/raftAttributes   {"peerURLs":[...]}
//	/members/ID/attributes       {"name":"...","clientURLs":[...]}, and "isLearner":true of one that does not vote
//	/removed_members/ID          {"peerURLs":[...]}, for ever
//	/version                     the cluster's version, such as 3.4.0
var (
	membersPath = store.ParsePath(store.Cluster, "/members")
	removedPath = store.ParsePath(store.Cluster, "/removed_members")
	versionPath = store.ParsePath(store.Cluster, "/version")
)

const (
	raftAttributesName = "raftAttributes"
	attributesName     = "attributes"
)

type raftAttributes struct {
	PeerURLs []string `json:"peerURLs"`
}

type attributes struct {
	Name       string   `json:"name"`
	ClientURLs []string `json:"clientURLs"`
	Learner    bool     `json:"isLearner,omitempty"`
}

// roster is who is in the cluster, as the tree has it. It is never changed,
// only replaced.
type roster struct {
	members []member.Member // by ID
	removed []member.Member // by ID; the peer URLs are those it had last
	version string
}

func byID(a, b member.Member) int { return cmp.Compare(a.ID, b.ID) }

func find(list []member.Member, id member.ID) (member.Member, bool) {
	i, found := slices.BinarySearchFunc(list, member.Member{ID: id}, byID)
	if !found {
		return member.Member{}, false
	}
	return list[i], true
}

// loadRoster reads the roster anew from the tree.
func (r *Replica) loadRoster() error {
	all := &roster{}
	var err error
	if all.members, err = r.readMembers(membersPath); err != nil {
		return err
	}
	if all.removed, err = r.readMembers(removedPath); err != nil {
		return err
	}
	n, _, err := r.tree.Get(versionPath)
	if err != nil && !isRefusal(err, store.CodeKeyNotFound) {
		return fmt.Errorf("read the cluster's version: %w", err)
	}
	all.version = n.Value
	r.roster.Store(all)
	r.rosterChanged()
	return nil
}

// readMembers reads the members below p, sorted by ID.
func (r *Replica) readMembers(p store.Path) ([]member.Member, error) {
	all := map[member.ID]member.Member{}
	l, err := r.tree.List(p, true)
	if isRefusal(err, store.CodeKeyNotFound) {
		return nil, nil
	}
	if err == nil {
		for l.Next() && err == nil {
			if it := l.Item(); it.Kind == store.Leaf {
				err = readMember(all, strings.TrimPrefix(string(it.Path), p.String()+"/"), it.Value)
			}
		}
		err = errors.Join(err, l.Err(), l.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("read the roster: %w", err)
	}
	return slices.SortedFunc(maps.Values(all), byID), nil
}

// readMember takes over one node of the roster; name is ID or ID/part.
func readMember(all map[member.ID]member.Member, name string, value []byte) error {
	hex, part, _ := strings.Cut(name, "/")
	id, err := member.ParseID(hex)
	if err != nil {
		return err
	}
	m := all[id]
	m.ID = id
	if part == attributesName {
		var a attributes
		err = json.Unmarshal(value, &a)
		m.Name, m.ClientURLs, m.Learner = a.Name, a.ClientURLs, a.Learner
	} else {
		var a raftAttributes
		err = json.Unmarshal(value, &a)
		m.PeerURLs = a.PeerURLs
	}
	if err != nil {
		return fmt.Errorf("member %v: %w", id, err)
	}
	all[id] = m
	return nil
}

func isRefusal(err error, code store.Code) bool {
	var refusal *store.Error
	return errors.As(err, &refusal) && refusal.Code == code
}

// Self is this member's identity.
func (r *Replica) Self() member.ID { return r.self }

// ClusterID is the identity of the cluster.
func (r *Replica) ClusterID() member.ID { return r.cluster }

// Members are all members, sorted by ID. The slice is the caller's to read
// only. One that has just joined knows only what it was told when it did.
func (r *Replica) Members() []member.Member {
	if known := r.roster.Load().members; len(known) > 0 {
		return known
	}
	return r.hints
}

// Version is the cluster's version, or "" while it is undecided.
func (r *Replica) Version() string { return r.roster.Load().version }

// Leader is the member that leads, as this one knows.
func (r *Replica) Leader() (member.Member, bool) {
	return find(r.Members(), member.ID(r.log.Status().Leader))
}
