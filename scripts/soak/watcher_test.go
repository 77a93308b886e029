package main

import (
	"fmt"
	"strings"
	"testing"
)

// event is a line of a watch. before is the index of what stood there, 0 if
// nothing did.
func event(action, key string, index, before int) string {
	prev := ""
	if before > 0 {
		prev = fmt.Sprintf(`,"prevNode":{"key":%q,"modifiedIndex":%d}`, key, before)
	}
	return fmt.Sprintf(`{"action":%q,"node":{"key":%q,"modifiedIndex":%d}%s}`, action, key, index, prev)
}

func TestWatchesAreHeldToBringAllEventsInOrder(t *testing.T) {
	const cleared = `{"errorCode":401,"message":"The event in requested index is outdated and cleared","index":900}`
	for _, tt := range []struct {
		name  string
		lines []string
		fault string
	}{
		{"all of them", []string{event("set", "/k", 5, 3), event("set", "/j", 6, 0), event("set", "/k", 9, 5)}, ""},
		{"removed and made again", []string{event("set", "/k", 5, 3), event("expire", "/k", 6, 5), event("set", "/k", 7, 0)}, ""},
		{"one is missing", []string{event("set", "/k", 5, 3), event("set", "/k", 9, 7)}, "skips from 5 to 9"},
		{"a removal is missing", []string{event("set", "/k", 5, 3), event("create", "/k", 9, 0)}, "skips from 5 to 9"},
		{"one comes twice", []string{event("set", "/k", 5, 3), event("set", "/k", 5, 3)}, "has an event of index 5"},
		{"an older one comes later", []string{event("set", "/k", 5, 3), event("set", "/j", 4, 0)}, "has an event of index 4"},
		{"a gap that was announced", []string{event("set", "/k", 5, 3), cleared, event("set", "/k", 990, 800)}, ""},
	} {
		log := &journal{}
		v := &view{watcher: &watcher{log: log}, seen: make(map[string]uint64)}
		for _, line := range tt.lines {
			if err := v.take([]byte(line)); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		faults := strings.Join(log.faults(), "; ")
		if tt.fault == "" && faults != "" || !strings.Contains(faults, tt.fault) {
			t.Errorf("%s: faults %q, want %q", tt.name, faults, tt.fault)
		}
	}
}
