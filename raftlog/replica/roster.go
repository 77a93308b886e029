package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"keytree/raftlog/member"
	"keytree/store"
)

// The roster lies in the Cluster space, so that it is replicated, captured
// and counted like keys (etcd's layout, spec 13):
//
//	/members/ID/raftAttributes   {"peerURLs":[...]}
//	/members/ID/attributes       {"name":"...","clientURLs":[...]}
//	/version                     the cluster's version, such as 3.4.0
var (
	membersPath = store.ParsePath(store.Cluster, "/members")
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
}

// roster is who is in the cluster, as the tree has it. It is never changed,
// only replaced.
type roster struct {
	members []member.Member // by ID
	version string
}

// enroll is the command that puts a member into the roster.
func enroll(id member.ID, peerURLs []string) store.Command {
	text, err := json.Marshal(raftAttributes{PeerURLs: slices.Sorted(slices.Values(peerURLs))})
	if err != nil {
		panic(err) // strings always marshal
	}
	return store.Command{Op: store.Create, Path: memberPath(id).Child(raftAttributesName), Value: string(text)}
}

// introduce is the command that tells the others a member's name and where
// clients reach it.
func introduce(id member.ID, a attributes) store.Command {
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings always marshal
	}
	return store.Command{Op: store.Set, Path: memberPath(id).Child(attributesName), Value: string(text)}
}

func memberPath(id member.ID) store.Path { return membersPath.Child(id.String()) }

// loadRoster reads the roster anew from the tree.
func (r *Replica) loadRoster() error {
	all := &roster{}
	l, err := r.tree.List(membersPath, true)
	if err == nil {
		all.members, err = readMembers(l)
		err = errors.Join(err, l.Close())
	}
	if err != nil && !isRefusal(err, store.CodeKeyNotFound) {
		return fmt.Errorf("read the roster: %w", err)
	}
	n, _, err := r.tree.Get(versionPath)
	if err != nil && !isRefusal(err, store.CodeKeyNotFound) {
		return fmt.Errorf("read the cluster's version: %w", err)
	}
	all.version = n.Value
	r.roster.Store(all)
	select {
	case r.rosterChanged <- struct{}{}:
	default:
	}
	return nil
}

func readMembers(l *store.Listing) ([]member.Member, error) {
	var all []member.Member
	for l.Next() {
		it := l.Item()
		if it.Kind != store.Leaf {
			continue
		}
		rest := strings.TrimPrefix(string(it.Path), membersPath.String()+"/")
		hex, what, _ := strings.Cut(rest, "/")
		id, err := member.ParseID(hex)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 || all[len(all)-1].ID != id {
			all = append(all, member.Member{ID: id})
		}
		m := &all[len(all)-1]
		switch what {
		case raftAttributesName:
			var a raftAttributes
			err = json.Unmarshal(it.Value, &a)
			m.PeerURLs = a.PeerURLs
		case attributesName:
			var a attributes
			err = json.Unmarshal(it.Value, &a)
			m.Name, m.ClientURLs = a.Name, a.ClientURLs
		}
		if err != nil {
			return nil, fmt.Errorf("member %v: %w", id, err)
		}
	}
	slices.SortFunc(all, func(a, b member.Member) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return all, l.Err()
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
// only.
func (r *Replica) Members() []member.Member { return r.roster.Load().members }

// Version is the cluster's version, or "" while it is undecided.
func (r *Replica) Version() string { return r.roster.Load().version }

// Leader is the member that leads, as this one knows.
func (r *Replica) Leader() (member.Member, bool) {
	leader := member.ID(r.log.Status().Leader)
	for _, m := range r.Members() {
		if m.ID == leader {
			return m, true
		}
	}
	return member.Member{}, false
}
