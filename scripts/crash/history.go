package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A history is all that is known about a run from outside: what was asked
// and answered, what watches brought, and what was there after each restart.
type history struct {
	ops       []op
	sequences []sequence
	snapshots []snapshot
	lives     []life
}

// An outcome is what became of an operation.
type outcome int

const (
	unknown      outcome = iota // the connection broke before the answer
	acknowledged                // done, at op.index
	refused                     // the server said no
)

func (o outcome) String() string { return [...]string{"unknown", "acknowledged", "refused"}[o] }

// An op is one write by one writer. No two writes have the same value.
type op struct {
	writer  int
	action  string // of the event it makes
	key     string // for an in-order write the directory, then what was answered
	value   string // what it writes
	removes string // for a removal the value that it finds
	outcome outcome
	index   uint64
	created uint64
	floor   uint64 // an index acknowledged to somebody before this was sent
	must    bool   // it is wrong to refuse this
}

func (o op) String() string {
	return fmt.Sprintf("writer %d: %s %s value=%q removes=%q %s index=%d created=%d", o.writer, o.action, o.key, o.value, o.removes, o.outcome, o.index, o.created)
}

// An event is one line of a watch.
type event struct {
	index   uint64
	created uint64
	action  string
	key     string
	value   string
	before  string // value of prevNode
}

func (e event) String() string {
	return fmt.Sprintf("%d %s %s value=%q before=%q created=%d", e.index, e.action, e.key, e.value, e.before, e.created)
}

// A sequence is what one follower saw, resumed by waitIndex across restarts.
type sequence struct {
	name   string
	events []event
}

// A snapshot is the tree as it stood after a restart, before anybody wrote.
type snapshot struct {
	index uint64 // X-Etcd-Index
	floor uint64 // the highest index acknowledged before
	later string // for an index below floor, what became of it
	nodes map[string]node
}

type node struct {
	value             string
	created, modified uint64
}

// A life is the time from one successful start to the next.
type life struct {
	floor  uint64 // highest index acknowledged before it began
	starts int    // processes started, those killed while starting included
}

// fresh is where a new member stands before its first key: it has written
// itself and the cluster's version.
const fresh = 3

// mostFaults ends a list that would only repeat itself.
const mostFaults = 20

// check returns everything in the history that ought not to be.
func (h *history) check() []string {
	var faults []string
	for _, s := range h.sequences {
		faults = append(faults, s.checkOrder()...)
	}
	if len(h.sequences) == 0 || len(faults) > 0 {
		return faults
	}
	events := h.sequences[0].events
	for _, s := range h.sequences[1:] {
		faults = append(faults, sameSequence(h.sequences[0], s)...)
	}
	faults = append(faults, checkGaps(events, h.lives)...)
	faults = append(faults, checkOps(events, h.ops)...)
	faults = append(faults, checkTree(events, h.snapshots)...)
	if len(faults) > mostFaults {
		faults = append(faults[:mostFaults], fmt.Sprintf("and %d more", len(faults)-mostFaults))
	}
	return faults
}

func (s sequence) checkOrder() []string {
	var faults []string
	for i := 1; i < len(s.events); i++ {
		if s.events[i].index <= s.events[i-1].index {
			faults = append(faults, fmt.Sprintf("%s: event {%v} comes after {%v}", s.name, s.events[i], s.events[i-1]))
		}
	}
	return faults
}

// sameSequence compares two followers as far as both have come.
func sameSequence(a, b sequence) []string {
	for i := range min(len(a.events), len(b.events)) {
		if a.events[i] != b.events[i] {
			return []string{fmt.Sprintf("%s and %s part: {%v} and {%v}", a.name, b.name, a.events[i], b.events[i])}
		}
	}
	return nil
}

// checkGaps looks at the indexes that no event has. A member writes itself
// once at each start; nothing else may take an index unseen.
func checkGaps(events []event, lives []life) []string {
	var faults []string
	missing := make([]int, len(lives))
	last, at := uint64(fresh), 0
	for _, e := range events {
		for i := last + 1; i < e.index; i++ {
			for at+1 < len(lives) && lives[at+1].floor < i {
				at++
			}
			missing[at]++
		}
		last = e.index
	}
	for i, l := range lives {
		allowed := l.starts
		if i == 0 {
			allowed-- // the first start is in fresh
		}
		if missing[i] > allowed {
			faults = append(faults, fmt.Sprintf("%d indexes without event in the life after index %d, which had %d starts", missing[i], l.floor, l.starts))
		}
	}
	return faults
}

