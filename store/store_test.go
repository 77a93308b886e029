package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

func mustOpen(t testing.TB) *Store {
	t.Helper()
	s, err := Open("tree", Options{FS: vfs.NewMem()})
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

// mustApply applies cmds as the next batch.
func mustApply(t testing.TB, s *Store, cmds ...Command) []Result {
	t.Helper()
	position, _ := s.Cursor()
	results, err := s.Apply(Batch{Position: position + 1, Commands: cmds})
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func set(name, value string) Command {
	return Command{Op: Set, Path: ParsePath(Keys, name), Value: value}
}

func TestWatcherMissesNothingWhileEventsCome(t *testing.T) {
	const events = 3000
	s, err := Open("tree", Options{FS: vfs.NewMem(), HistoryLength: events})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var next Index = 1
			for next <= events {
				w, err := s.Watch(Root(Keys), WatchOptions{Recursive: true, Stream: next%2 == 0, Since: next})
				if err != nil {
					t.Error(err)
					return
				}
				<-w.Ready()
				got, _ := w.Take()
				for _, e := range got {
					if e.Index != next {
						t.Errorf("event %d came, want %d", e.Index, next)
						return
					}
					next++
				}
				w.Close()
			}
		})
	}
	for i := range events {
		mustApply(t, s, set(fmt.Sprintf("/k/%d", i%7), "v"))
	}
	wg.Wait()
	if n, _ := s.Watchers(); n != 0 {
		t.Errorf("%d watchers are left", n)
	}
}

func TestReadsNeverGoBackWhileCommandsApply(t *testing.T) {
	s, err := Open("tree", Options{FS: vfs.NewMem(), NodeCacheBytes: 40 << 10}) // for four keys in each shard: it evicts
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	keys := make([]string, 200)
	for i := range keys {
		keys[i] = fmt.Sprintf("/d/%d", i)
		mustApply(t, s, set(keys[i], "0"))
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 0))
			var last Index
			seen := map[string]Index{}
			for ctx.Err() == nil {
				key := keys[r.IntN(len(keys))]
				n, index, err := s.Get(ParsePath(Keys, key))
				if err != nil || index < last || n.Modified < seen[key] || n.Modified > index {
					t.Errorf("Get(%s) = %+v at %d after index %d, modified %d: %v", key, n, index, last, seen[key], err)
					return
				}
				last, seen[key] = index, n.Modified
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			l, err := s.List(Root(Keys), true)
			if err != nil {
				t.Error(err)
				return
			}
			count, newest := 0, Index(0)
			for l.Next() {
				if l.Item().Kind == Leaf {
					count, newest = count+1, max(newest, l.Item().Modified)
				}
			}
			if err := l.Close(); err != nil || count != len(keys) || newest != l.Index() {
				t.Errorf("a listing of %d keys, newest %d, at index %d: %v", count, newest, l.Index(), err)
				return
			}
		}
	})
	for i := range 20_000 {
		mustApply(t, s, set(keys[i%len(keys)], fmt.Sprint(i)))
	}
	stop()
	wg.Wait()
}

func TestRemovingAHugeDirectoryIsOneTombstone(t *testing.T) {
	s := mustOpen(t)
	var cmds []Command
	for i := range 50_000 {
		cmds = append(cmds, set(fmt.Sprintf("/huge/%d/%d", i%100, i), "v"))
	}
	mustApply(t, s, cmds...)
	txn := s.begin()
	if _, err := txn.do(&Command{Op: Delete, Path: ParsePath(Keys, "/huge"), Recursive: true}); err != nil {
		t.Fatal(err)
	}
	if n := txn.b.Count(); n != 2 {
		t.Errorf("the removal writes %d operations, want 2: the range and the directory", n)
	}
	if err := txn.commit(99, nil); err != nil {
		t.Fatal(err)
	}
	txn.release()
	if _, _, err := s.Get(ParsePath(Keys, "/huge/1/1")); !isRefused(err, CodeKeyNotFound) {
		t.Errorf("Get beneath it: %v", err)
	}
	mustApply(t, s, set("/huge/1/1", "again"))
	if n, _, err := s.Get(ParsePath(Keys, "/huge/1/1")); err != nil || n.Value != "again" {
		t.Errorf("Get of a key made anew beneath it: %+v, %v", n, err)
	}
}

func isRefused(err error, code Code) bool {
	var r *Error
	return errors.As(err, &r) && r.Code == code
}

