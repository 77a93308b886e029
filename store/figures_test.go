package store

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestFiguresCountWatchesByKind(t *testing.T) {
	s := mustOpen(t)
	want := func(polls, streams int) {
		t.Helper()
		f := s.Figures()
		if registered, _ := s.Watchers(); f.Polls != polls || f.Streams != streams || registered != polls+streams {
			t.Errorf("got %d polls and %d streams of %d, want %d and %d", f.Polls, f.Streams, registered, polls, streams)
		}
	}
	want(0, 0)
	stream := mustWatch(t, s, "/a", WatchOptions{Stream: true})
	mustWatch(t, s, "/a", WatchOptions{Stream: true, Recursive: true})
	poll := mustWatch(t, s, "/a", WatchOptions{})
	mustWatch(t, s, "/b", WatchOptions{Since: 100})
	want(2, 2)
	mustApply(t, s, set("/a", "v")) // the poll has its event
	want(1, 2)
	poll.Close()
	stream.Close()
	stream.Close()
	want(1, 1)
	s.EndWatches()
	want(0, 0)
	mustWatch(t, s, "/a", WatchOptions{Stream: true})
	want(0, 1)
}

func TestFiguresTellWhatTheHistoryHolds(t *testing.T) {
	s := mustOpenWith(t, Options{HistoryLength: 10})
	if f := s.Figures(); f.Oldest != 0 || f.Newest != 0 || f.HistoryCapacity != 10 || f.Published != 0 {
		t.Errorf("of an empty tree: %+v", f)
	}
	for i := range 25 {
		c := set("/k", fmt.Sprint(i))
		c.Now = int64(1000 + i)
		mustApply(t, s, c)
	}
	f := s.Figures()
	if f.Oldest != 16 || f.Newest != 25 || f.OldestAt != 1015 || f.Published != 25 || s.Published() != 25 {
		t.Errorf("got %+v, want events 16 (of 1015) to 25, of 25", f)
	}
	for _, since := range []Index{15, 1, 16} {
		if w, err := s.Watch(ParsePath(Keys, "/k"), WatchOptions{Since: since}); err == nil {
			w.Close()
		}
	}
	if f := s.Figures(); f.Cleared != 2 {
		t.Errorf("%d watches were refused, want 2", f.Cleared)
	}
}

// What the rows have counted stays when their room changes.
func TestFiguresOfTheCachesGoOnWhenTheRowsBeginAnew(t *testing.T) {
	s := mustOpenWith(t, Options{NodeCacheBytes: 1 << 20, NodeCacheMost: 64 << 20})
	for i := range 500 {
		mustApply(t, s, set(fmt.Sprintf("/k/%d", i), "v"))
	}
	read := func() {
		t.Helper()
		for i := range 500 {
			if _, _, err := s.Get(ParsePath(Keys, fmt.Sprintf("/k/%d", i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	read()
	before := s.Figures()
	if before.Rows.Hits == 0 || before.Rows.Misses != 0 || before.Rows.Bytes < 500*rowHeader || before.Near.Bytes == 0 {
		t.Errorf("what was written lies in the rows: %+v", before)
	}
	s.cache.reset()
	s.cache.fit(blockShare + 32<<20)
	if f := s.Figures(); f.Rows.Hits != before.Rows.Hits || f.Rows.Bytes != 0 || f.Near.Bytes != 0 || f.Rows.Limit <= before.Rows.Limit {
		t.Errorf("with more room: %+v, before: %+v", f, before)
	}
	read()
	if f := s.Figures(); f.Rows.Misses != 500 || f.Rows.Bytes == 0 || f.Rows.Bytes > f.Rows.Limit || f.Near.Bytes > f.Near.Limit {
		t.Errorf("after 500 reads of what no cache had: %+v", f)
	}
}

func TestTheEndsOfSweptNodesAreThoseOfTheLastApply(t *testing.T) {
	s := mustOpen(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	var want []Expiry
	for i := range 3 {
		c := set(fmt.Sprintf("/k/%d", i), "v")
		c.Now, c.Expires, c.TTL = start, true, time.Duration(i+1)*time.Second
		mustApply(t, s, c)
		want = append(want, Expiry(start+int64(c.TTL)))
	}
	mustApply(t, s, Command{Op: Delete, Path: ParsePath(Keys, "/k/0"), Now: start}) // its hint stays
	if got := s.Ended(); len(got) != 0 {
		t.Errorf("before a sweep: %v", got)
	}
	mustApply(t, s, Command{Op: Sweep, Now: start + int64(time.Minute)})
	if got := s.Ended(); !slices.Equal(got, want[1:]) {
		t.Errorf("got %v, want %v", got, want[1:])
	}
	mustApply(t, s, set("/k/0", "v"))
	if got := s.Ended(); len(got) != 0 {
		t.Errorf("of an earlier Apply: %v", got)
	}
}

func TestTheEngineTellsOfItself(t *testing.T) {
	s := mustOpen(t)
	mustApply(t, s, set("/a", "v"))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	m, stalls, stalled := s.Engine()
	if m.Flush.Count == 0 || m.Levels[0].TableBytesFlushed == 0 || stalls != 0 || stalled != 0 {
		t.Errorf("%d flushes of %d bytes, %d stalls of %v", m.Flush.Count, m.Levels[0].TableBytesFlushed, stalls, stalled)
	}
}