// checkOps holds events and operations against each other.
func checkOps(events []event, ops []op) []string {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	byIndex := make(map[uint64]event, len(events))
	end := uint64(0)
	for _, e := range events {
		byIndex[e.index] = e
		end = e.index
	}
	takers := make(map[string][]op, len(ops)) // who may have made an event
	queued := make(map[string]op)
	for _, o := range ops {
		takers[o.mark()] = append(takers[o.mark()], o)
		switch {
		case o.outcome == refused && o.must:
			fault("{%v} ought to have been done", o)
		case o.outcome != acknowledged:
			continue
		}
		if o.outcome == refused {
			continue
		}
		if o.index <= o.floor {
			fault("{%v} came after index %d had been acknowledged", o, o.floor)
		}
		if o.action == "create" && strings.HasPrefix(o.key, queue+"/") {
			if other, taken := queued[o.key]; taken {
				fault("in-order key given twice: {%v} and {%v}", other, o)
			}
			queued[o.key] = o
			if want := fmt.Sprintf("%s/%020d", queue, o.index); o.key != want {
				fault("{%v} ought to be called %s", o, want)
			}
		}
		if e, there := byIndex[o.index]; o.index <= end && (!there || !o.made(e)) {
			fault("acknowledged {%v} is not in the events, there is {%v}", o, e)
		}
	}
	for _, e := range events {
		faults = append(faults, claim(takers, e)...)
	}
	return faults
}

// claim finds the one operation that made an event, and takes it away.
func claim(takers map[string][]op, e event) []string {
	mark := (op{action: e.action, key: e.key, value: e.value, removes: e.before}).mark()
	ops := takers[mark]
	best := slices.IndexFunc(ops, func(o op) bool { return o.outcome == acknowledged && o.index == e.index })
	if best < 0 {
		best = slices.IndexFunc(ops, func(o op) bool { return o.outcome == unknown && o.made(e) })
	}
	if best < 0 {
		return []string{fmt.Sprintf("nobody asked for the event {%v}, or it came twice, or it was refused: %v", e, ops)}
	}
	takers[mark] = slices.Delete(ops, best, best+1)
	return nil
}

// mark is what tells an operation's event from others: the value written, for
// a removal the value removed.
func (o op) mark() string {
	if o.value != "" {
		return o.value
	}
	return "-" + o.removes
}

// made reports whether e is the event of o.
func (o op) made(e event) bool {
	if o.action != e.action || o.value != e.value {
		return false
	}
	if o.value == "" && o.removes != e.before {
		return false
	}
	if o.outcome == acknowledged {
		return o.key == e.key && o.index == e.index && o.created == e.created
	}
	return o.key == e.key || e.action == "create" && strings.HasPrefix(e.key, o.key+"/")
}

// checkTree follows the events with a map, and holds it against every
// snapshot on the way.
func checkTree(events []event, snapshots []snapshot) []string {
	var faults []string
	snapshots = slices.SortedFunc(slices.Values(snapshots), func(a, b snapshot) int { return cmp.Compare(a.index, b.index) })
	tree := make(map[string]node)
	for _, s := range snapshots {
		if s.index < s.floor {
			faults = append(faults, fmt.Sprintf("X-Etcd-Index went back to %d after %d had been acknowledged%s", s.index, s.floor, s.later))
		}
	}
	for _, e := range events {
		for len(snapshots) > 0 && snapshots[0].index < e.index {
			faults = append(faults, snapshots[0].differs(tree)...)
			snapshots = snapshots[1:]
		}
		faults = append(faults, e.apply(tree)...)
	}
	for _, s := range snapshots {
		faults = append(faults, s.differs(tree)...)
	}
	return faults
}

// apply does to the tree what the event tells, and says where they disagree.
func (e event) apply(tree map[string]node) []string {
	old, existed := tree[e.key]
	created := e.index
	if e.action == "compareAndSwap" || e.action == "delete" || e.action == "compareAndDelete" {
		created = old.created
	}
	var faults []string
	if e.created != created {
		faults = append(faults, fmt.Sprintf("event {%v}: createdIndex ought to be %d", e, created))
	}
	if e.before != old.value {
		faults = append(faults, fmt.Sprintf("event {%v}: the value before was %q (%v)", e, old.value, existed))
	}
	if e.action == "delete" || e.action == "compareAndDelete" {
		delete(tree, e.key)
	} else {
		tree[e.key] = node{e.value, e.created, e.index}
	}
	return faults
}

func (s snapshot) differs(tree map[string]node) []string {
	var faults []string
	for key, want := range tree {
		if got, there := s.nodes[key]; got != want {
			faults = append(faults, fmt.Sprintf("after the restart at index %d: %s is %+v (there: %v), ought to be %+v", s.index, key, got, there, want))
		}
	}
	for key, got := range s.nodes {
		if _, there := tree[key]; !there {
			faults = append(faults, fmt.Sprintf("after the restart at index %d: %s is %+v, ought not to be there", s.index, key, got))
		}
	}
	return faults
}
