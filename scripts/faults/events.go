package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A story is all that is known of a run from outside.
type story struct {
	ops       []op
	sequences []sequence
	final     map[string]node // the tree at the end, as all members show it
	index     uint64          // of that tree; something unknown may still happen later
	at        time.Duration   // when that was
}

// mostFaults ends a list that would only repeat itself.
const mostFaults = 12

// check returns everything that ought not to be.
func (s *story) check() []string {
	faults := linearizable(append(slices.Clone(s.ops), s.finalReads()...))
	faults = append(faults, s.checkRealTime()...)
	faults = append(faults, s.checkFinal()...)
	events, wrong := s.merge()
	faults = append(faults, wrong...)
	if len(wrong) == 0 {
		faults = append(faults, s.checkEvents(events)...)
	}
	if len(faults) > mostFaults {
		faults = append(faults[:mostFaults], fmt.Sprintf("and %d more", len(faults)-mostFaults))
	}
	return faults
}

// finalReads are the tree at the end as reads of each register.
func (s *story) finalReads() []op {
	var reads []op
	asked := make(map[string]bool)
	for _, o := range s.ops {
		if o.kind == enqueue || asked[o.key] {
			continue
		}
		asked[o.key] = true
		reads = append(reads, op{
			client: -1, member: "all", kind: read, key: o.key, call: s.at, ret: s.at + 1, outcome: done, found: s.final[o.key],
		})
	}
	return reads
}

// checkRealTime holds the indexes of writes against the clock: what was
// answered before another began has the lower index.
func (s *story) checkRealTime() []string {
	writes := slices.DeleteFunc(slices.Clone(s.ops), func(o op) bool { return o.outcome != done || !o.kind.writes() })
	calls := slices.SortedFunc(slices.Values(writes), byCall)
	returns := slices.SortedFunc(slices.Values(writes), func(a, b op) int { return cmp.Compare(a.ret, b.ret) })
	var faults []string
	var newest op // of those answered before
	for _, o := range calls {
		for len(returns) > 0 && returns[0].ret < o.call {
			if returns[0].index > newest.index {
				newest = returns[0]
			}
			returns = returns[1:]
		}
		if o.index <= newest.index {
			faults = append(faults, fmt.Sprintf("{%v} came after {%v} was answered", o, newest))
		}
	}
	return faults
}

// checkFinal looks for acknowledged in-order keys in the tree, and for values
// nobody wrote.
func (s *story) checkFinal() []string {
	var faults []string
	written := make(map[string]op, len(s.ops))
	for _, o := range s.ops {
		if o.value != "" {
			written[o.value] = o
		}
		if o.kind == enqueue && o.outcome == done && s.final[o.name].value != o.value {
			faults = append(faults, fmt.Sprintf("acknowledged {%v} is gone: %s is %v at the end", o, o.name, s.final[o.name]))
		}
	}
	for key, n := range s.final {
		if o, there := written[n.value]; !there || o.outcome == refused || !o.writesTo(key) {
			faults = append(faults, fmt.Sprintf("nobody wrote %s, which is %v at the end, or it was refused: {%v}", key, n, o))
		}
	}
	return faults
}

// writesTo reports whether o may be what made key.
func (o op) writesTo(key string) bool {
	return o.key == key || o.kind == enqueue && strings.HasPrefix(key, o.key+"/")
}

// merge puts what all followers saw together. Where several ought to have seen
// an event they must have seen the same.
func (s *story) merge() ([]event, []string) {
	var faults []string
	all := make(map[uint64]event)
	for _, q := range s.sequences {
		last := q.from
		for _, e := range q.events {
			if e.index <= last {
				faults = append(faults, fmt.Sprintf("%s: event {%v} comes after index %d", q.name, e, last))
			}
			if other, there := all[e.index]; there && other != e {
				faults = append(faults, fmt.Sprintf("%s: event {%v}, others saw {%v}", q.name, e, other))
			}
			last = e.index
			if e.index <= s.index {
				all[e.index] = e
			}
		}
	}
	events := slices.SortedFunc(maps.Values(all), func(a, b event) int { return cmp.Compare(a.index, b.index) })
	for _, q := range s.sequences {
		seen := make(map[uint64]bool, len(q.events))
		for _, e := range q.events {
			seen[e.index] = true
		}
		for _, e := range events {
			if !seen[e.index] && q.covers(e.index) {
				faults = append(faults, fmt.Sprintf("%s: event {%v} is missing", q.name, e))
			}
		}
	}
	return events, faults
}

