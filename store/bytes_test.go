package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// wantBytes fails the test unless Bytes is want, now and after a new start.
func wantBytes(t *testing.T, s *Store, want int64) {
	t.Helper()
	if got := s.Bytes(); got != want {
		t.Errorf("Bytes = %d, want %d", got, want)
	}
	if got, err := s.countBytes(); got != want || err != nil {
		t.Errorf("a count says %d, %v, want %d", got, err, want)
	}
}

func openCounting(t *testing.T, count bool) *Store {
	t.Helper()
	s, err := Open("tree", Options{FS: vfs.NewMem(), CountBytes: count})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestBytesArePathsValuesAndSomethingForEachNode(t *testing.T) {
	s := openCounting(t, true)
	wantBytes(t, s, 0)
	mustApply(t, s, set("/a/b", "value"))
	wantBytes(t, s, int64(NodeBytes+len("/a")+NodeBytes+len("/a/b")+len("value")))
	mustApply(t, s, set("/a/b", "v"))
	wantBytes(t, s, int64(NodeBytes+len("/a")+NodeBytes+len("/a/b")+len("v")))
	mustApply(t, s, Command{Op: Delete, Path: ParsePath(Keys, "/a"), Recursive: true})
	wantBytes(t, s, 0)
}

// More nodes than are removed one by one: those of earlier batches, those of
// the same one, and those that replace what is already gone.
func TestARangeOfNodesIsTakenOffTheCount(t *testing.T) {
	s := openCounting(t, true)
	var cmds []Command
	for i := range 3 * manyNodes {
		cmds = append(cmds, set(fmt.Sprintf("/d/e/%d", i), strings.Repeat("v", i)))
	}
	remove := Command{Op: Delete, Path: ParsePath(Keys, "/d"), Recursive: true}
	mustApply(t, s, append(cmds, set("/other", "1"))...)
	mustApply(t, s, append(append(append(append([]Command{}, cmds...), remove), cmds[:2*manyNodes]...), remove, set("/d/e/1", "12"))...)
	wantBytes(t, s, int64(NodeBytes+len("/other1")+NodeBytes+len("/d")+NodeBytes+len("/d/e")+NodeBytes+len("/d/e/1")+2))
}

func TestARefusalAddsNoBytes(t *testing.T) {
	s := openCounting(t, true)
	mustApply(t, s, set("/a", "1"))
	before := s.Bytes()
	results, err := s.Apply(Batch{Position: 9, Commands: []Command{set("/a/b/c", "2"), {Op: Create, Path: ParsePath(Keys, "/a"), Value: "long"}}})
	if err != nil || results[0].Err == nil || results[1].Err == nil {
		t.Fatalf("got %v, %v", results, err)
	}
	wantBytes(t, s, before)
}

func TestOnlyTheKeysAreCounted(t *testing.T) {
	s := openCounting(t, true)
	for _, space := range []Space{Auth, Cluster} {
		mustApply(t, s, Command{Op: Set, Path: ParsePath(space, "/users/root"), Value: "{}"})
		wantBytes(t, s, 0)
	}
}

func TestBytesAreCountedOnlyWhenAsked(t *testing.T) {
	s := openCounting(t, false)
	mustApply(t, s, set("/a", "1"))
	if got := s.Bytes(); got != 0 {
		t.Errorf("Bytes = %d", got)
	}
}

// BenchmarkRemoveDirectory removes 10,000 nodes at once; counting has to look
// at each of them.
func BenchmarkRemoveDirectory(b *testing.B) {
	for name, count := range map[string]bool{"plain": false, "counting": true} {
		b.Run(name, func(b *testing.B) {
			s, err := Open("tree", Options{FS: vfs.NewMem(), CountBytes: count})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			var cmds []Command
			for i := range 10_000 {
				cmds = append(cmds, set(fmt.Sprintf("/d/%06d", i), strings.Repeat("v", 128)))
			}
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				mustApply(b, s, cmds...)
				b.StartTimer()
				mustApply(b, s, Command{Op: Delete, Path: ParsePath(Keys, "/d"), Recursive: true})
			}
		})
	}
}
