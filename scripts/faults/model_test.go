package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// at makes an operation from call to ret, in milliseconds.
func at(call, ret int, o op) op {
	o.call, o.ret = time.Duration(call)*time.Millisecond, time.Duration(ret)*time.Millisecond
	if o.key == "" {
		o.key = "/k"
	}
	return o
}

// wrote is a write that was done at index.
func wrote(k kind, value string, index uint64, before node) op {
	created := index
	if k == swap {
		created = before.created
	}
	o := op{kind: k, value: value, outcome: done, index: index, before: before, header: index}
	if value != "" {
		o.found = node{value, created, index}
	}
	if k == swap || k == removeIf {
		o.expect = before
	}
	return o
}

func saw(n node) op { return op{kind: read, outcome: done, found: n} }

func TestHistoriesThatHaveAnOrderAreAccepted(t *testing.T) {
	a, b := node{"a", 4, 4}, node{"b", 5, 5}
	tests := map[string][]op{
		"one after the other": {
			at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, saw(a)), at(4, 5, wrote(set, "b", 5, a)), at(6, 7, saw(b)),
			at(8, 9, wrote(remove, "", 6, b)), at(10, 11, saw(node{})), at(12, 13, wrote(create, "c", 7, node{})),
		},
		"at the same time": {
			at(0, 9, wrote(set, "a", 4, node{})), at(0, 9, wrote(set, "b", 5, a)), at(1, 2, saw(node{})), at(3, 4, saw(a)), at(5, 6, saw(b)),
		},
		"conditions": {
			at(0, 1, wrote(create, "a", 4, node{})),
			at(2, 3, op{kind: create, value: "x", outcome: refused, code: codeExists}),
			at(2, 3, op{kind: swap, value: "y", expect: b, outcome: refused, code: codeCompare}),
			at(4, 5, wrote(swap, "b", 5, a)),
			at(6, 7, op{kind: removeIf, expect: a, outcome: refused, code: codeCompare}),
			at(8, 9, wrote(removeIf, "", 6, node{"b", 4, 5})),
			at(10, 11, op{kind: remove, outcome: refused, code: codeNotFound}),
			at(10, 11, op{kind: swap, value: "z", expect: a, outcome: refused, code: codeNotFound}),
		},
		"not answered, never done": {at(0, 1, op{kind: set, value: "x"}), at(2, 3, wrote(create, "a", 4, node{})), at(4, 5, saw(a))},
		"not answered, done late":  {at(0, 1, op{kind: set, value: "a"}), at(2, 3, saw(node{})), at(4, 5, saw(a))},
		"not answered, removed without a look": {
			at(0, 1, op{kind: set, value: "x"}), at(2, 3, wrote(remove, "", 5, node{"x", 4, 4})), at(4, 5, saw(node{})),
		},
		"not answered, its condition does not hold": {
			at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, op{kind: swap, value: "x", expect: b}), at(4, 5, saw(a)),
		},
		"in order": {
			at(0, 1, op{kind: enqueue, key: "/q", value: "x", outcome: done, index: 4, name: "/q/00000000000000000004"}),
			at(0, 1, op{kind: enqueue, key: "/q", value: "y"}),
			at(2, 3, op{kind: enqueue, key: "/q", value: "z", outcome: done, index: 6, name: "/q/00000000000000000006"}),
		},
		"an old look is no fault": {at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, op{kind: glance, outcome: done})},
	}
	for name, ops := range tests {
		if faults := linearizable(ops); len(faults) > 0 {
			t.Errorf("%s: got %q", name, faults)
		}
	}
}

