package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A member that does not lead never asks for the next expiry: its sweeps find
// for themselves where the due list begins.
func TestASweepBeginsWhereTheLastOneEnded(t *testing.T) {
	s := mustOpen(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	put := func(name string, ends time.Duration) {
		t.Helper()
		c := set(name, "v")
		c.Now, c.Expires, c.TTL = start, true, ends
		mustApply(t, s, c)
	}
	sweep := func(at time.Duration, limit int, want time.Duration) {
		t.Helper()
		mustApply(t, s, Command{Op: Sweep, Limit: limit, Now: start + int64(at)})
		if got := s.due.begin(); got != Expiry(start+int64(want)) {
			t.Errorf("the next sweep begins %v after the start, want %v", time.Duration(int64(got)-start), want)
		}
	}
	for i := range 10 {
		put(fmt.Sprintf("/k/%d", i), time.Duration(i)*time.Second)
	}
	sweep(20*time.Second, 4, 3*time.Second)
	put("/early", time.Second)
	sweep(0, 4, time.Second)
	sweep(5*time.Second, 0, 5*time.Second+1)
	sweep(20*time.Second, 0, 20*time.Second+1)
	put("/again", 7*time.Second)
	sweep(20*time.Second, 0, 20*time.Second+1)
	if n := s.Index(); n != 24 {
		t.Errorf("index %d after 12 keys have come and gone, want 24", n)
	}
}

func TestTheBacklogIsThatOfAReaderWhoIsBehind(t *testing.T) {
	s := mustOpen(t)
	var watchers []*Watcher
	for _, dir := range []string{"/a", "/b"} {
		w, err := s.Watch(ParsePath(Keys, dir), WatchOptions{Recursive: true, Stream: true})
		if err != nil {
			t.Fatal(err)
		}
		watchers = append(watchers, w)
	}
	if n := s.Backlog(); n != 0 {
		t.Errorf("backlog %d of nothing", n)
	}
	mustApply(t, s, set("/a/1", "v"), set("/b/1", "v"), set("/b/2", "v"), set("/c", "v"))
	if n := s.Backlog(); n != 2 {
		t.Errorf("backlog %d, want the 2 of /b", n)
	}
	if events, _ := watchers[1].Take(); len(events) != 2 {
		t.Errorf("took %d events, want 2", len(events))
	}
	if n := s.Backlog(); n != 0 {
		t.Errorf("backlog %d after the reader has taken all", n)
	}
	mustApply(t, s, set("/a/2", "v"))
	if n := s.Backlog(); n != 2 {
		t.Errorf("backlog %d, want the 2 of /a", n)
	}
}

// Hints that go together, some of them put on in the same batch and before
// what was swept of it already, take along no others.
func TestASweepTakesOffWhatItHasComeByAndNothingElse(t *testing.T) {
	const many = 3 * manyNodes
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	put := func(name string, ends time.Duration) Command {
		c := set(name, "v")
		c.Now, c.Expires, c.TTL = start, true, ends
		return c
	}
	sweep := Command{Op: Sweep, Limit: many, Now: start + int64(time.Hour)}
	s := mustOpen(t)
	for i := range 2 * many { // of each end two
		mustApply(t, s, put(fmt.Sprintf("/k/%04d", i), time.Duration(i/2)*time.Second))
	}
	batch := []Command{sweep}
	for i := range many {
		batch = append(batch, put(fmt.Sprintf("/late/%04d", i), time.Duration(i)*time.Millisecond))
	}
	batch = append(batch, sweep, put("/k/0000", time.Second), put("/k/9999", time.Duration(many)*time.Second))
	mustApply(t, s, batch...)
	for _, want := range []time.Duration{time.Second, time.Duration(many/2) * time.Second} {
		next, ok, err := s.NextExpiry()
		if err != nil || !ok || int64(next) != start+int64(want) {
			t.Fatalf("the next end is %v after the start (%t, %v), want %v", time.Duration(int64(next)-start), ok, err, want)
		}
		one := sweep
		one.Limit = 1
		mustApply(t, s, one)
	}
	mustApply(t, s, sweep)
	if next, ok, err := s.NextExpiry(); ok || err != nil {
		t.Errorf("something still ends at %d (%v)", next, err)
	}
	if got, want := s.Index(), Index(2*(2*many+many+2)); got != want {
		t.Errorf("index %d after all have come and gone, want %d", got, want)
	}
}

// BenchmarkSweep removes 100,000 keys that end within one second, 250 in a
// sweep, as who leads does it; the time is one key's.
func BenchmarkSweep(b *testing.B) {
	const keys, slice = 100_000, 250
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	value := strings.Repeat("v", 128)
	b.ReportAllocs()
	for done := 0; done < b.N; done += keys {
		b.StopTimer()
		s, err := Open("tree", Options{FS: vfs.NewMem()})
		if err != nil {
			b.Fatal(err)
		}
		var cmds []Command
		for i := range keys {
			c := set(fmt.Sprintf("/bench/%03d/%06d", i%100, i), value)
			c.Now, c.Expires, c.TTL = start, true, time.Duration(i*7919%keys)*(time.Second/keys)
			if cmds = append(cmds, c); len(cmds) == 64 {
				mustApply(b, s, cmds...)
				cmds = cmds[:0]
			}
		}
		mustApply(b, s, cmds...)
		b.StartTimer()
		for range min(keys, b.N-done+slice-1) / slice {
			if _, _, err := s.NextExpiry(); err != nil {
				b.Fatal(err)
			}
			mustApply(b, s, Command{Op: Sweep, Limit: slice, Now: start + int64(time.Second)})
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
