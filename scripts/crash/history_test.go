package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// honest is a short run with two restarts in which nothing is wrong.
func honest() *history {
	events := []event{
		{4, 4, "set", "/w0/k0", "a", ""},
		{5, 5, "set", "/w0/k0", "b", "a"},
		{6, 6, "create", queue + "/00000000000000000006", "c", ""},
		{7, 5, "compareAndSwap", "/w0/k0", "d", "b"},
		// index 8: the server wrote itself
		{9, 9, "set", markKey, "m", ""},
		{10, 5, "delete", "/w0/k0", "", "d"},
		{11, 11, "create", queue + "/00000000000000000011", "e", ""}, // never answered
		// index 12: another restart
		{13, 13, "set", markKey, "n", "m"},
	}
	return &history{
		ops: []op{
			{action: "set", key: "/w0/k0", value: "a", outcome: acknowledged, index: 4, created: 4, floor: 0, must: true},
			{action: "set", key: "/w0/k0", value: "b", outcome: acknowledged, index: 5, created: 5, floor: 4, must: true},
			{action: "create", key: queue + "/00000000000000000006", value: "c", outcome: acknowledged, index: 6, created: 6, floor: 4},
			{action: "compareAndSwap", key: "/w0/k0", value: "x", outcome: refused, floor: 5},
			{action: "compareAndSwap", key: "/w0/k0", value: "d", outcome: acknowledged, index: 7, created: 5, floor: 6},
			{action: "set", key: "/w0/k1", value: "y", outcome: unknown, floor: 6}, // never arrived
			{action: "set", key: markKey, value: "m", outcome: acknowledged, index: 9, created: 9, floor: 7},
			{action: "delete", key: "/w0/k0", removes: "d", outcome: acknowledged, index: 10, created: 5, floor: 9},
			{action: "create", key: queue, value: "e", outcome: unknown, floor: 10},
			{action: "set", key: markKey, value: "n", outcome: acknowledged, index: 13, created: 13, floor: 10},
		},
		sequences: []sequence{{"long poll", events}, {"stream", slices.Clone(events)}},
		snapshots: []snapshot{
			{index: 3, nodes: map[string]node{}},
			{index: 8, floor: 7, nodes: map[string]node{"/w0/k0": {"d", 5, 7}, queue + "/00000000000000000006": {"c", 6, 6}}},
			{index: 12, floor: 10, nodes: map[string]node{markKey: {"m", 9, 9}, queue + "/00000000000000000006": {"c", 6, 6}, queue + "/00000000000000000011": {"e", 11, 11}}},
		},
		lives: []life{{0, 1}, {7, 1}, {10, 1}},
	}
}

func TestAnHonestHistoryHasNoFaults(t *testing.T) {
	if faults := honest().check(); len(faults) > 0 {
		t.Errorf("got faults %q", faults)
	}
}

func TestFaultsAreFound(t *testing.T) {
	// both changes what all followers saw.
	both := func(h *history, change func([]event) []event) {
		for i := range h.sequences {
			h.sequences[i].events = change(slices.Clone(h.sequences[i].events))
		}
	}
	tests := []struct {
		fault  string
		doctor func(h *history)
		want   string
	}{
		{"an acknowledged write is lost", func(h *history) {
			both(h, func(e []event) []event { return slices.Delete(e, 5, 6) })
			h.lives[1].starts++ // the gap alone would tell
			h.snapshots[2].nodes["/w0/k0"] = node{"d", 5, 7}
		}, "acknowledged"},
		{"a key is gone after a restart", func(h *history) {
			delete(h.snapshots[1].nodes, "/w0/k0")
		}, "ought to be"},
		{"a key has an old value after a restart", func(h *history) {
			h.snapshots[1].nodes["/w0/k0"] = node{"b", 5, 5}
		}, "ought to be"},
		{"createdIndex changes with a restart", func(h *history) {
			h.snapshots[1].nodes["/w0/k0"] = node{"d", 7, 7}
		}, "ought to be"},
		{"a deleted key comes back", func(h *history) {
			h.snapshots[2].nodes["/w0/k0"] = node{"d", 5, 7}
		}, "ought not to be there"},
		{"a refused write appears", func(h *history) {
			both(h, func(e []event) []event { return append(e, event{14, 14, "compareAndSwap", "/w0/k1", "x", ""}) })
		}, "nobody asked"},
		{"an event is made up", func(h *history) {
			both(h, func(e []event) []event { return append(e, event{14, 14, "set", "/w0/k1", "z", ""}) })
		}, "nobody asked"},
		{"a write that was never answered is done twice", func(h *history) {
			both(h, func(e []event) []event {
				return append(e, event{14, 14, "create", queue + "/00000000000000000014", "e", ""})
			})
		}, "nobody asked"},
		{"an event comes twice", func(h *history) {
			h.sequences[1].events = slices.Insert(h.sequences[1].events, 2, h.sequences[1].events[1])
		}, "comes after"},
		{"one follower misses an event", func(h *history) {
			h.sequences[1].events = slices.Delete(h.sequences[1].events, 2, 3)
		}, "part"},
		{"an index is taken unseen", func(h *history) {
			both(h, func(e []event) []event { return append(e, event{20, 20, "set", "/w0/k1", "y", ""}) })
		}, "indexes without event"},
		{"the index goes back over a restart", func(h *history) {
			h.snapshots[2].index = 9
		}, "went back"},
		{"an index is given again", func(h *history) {
			h.ops[7].floor = 10
		}, "had been acknowledged"},
		{"an in-order key is given twice", func(h *history) {
			h.ops[8] = h.ops[2]
		}, "given twice"},
		{"a write is refused for no reason", func(h *history) {
			h.ops[3].must = true
		}, "ought to have been done"},
		{"an event tells of a wrong value before", func(h *history) {
			both(h, func(e []event) []event { e[1].before = "z"; return e })
		}, "value before"},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			h := honest()
			test.doctor(h)
			if got := fmt.Sprint(h.check()); !strings.Contains(got, test.want) {
				t.Errorf("got %s, want a fault with %q", got, test.want)
			}
		})
	}
}
