package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// A register is one key. An unknown index is 0 though there is a value: then
// the write that made it was never answered and nobody has looked since.
type register struct {
	value string
	index uint64
	floor uint64 // no later write has an index up to this
}

// registerModel is a key with conditional writes and removals. The index of a
// write is part of what must fit: it grows with every write.
func registerModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return register{} },
		Step: func(state, input, _ any) (bool, any) {
			ok, next := state.(register).step(input.(op))
			return ok, next
		},
		DescribeOperation: func(input, _ any) string { return input.(op).String() },
	}
}

// step reports whether o could happen now, and what is there afterwards.
func (r register) step(o op) (bool, register) {
	switch {
	case o.outcome == refused:
		return r.refuses(o), r
	case !o.kind.writes():
		return r.shows(o.found), r.learn(o.found)
	case o.outcome == done:
		return r.allows(o) && r.shows(o.before) && o.index > r.floor, r.after(o)
	case o.index != 0: // unanswered, but somebody saw it
		return r.allows(o) && o.index > r.floor, r.after(o)
	case r.allows(o):
		return true, r.after(o)
	}
	return true, r // it did nothing
}

// allows reports whether the condition of o holds.
func (r register) allows(o op) bool {
	switch o.kind {
	case create:
		return r.value == ""
	case remove:
		return r.value != ""
	case swap, removeIf:
		return r.value != "" && r.value == o.expect.value
	}
	return true
}

// refuses reports whether o must be refused, with the code it was.
func (r register) refuses(o op) bool {
	switch o.code {
	case codeExists:
		return o.kind == create && r.value != ""
	case codeCompare:
		return (o.kind == swap || o.kind == removeIf) && r.value != "" && !r.allows(o)
	case codeNotFound:
		return o.kind != create && o.kind != set && r.value == ""
	}
	return false
}

// shows reports whether n is what is there.
func (r register) shows(n node) bool {
	return r.value == n.value && (r.value == "" || r.index == 0 || r.index == n.modified)
}

func (r register) learn(n node) register {
	r.index = n.modified
	r.floor = max(r.floor, n.modified)
	return r
}

func (r register) after(o op) register {
	next := register{value: o.value, floor: max(r.floor, o.index)}
	if o.value != "" {
		next.index = o.index
	}
	return next
}

// queueModel is a directory of in-order keys: the state is the last number
// given, and each is greater than the one before.
func queueModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return uint64(0) },
		Step: func(state, input, _ any) (bool, any) {
			o := input.(op)
			fits := o.index > state.(uint64) && o.name == fmt.Sprintf("%s/%020d", o.key, o.index)
			return fits, o.index
		},
		DescribeOperation: func(input, _ any) string { return input.(op).String() },
	}
}

// checkTime bounds the search for an order. A history of unique values with
// indexes is decided in a moment unless it is wrong.
const checkTime = 30 * time.Second

// linearizable returns what is wrong with the operations, key by key.
func linearizable(ops []op) []string {
	seen := sightings(ops)
	registers, queues := make(map[string][]op), make(map[string][]op)
	for _, o := range ops {
		switch {
		case o.kind == glance:
		case o.kind == enqueue:
			if o.outcome == done {
				queues[o.key] = append(queues[o.key], o)
			}
		case o.outcome == unknown && !o.kind.writes():
		default:
			registers[o.key] = append(registers[o.key], seen.resolve(o))
		}
	}
	faults := slices.Clone(seen.faults)
	faults = append(faults, checkEach(registerModel(), registers)...)
	return append(faults, checkEach(queueModel(), queues)...)
}

// mostOrders ends a list of keys without an order: each of them is long.
const mostOrders = 3

func checkEach(m porcupine.Model, parts map[string][]op) []string {
	var faults []string
	end := time.Now().Add(checkTime)
	for key, ops := range parts {
		if len(faults) >= mostOrders {
			break
		}
		history := make([]porcupine.Operation, len(ops))
		for i, o := range ops {
			history[i] = porcupine.Operation{ClientId: max(0, o.client), Input: o, Call: int64(o.call), Return: int64(o.ret)}
		}
		switch porcupine.CheckOperationsTimeout(m, history, max(time.Second, time.Until(end))) {
		case porcupine.Illegal:
			faults = append(faults, fmt.Sprintf("%s: no order of these explains the answers:\n%s", key, transcript(ops)))
		case porcupine.Unknown:
			faults = append(faults, fmt.Sprintf("%s: %d operations, not decided in time:\n%s", key, len(ops), transcript(ops)))
		}
	}
	return faults
}

func byCall(a, b op) int { return cmp.Compare(a.call, b.call) }

func transcript(ops []op) string {
	ops = slices.SortedFunc(slices.Values(ops), byCall)
	var b strings.Builder
	for _, o := range ops {
		fmt.Fprintln(&b, "    "+o.String())
	}
	return b.String()
}

// forever is the return of an operation that may happen any time later.
const forever = time.Duration(math.MaxInt64)

// sighted is what others say of an operation that was not answered.
type sighted struct {
	index uint64
	by    time.Duration // it had happened then
}

// sightedValues says under which index each value was written, and by when.
type sightedValues struct {
	values map[string]sighted
	faults []string
}

// sightings collects what all answers tell of values.
func sightings(ops []op) *sightedValues {
	s := &sightedValues{values: make(map[string]sighted, len(ops))}
	for _, o := range ops {
		if o.outcome == done {
			s.see(o.found, o)
			s.see(o.before, o)
		}
	}
	return s
}

func (s *sightedValues) see(n node, o op) {
	if n.value == "" {
		return
	}
	before, there := s.values[n.value]
	if there && before.index != n.modified {
		s.faults = append(s.faults, fmt.Sprintf("value %s has index %d and %d, the latter in {%v}", n.value, before.index, n.modified, o))
		return
	}
	if !there || o.ret < before.by {
		s.values[n.value] = sighted{n.modified, o.ret}
	}
}

// resolve completes an operation of unknown outcome: if others saw its value
// it has happened by then, otherwise it may happen any time.
func (s *sightedValues) resolve(o op) op {
	if o.outcome != unknown {
		return o
	}
	o.ret = forever
	if found, there := s.values[o.value]; there && o.value != "" {
		o.index, o.ret = found.index, max(o.call, found.by)
	}
	return o
}