func TestRestoreReplacesEverythingOrNothing(t *testing.T) {
	from := mustOpen(t)
	for i := range 500 {
		mustApply(t, from, Command{Op: Set, Path: ParsePath(Keys, fmt.Sprintf("/d/%d", i)), Value: strings.Repeat("x", i), Expires: true, TTL: 1e15})
	}
	c, err := from.Capture()
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, from, set("/after", "the capture"))
	var stream bytes.Buffer
	if _, err := c.WriteTo(&stream); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	mustApply(t, from, Command{Op: Delete, Path: ParsePath(Keys, "/after")})

	fs := vfs.NewCrashableMem()
	to, err := Open("tree", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, to, set("/old", "value"), set("/d/1", "old"))
	if err := to.Flush(); err != nil {
		t.Fatal(err)
	}
	old := contents(t, to)
	for _, cut := range []int{0, 10, 100, stream.Len() / 2, stream.Len() - 1} {
		if err := to.Restore(bytes.NewReader(stream.Bytes()[:cut])); err == nil {
			t.Fatalf("a stream cut at %d was restored", cut)
		}
	}
	for _, at := range []int{3, 40, stream.Len() / 2, stream.Len() - 6, stream.Len() - 1} {
		damaged := bytes.Clone(stream.Bytes())
		damaged[at] ^= 0x10
		if err := to.Restore(bytes.NewReader(damaged)); err == nil {
			t.Fatalf("a stream damaged at %d was restored", at)
		}
	}
	if !slices.Equal(contents(t, to), old) {
		t.Fatal("a refused stream changed the tree")
	}
	if err := to.Restore(bytes.NewReader(stream.Bytes())); err != nil {
		t.Fatal(err)
	}
	restored := contents(t, to)
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	// The power goes the moment Restore has returned.
	again, err := Open("tree", Options{FS: fs.CrashClone(vfs.CrashCloneCfg{})})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := contents(t, again); !slices.Equal(got, restored) {
		t.Errorf("after a crash %d pairs are left of %d", len(got), len(restored))
	}
	if position, _ := again.Cursor(); position != 500 || again.Index() != 500 {
		t.Errorf("the restored tree stands at %d, index %d", position, again.Index())
	}
}

func TestCheckpointIsAStoreOfItsOwn(t *testing.T) {
	fs := vfs.NewMem()
	s, err := Open("tree", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustApply(t, s, set("/a", "1"))
	if err := s.Checkpoint("copy"); err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, set("/a", "2"))
	backup, err := Open("copy", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	defer backup.Close()
	if n, index, err := backup.Get(ParsePath(Keys, "/a")); err != nil || n.Value != "1" || index != 1 {
		t.Errorf("the copy has %+v at %d: %v", n, index, err)
	}
}

func TestAFailedReadStopsApplyAndChangesNothing(t *testing.T) {
	inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			return errors.New("the disk is on fire")
		}
		return nil
	})
	toggle := errorfs.Toggle{Injector: inject}
	s, err := Open("tree", Options{FS: errorfs.Wrap(vfs.NewMem(), &toggle), NodeCacheBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		mustApply(t, s, set(fmt.Sprintf("/d/%d", i), strings.Repeat("v", 100)))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	toggle.On()
	failed := false
	for i := 0; i < 2000 && !failed; i += 50 {
		position, _ := s.Cursor()
		before := s.Index()
		_, err := s.Apply(Batch{Position: position + 1, Commands: []Command{set(fmt.Sprintf("/d/%d", i), "new")}})
		if failed = err != nil; failed && s.Index() != before {
			t.Errorf("a failed Apply moved the index from %d to %d", before, s.Index())
		}
	}
	if !failed {
		t.Error("no read failed: the test proves nothing")
	}
	toggle.Off()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnEventIsRenderedForAllAtOnce(t *testing.T) {
	s := mustOpen(t)
	e := mustApply(t, s, set("/a", "1"))[0].Event
	calls := 0
	for range 3 {
		if got := e.Rendered(func(*Event) []byte { calls++; return []byte("line") }); string(got) != "line" {
			t.Errorf("rendered %q", got)
		}
	}
	if calls != 1 {
		t.Errorf("rendered %d times", calls)
	}
}

func TestTTLRoundsUpAndNeverWraps(t *testing.T) {
	now := epoch.UnixNano()
	for _, tt := range []struct {
		expiry Expiry
		want   int64
	}{
		{Expiry(now), 0},
		{Expiry(now + 1), 1},
		{Expiry(now + 1e9), 1},
		{Expiry(now + 1e9 + 1), 2},
		{Expiry(now - 1), 0},
		{Expiry(now - 1e9), -1},
		{Expiry(now - 1e9 - 1), -1},
		{-7_650_000_000e9, -9223372036},
	} {
		if got := tt.expiry.TTL(now); got != tt.want {
			t.Errorf("TTL of %v = %d, want %d", tt.expiry.Time(), got, tt.want)
		}
	}
}