// whole reports whether some follower has seen everything.
func (s *story) whole() bool {
	return slices.ContainsFunc(s.sequences, func(q sequence) bool { return q.from == 0 && len(q.gaps) == 0 })
}

// checkEvents holds the events against the operations and the tree at the end.
func (s *story) checkEvents(events []event) []string {
	var faults []string
	byIndex := make(map[uint64]event, len(events))
	for _, e := range events {
		byIndex[e.index] = e
	}
	takers := make(map[string][]op, len(s.ops)) // who may have made an event
	for _, o := range s.ops {
		if !o.kind.writes() || o.outcome == refused {
			continue
		}
		takers[o.mark()] = append(takers[o.mark()], o)
		if e, there := byIndex[o.index]; o.outcome == done && (there || s.whole()) && !o.made(e) {
			faults = append(faults, fmt.Sprintf("acknowledged {%v} is not in the events, there is {%v}", o, e))
		}
	}
	for _, e := range events {
		mark := e.mark()
		best := slices.IndexFunc(takers[mark], func(o op) bool { return o.outcome == done && o.index == e.index })
		if best < 0 {
			best = slices.IndexFunc(takers[mark], func(o op) bool { return o.outcome == unknown && o.made(e) })
		}
		if best < 0 {
			faults = append(faults, fmt.Sprintf("nobody asked for the event {%v}, or it came twice, or it was refused: %v", e, takers[mark]))
			continue
		}
		takers[mark] = slices.Delete(takers[mark], best, best+1)
	}
	if s.whole() {
		faults = append(faults, s.replay(events)...)
	}
	return append(faults, s.checkReads(events)...)
}

// mark tells events apart: the value written, for a removal the key.
func (e event) mark() string {
	if e.value != "" {
		return e.value
	}
	return "-" + e.key
}

func (o op) mark() string {
	if o.value != "" {
		return o.value
	}
	return "-" + o.key
}

// actions are what the kinds are called in events.
func (k kind) action() string {
	return [...]string{"set", "create", "compareAndSwap", "delete", "compareAndDelete", "create", "", ""}[k]
}

// made reports whether e can be the event of o.
func (o op) made(e event) bool {
	if o.kind.action() != e.action || o.value != e.value || !o.writesTo(e.key) {
		return false
	}
	if (o.kind == swap || o.kind == removeIf) && o.expect.value != e.before {
		return false
	}
	if o.outcome != done {
		return true
	}
	return o.index == e.index && o.before.value == e.before && (o.kind != enqueue || o.name == e.key) &&
		(o.found == node{} || o.found.created == e.created)
}

// replay follows the events with a map and holds it against the tree at the
// end.
func (s *story) replay(events []event) []string {
	var faults []string
	tree := make(map[string]node)
	for _, e := range events {
		old := tree[e.key]
		created := e.index
		if e.action == "compareAndSwap" || e.value == "" {
			created = old.created
		}
		if e.created != created || e.before != old.value {
			faults = append(faults, fmt.Sprintf("event {%v} does not fit to %v", e, old))
		}
		if e.value == "" {
			delete(tree, e.key)
		} else {
			tree[e.key] = node{e.value, e.created, e.index}
		}
	}
	if maps.Equal(tree, s.final) {
		return faults
	}
	for key, want := range tree {
		if got := s.final[key]; got != want {
			faults = append(faults, fmt.Sprintf("%s is %v at the end, the events make it %v", key, got, want))
		}
	}
	for key, got := range s.final {
		if _, there := tree[key]; !there {
			faults = append(faults, fmt.Sprintf("%s is %v at the end, the events make it nothing", key, got))
		}
	}
	return faults
}

// checkReads looks for reads that claim an index and show something older.
func (s *story) checkReads(events []event) []string {
	byKey := make(map[string][]event)
	for _, e := range events {
		byKey[e.key] = append(byKey[e.key], e)
	}
	var faults []string
	for _, o := range s.ops {
		if o.kind.writes() || o.outcome != done || o.found.value == "" {
			continue
		}
		for _, e := range byKey[o.key] {
			if e.index > o.found.modified && e.index <= o.header {
				faults = append(faults, fmt.Sprintf("{%v} does not know {%v}", o, e))
				break
			}
		}
	}
	return faults
}
