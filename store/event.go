package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// Action is what an event did. Its String is the dialect's word for it.
type Action byte

// The values lie on disk: they are never renumbered.
const (
	ActionSet              Action = 1
	ActionCreate           Action = 2
	ActionUpdate           Action = 3
	ActionDelete           Action = 4
	ActionCompareAndSwap   Action = 5
	ActionCompareAndDelete Action = 6
	ActionExpire           Action = 7
)

func (a Action) String() string {
	names := [...]string{"", "set", "create", "update", "delete", "compareAndSwap", "compareAndDelete", "expire"}
	if int(a) < len(names) && a > 0 {
		return names[a]
	}
	return fmt.Sprintf("action %d", byte(a))
}

// Removes reports whether the action takes its node away.
func (a Action) Removes() bool {
	return a == ActionDelete || a == ActionCompareAndDelete || a == ActionExpire
}

// Event is what one applied command, or one node of a sweep, did. Events are
// shared by everybody who watches and must not be changed.
type Event struct {
	Action  Action
	Node    Node  // as it is now; of a removal, only its path, kind and indices
	Prev    *Node // as it was; nil if there was nothing
	Index   Index
	Refresh bool  // only the lifetime changed: watchers are not woken
	Now     int64 // the log's clock at that moment, nanoseconds since 1970

	rendered atomic.Pointer[[]byte]
	fallen   *fallen // for the removal of a directory: whom else to wake
}

// Rendered returns what render makes of e, calling it once for all callers;
// at worst a few times when they meet. The bytes must not be changed.
func (e *Event) Rendered(render func(*Event) []byte) []byte {
	if b := e.rendered.Load(); b != nil {
		return *b
	}
	b := render(e)
	e.rendered.Store(&b)
	return b
}

// matches reports whether the history owes e to a watch on p.
func (e *Event) matches(p Path, recursive bool) bool {
	at := e.Node.Path
	switch {
	case e.Refresh || at.space != p.space:
		return false
	case at == p, recursive && at.Under(p):
		return true
	}
	// The removal of a directory concerns every path that begins with the
	// same string, even a sibling with a longer name (recorded: ttl_03,
	// watch_04).
	return e.Prev != nil && e.Prev.Dir && e.Action.Removes() && strings.HasPrefix(p.name, at.name)
}

// The binary form of an event:
//
//	version(1)=1  action(1)  flags(1)  space(1)  index uvarint  now 8 bytes
//	len path  len record  [len record of prev]
//
// flags: bit 0 refresh, bit 1 prev follows. A record is as in node.go.
const (
	eventVersion = 1

	evRefresh = 1 << 0
	evPrev    = 1 << 1
)

var errBadEvent = errors.New("store: damaged event")

func (e *Event) append(b []byte) []byte {
	var flags byte
	if e.Refresh {
		flags |= evRefresh
	}
	if e.Prev != nil {
		flags |= evPrev
	}
	b = append(b, eventVersion, byte(e.Action), flags, byte(e.Node.Path.space))
	b = binary.AppendUvarint(b, uint64(e.Index))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Now))
	b = appendString(b, e.Node.Path.name)
	b = appendNodeRecord(b, &e.Node)
	if e.Prev != nil {
		b = appendNodeRecord(b, e.Prev)
	}
	return b
}

func appendNodeRecord(b []byte, n *Node) []byte {
	r := record{created: n.Created, modified: n.Modified, expiry: n.Expiry, dir: n.Dir, value: n.Value}
	b = binary.AppendUvarint(b, uint64(r.size()))
	return r.append(b)
}

func parseEvent(b []byte) (*Event, error) {
	if len(b) < 4 || b[0] != eventVersion || b[2]&^(evRefresh|evPrev) != 0 {
		return nil, errBadEvent
	}
	d := decoder{b: b[4:]}
	e := &Event{Action: Action(b[1]), Refresh: b[2]&evRefresh != 0}
	e.Index = Index(d.uvarint())
	e.Now = int64(d.uint64())
	p := Path{Space(b[3]), d.string()}
	node, err := parseRecord(d.bytes(d.uvarint()))
	if err != nil {
		return nil, errBadEvent
	}
	e.Node = node.record().node(p)
	if b[2]&evPrev != 0 {
		prev, err := parseRecord(d.bytes(d.uvarint()))
		if err != nil {
			return nil, errBadEvent
		}
		n := prev.record().node(p)
		e.Prev = &n
	}
	if d.failed || len(d.b) > 0 || e.Action < ActionSet || e.Action > ActionExpire || !p.valid(Set) {
		return nil, errBadEvent
	}
	return e, nil
}