func TestHistoriesWithoutAnOrderAreRefused(t *testing.T) {
	a, b := node{"a", 4, 4}, node{"b", 5, 5}
	tests := map[string][]op{
		"a lost write":             {at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, saw(node{}))},
		"an old read":              {at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, wrote(set, "b", 5, a)), at(4, 5, saw(a))},
		"a read that goes back":    {at(0, 9, wrote(set, "a", 4, node{})), at(1, 2, saw(a)), at(3, 4, saw(node{}))},
		"two winners":              {at(0, 1, wrote(set, "a", 4, node{})), at(2, 9, wrote(swap, "b", 5, a)), at(2, 9, wrote(swap, "c", 6, a))},
		"two creators":             {at(0, 9, wrote(create, "a", 4, node{})), at(0, 9, wrote(create, "b", 5, node{}))},
		"an index that goes back":  {at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, wrote(set, "b", 3, a))},
		"a wrong prevNode":         {at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, wrote(set, "b", 5, node{}))},
		"a wrong index in a read":  {at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, saw(node{"a", 4, 6}))},
		"a refusal without reason": {at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, op{kind: swap, value: "b", expect: a, outcome: refused, code: codeCompare})},
		"nothing to remove":        {at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, op{kind: remove, outcome: refused, code: codeNotFound})},
		"something to remove":      {at(0, 1, wrote(remove, "", 4, a))},
		"refused, and yet done":    {at(0, 1, op{kind: create, value: "b", outcome: refused, code: codeExists}), at(2, 3, saw(b))},
		"read before it is asked":  {at(0, 1, saw(a)), at(2, 3, op{kind: set, value: "a"})},
		"done twice":               {at(0, 1, op{kind: set, value: "a"}), at(2, 3, saw(a)), at(4, 5, wrote(remove, "", 5, a)), at(6, 7, saw(a))},
		"an unknown swap done against its condition": {
			at(0, 1, wrote(set, "a", 4, node{})), at(2, 3, op{kind: swap, value: "x", expect: b}), at(4, 5, saw(node{"x", 4, 6})),
		},
		"one number twice": {
			at(0, 1, op{kind: enqueue, key: "/q", value: "x", outcome: done, index: 4, name: "/q/00000000000000000004"}),
			at(0, 1, op{kind: enqueue, key: "/q", value: "y", outcome: done, index: 4, name: "/q/00000000000000000004"}),
		},
		"a number that goes back": {
			at(0, 1, op{kind: enqueue, key: "/q", value: "x", outcome: done, index: 5, name: "/q/00000000000000000005"}),
			at(2, 3, op{kind: enqueue, key: "/q", value: "y", outcome: done, index: 4, name: "/q/00000000000000000004"}),
		},
	}
	for name, ops := range tests {
		if len(linearizable(ops)) == 0 {
			t.Errorf("%s: accepted", name)
		}
	}
}

// honest is a short run in which nothing is wrong.
func honest() *story {
	q := "/q/00000000000000000006"
	events := []event{
		{4, 4, "set", "/k", "a", ""}, {5, 5, "set", "/k", "b", "a"}, {6, 6, "create", q, "c", ""},
		{8, 5, "compareAndSwap", "/k", "d", "b"}, {9, 9, "create", "/l", "e", ""}, {10, 9, "delete", "/l", "", "e"},
	}
	o := []op{
		at(0, 1, wrote(set, "a", 4, node{})),
		at(2, 3, wrote(set, "b", 5, node{"a", 4, 4})),
		at(4, 5, op{kind: enqueue, key: "/q", value: "c", outcome: done, index: 6, name: q, found: node{"c", 6, 6}}),
		at(6, 7, op{kind: swap, value: "d", expect: node{"b", 5, 5}}),
		at(8, 9, op{kind: create, key: "/l", value: "e"}),
		at(10, 11, op{kind: remove, key: "/l", outcome: done, index: 10, before: node{"e", 9, 9}}),
		at(12, 13, op{kind: glance, outcome: done, found: node{"b", 5, 5}, header: 7}),
		at(12, 13, op{kind: set, key: "/m", value: "f"}),
	}
	return &story{
		ops: o, index: 11, at: time.Second,
		sequences: []sequence{{name: "one", events: events}, {name: "two", from: 4, events: slices.Clone(events[1:])}},
		final:     map[string]node{"/k": {"d", 5, 8}, q: {"c", 6, 6}},
	}
}

func TestAnHonestStoryHasNoFaults(t *testing.T) {
	if faults := honest().check(); len(faults) > 0 {
		t.Errorf("got %q", faults)
	}
}

func TestAWatchMayMissWhatItWasToldIsGone(t *testing.T) {
	s := honest()
	s.sequences[1].events = slices.Delete(s.sequences[1].events, 1, 2)
	s.sequences[1].gaps = []gap{{5, 7}}
	if faults := s.check(); len(faults) > 0 {
		t.Errorf("got %q", faults)
	}
}

