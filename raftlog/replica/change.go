package replica

import (
	"encoding/json"
	"fmt"
	"slices"

	"keytree/raftlog/member"
	"keytree/store"
)

// rosterChange is a wish about the roster as it travels through the log: JSON,
// so its first byte is no version of a store.Command. Whether it is granted
// is decided when it is applied, from the roster of that moment.
type rosterChange struct {
	What       string      `json:"roster"` // add, remove, update, introduce, introduceAs, seize
	ID         string      `json:"id"`
	PeerURLs   []string    `json:"peerURLs,omitempty"`   // of add and update
	Name       string      `json:"name,omitempty"`       // of introduce and introduceAs
	ClientURLs []string    `json:"clientURLs,omitempty"` // of introduce and introduceAs
	Role       member.Role `json:"role,omitempty"`       // of introduceAs
}

const (
	addMember         = "add"
	removeMember      = "remove"
	updateMember      = "update"
	introduceMember   = "introduce"   // tells a member's name and client URLs
	introduceMemberAs = "introduceAs" // and what it is from now on
	seizeCluster      = "seize"       // leaves nobody but the one named
)

func isRosterChange(data []byte) bool { return len(data) > 0 && data[0] == '{' }

func (c rosterChange) appendJSON(b []byte) []byte {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings always marshal
	}
	return append(b, text...)
}

func parseRosterChange(data []byte) (c rosterChange, id member.ID, err error) {
	if err := json.Unmarshal(data, &c); err != nil {
		return c, 0, err
	}
	switch c.What {
	case addMember, removeMember, updateMember, introduceMember, seizeCluster:
	case introduceMemberAs:
		if c.Role != member.Voter && c.Role != member.Learner {
			return c, 0, fmt.Errorf("a member that is to be %q", c.Role)
		}
	default:
		return c, 0, fmt.Errorf("a change of the roster called %q", c.What)
	}
	id, err = member.ParseID(c.ID)
	return c, id, err
}

// change is the roster after c, and the commands that bring the tree there;
// or why c is refused. It follows from r and c alone.
func (r *roster) change(c rosterChange, id member.ID) (*roster, []store.Command, error) {
	m, known := find(r.members, id)
	if _, gone := find(r.removed, id); gone {
		return nil, nil, member.ErrRemoved
	}
	if known == (c.What == addMember) {
		if known {
			return nil, nil, member.ErrIDExists
		}
		return nil, nil, member.ErrNotFound
	}
	switch c.What {
	case addMember, updateMember:
		if r.taken(c.PeerURLs, id) {
			return nil, nil, member.ErrPeerURLExists
		}
		m.ID, m.PeerURLs = id, c.PeerURLs
		return r.with(m), []store.Command{enroll(m, known)}, nil
	case introduceMember:
		m.Name, m.ClientURLs = c.Name, c.ClientURLs
		return r.with(m), []store.Command{introduce(m)}, nil
	case introduceMemberAs:
		m.Name, m.ClientURLs, m.Learner = c.Name, c.ClientURLs, c.Role == member.Learner
		if m.Learner && !r.votesWithout(id) {
			return nil, nil, member.ErrLastVoter
		}
		return r.with(m), []store.Command{introduce(m)}, nil
	case removeMember:
		return r.without(m), expel(m), nil
	}
	var all []store.Command // seizeCluster
	if m.Learner {          // no longer: somebody has to vote
		m.Learner = false
		r, all = r.with(m), []store.Command{introduce(m)}
	}
	for _, other := range r.members {
		if other.ID != id {
			all = append(all, expel(other)...)
			r = r.without(other)
		}
	}
	return r, all, nil
}

// votesWithout says whether a member other than id is there to vote.
func (r *roster) votesWithout(id member.ID) bool {
	return slices.ContainsFunc(r.members, func(m member.Member) bool { return m.ID != id && m.Name != "" && !m.Learner })
}

// voters are the members that vote, or will.
func voters(all []member.Member) []member.Member {
	return slices.DeleteFunc(slices.Clone(all), func(m member.Member) bool { return m.Learner })
}

// taken says whether one of urls belongs to a member other than id.
func (r *roster) taken(urls []string, id member.ID) bool {
	for _, m := range r.members {
		for _, u := range m.PeerURLs {
			if m.ID != id && slices.Contains(urls, u) {
				return true
			}
		}
	}
	return false
}

func (r *roster) with(m member.Member) *roster {
	return &roster{replaced(r.members, m), r.removed, r.version}
}

func (r *roster) without(m member.Member) *roster {
	return &roster{dropped(r.members, m.ID), replaced(r.removed, m), r.version}
}

// replaced is list with m in the place of whoever had its ID.
func replaced(list []member.Member, m member.Member) []member.Member {
	list = append(dropped(list, m.ID), m)
	slices.SortFunc(list, byID)
	return list
}

func dropped(list []member.Member, id member.ID) []member.Member {
	return slices.DeleteFunc(slices.Clone(list), func(m member.Member) bool { return m.ID == id })
}

// enroll is the command that writes a member's peer URLs.
func enroll(m member.Member, known bool) store.Command {
	op := store.Create
	if known {
		op = store.Update
	}
	return write(op, membersPath.Child(m.ID.String()).Child(raftAttributesName), raftAttributes{slices.Sorted(slices.Values(m.PeerURLs))})
}

// introduce is the command that writes a member's name, where clients reach
// it, and whether it only learns.
func introduce(m member.Member) store.Command {
	return write(store.Set, membersPath.Child(m.ID.String()).Child(attributesName), attributes{m.Name, m.ClientURLs, m.Learner})
}

// expel are the commands that remove a member for ever. It goes on needing
// its peer URLs until raft has let it go.
func expel(m member.Member) []store.Command {
	return []store.Command{
		{Op: store.Delete, Path: membersPath.Child(m.ID.String()), Dir: true, Recursive: true},
		write(store.Create, removedPath.Child(m.ID.String()), raftAttributes{m.PeerURLs}),
	}
}

func write(op store.Op, p store.Path, value any) store.Command {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings always marshal
	}
	return store.Command{Op: op, Path: p, Value: string(text)}
}
