package main

import "testing"

func TestAFollowerGoesOnBehindWhatIsForgotten(t *testing.T) {
	f := newFollower(&instance{name: "n1"}, false, 3)
	for _, line := range []string{
		`{"action":"set","node":{"key":"/a","value":"x","modifiedIndex":5,"createdIndex":5}}`,
		`{"errorCode":401,"message":"The event in requested index is outdated and cleared","index":1200}`,
		`{"action":"delete","node":{"key":"/a","modifiedIndex":1201,"createdIndex":5},"prevNode":{"key":"/a","value":"x","modifiedIndex":5,"createdIndex":5}}`,
	} {
		if err := f.take([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.reach(t.Context(), 1201); err != nil {
		t.Error(err)
	}
	seen := f.sequence()
	for i, want := range map[uint64]bool{3: false, 4: true, 5: true, 6: false, 1200: false, 1201: true, 1202: false} {
		if got := seen.covers(i); got != want {
			t.Errorf("covers(%d) = %v, want %v", i, got, want)
		}
	}
	if len(seen.events) != 2 || seen.events[1].before != "x" {
		t.Errorf("got %v", seen.events)
	}
}

func TestAFollowerRefusesWhatIsNoEvent(t *testing.T) {
	f := newFollower(&instance{name: "n1"}, true, 0)
	for _, line := range []string{`{"action":"set"`, `{"errorCode":209}`, ``} {
		if f.take([]byte(line)) == nil {
			t.Errorf("%q is taken for an event", line)
		}
	}
}