func TestFaultsOfAStoryAreFound(t *testing.T) {
	both := func(s *story, change func([]event) []event) {
		s.sequences[0].events = change(slices.Clone(s.sequences[0].events))
		s.sequences[1].events = slices.Clone(s.sequences[0].events[1:])
	}
	tests := []struct {
		want   string
		damage func(*story)
	}{
		{"is missing", func(s *story) { s.sequences[1].events = slices.Delete(s.sequences[1].events, 1, 2) }},
		{"comes after", func(s *story) {
			s.sequences[0].events[1], s.sequences[0].events[2] = s.sequences[0].events[2], s.sequences[0].events[1]
		}},
		{"others saw", func(s *story) { s.sequences[1].events[0].value = "x" }},
		{"is gone", func(s *story) { delete(s.final, "/q/00000000000000000006") }},
		{"the events make it", func(s *story) { s.final["/k"] = node{"d", 5, 9} }},
		{"nobody wrote", func(s *story) { s.final["/x"] = node{"x", 4, 4} }},
		{"nobody asked for", func(s *story) {
			both(s, func(e []event) []event { return append(e, event{11, 11, "set", "/k", "b", "d"}) })
		}},
		{"nobody asked for", func(s *story) { s.ops[3].outcome, s.ops[3].code = refused, codeCompare }},
		{"is not in the events", func(s *story) { both(s, func(e []event) []event { return slices.Delete(e, 2, 3) }) }},
		{"does not fit", func(s *story) { both(s, func(e []event) []event { e[3].created = 8; return e }) }},
		{"was answered", func(s *story) { s.ops[2].index, s.ops[2].name = 4, "/q/00000000000000000004" }},
		{"does not know", func(s *story) { s.ops[6].header = 8 }},
		{"no order", func(s *story) { s.final["/k"] = node{"a", 4, 4} }},
	}
	for _, tt := range tests {
		s := honest()
		tt.damage(s)
		if got := strings.Join(s.check(), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("want %q, got %q", tt.want, got)
		}
	}
}

func TestTheLongestGapIsThatBetweenTwoWrites(t *testing.T) {
	r := newRecord()
	for _, a := range []struct {
		ms     int
		member string
	}{{10, "n1"}, {40, "n2"}, {90, "n1"}, {95, "n1"}} {
		r.add(op{kind: set, member: a.member, outcome: done, ret: time.Duration(a.ms) * time.Millisecond})
	}
	anywhere, worst := r.longestGap(0, 100*time.Millisecond, []string{"n2"})
	if anywhere != 50*time.Millisecond || worst != 60*time.Millisecond {
		t.Errorf("got %v and %v, want 50ms and 60ms", anywhere, worst)
	}
	if anywhere, worst = r.longestGap(20*time.Millisecond, 200*time.Millisecond, nil); anywhere != 105*time.Millisecond || worst != 0 {
		t.Errorf("got %v and %v, want 105ms and 0", anywhere, worst)
	}
}

func TestAnIndexThatGoesBackIsAFault(t *testing.T) {
	r := newRecord()
	r.header(op{client: 1, member: "n1", header: 7}, true, 2)
	r.header(op{client: 2, member: "n1", header: 5}, true, 2)
	r.header(op{client: 1, member: "n1", header: 6}, false, 4)
	if _, faults, back := r.all(); len(faults) != 0 || back != 1 || r.elections() != 2 {
		t.Errorf("got faults %q, %d back, %d elections; want none, 1 and 2", faults, back, r.elections())
	}
	r.header(op{client: 1, member: "n1", header: 5}, true, 4)
	if _, faults, _ := r.all(); len(faults) != 1 {
		t.Errorf("got faults %q, want one", faults)
	}
}

func TestEachEndOfAFileIsDamaged(t *testing.T) {
	d := newTrial(options{seed: 1}, "damage", "").r
	all := damagesOf("f", 100, d)
	flips := make(map[int]bool)
	for _, d := range all {
		if d.cut == 0 {
			flips[d.at] = true
		}
		if d.cut > d.size || d.at >= d.size || d.cut == 0 && d.bit == 0 {
			t.Errorf("%v cannot be done", d)
		}
	}
	for _, at := range []int{0, 50, 99} {
		if !flips[at] {
			t.Errorf("byte %d is not flipped", at)
		}
	}
	if len(damagesOf("empty", 0, d)) != 0 {
		t.Error("an empty file is damaged")
	}
}
