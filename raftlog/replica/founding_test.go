package replica

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"keytree/store"
)

func TestAwkwardDirectoriesAreRefusedAndLeftAlone(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, fs vfs.FS)
		want string
	}{
		{"etcd's own", func(t *testing.T, fs vfs.FS) { mustMkdir(t, fs, "data/member/wal") }, "holds data of etcd (wal)"},
		{"a newer format", func(t *testing.T, fs vfs.FS) {
			mustWrite(t, fs, "data/member/identity", `{"format":2,"member":"1","cluster":"2"}`)
		}, "start the newer keytree"},
		{"a damaged identity", func(t *testing.T, fs vfs.FS) {
			mustWrite(t, fs, "data/member/identity", `{"format":1,"member":"x`)
		}, "is damaged"},
		{"somebody's files", func(t *testing.T, fs vfs.FS) {
			mustWrite(t, fs, "data/member/log/thesis.txt", "years of work")
		}, "holds data already (thesis.txt)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fs := vfs.NewMem()
			tt.make(t, fs)
			before := fs.String()
			_, err := Open(config(fs))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Open says %v, want %q", err, tt.want)
			}
			for _, line := range strings.Split(before, "\n") {
				if !strings.Contains(fs.String(), line) {
					t.Errorf("Open has changed the directory from\n%s\nto\n%s", before, fs.String())
				}
			}
		})
	}
}

func TestASecondProcessIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(vfs.Default)
		c.Dir = t.TempDir()
		m := mustRun(t, c)
		defer m.mustStop(t)
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("a second Open says %v", err)
		}
	})
}

// The power goes before every step of the founding in turn, with all or nothing of
// what was not synced reaching the disk; the next start must end with a whole
// member. (Not with some of it: Pebble relies on the file system to keep the
// order in which names appear in a directory, as journaling ones do.)
func TestAnInterruptedFoundingBeginsAfresh(t *testing.T) {
	for _, unsynced := range []int{0, 100} {
		t.Run(fmt.Sprintf("unsynced=%d%%", unsynced), func(t *testing.T) { cutEverywhere(t, unsynced) })
	}
}

func cutEverywhere(t *testing.T, unsynced int) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for at, whole := 1, false; !whole; at++ {
		fs, left := vfs.NewCrashableMem(), at
		var mu sync.Mutex // the engines' own goroutines write too
		var after *vfs.MemFS
		r, err := Open(config(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			// The steps between those of the engines, which have tests of
			// their own and goroutines that must not meet a clone half-way.
			step := op.Kind == errorfs.OpRename || op.Kind == errorfs.OpMkdirAll || op.Kind == errorfs.OpRemoveAll
			if step && !strings.Contains(op.Path, "marker.") || strings.Contains(op.Path, identityFile) {
				mu.Lock()
				defer mu.Unlock()
				if left--; left == 0 {
					after = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rnd})
				}
			}
			return nil
		}))))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if whole = after == nil; whole {
			t.Logf("the power went at %d points", at-1)
			after = fs
		}
		synctest.Test(t, func(t *testing.T) {
			m := mustRun(t, config(after))
			defer m.mustStop(t)
			if got := m.index(t); got != 3 {
				t.Errorf("after a power cut at operation %d the member stands at %d, want 3", at, got)
			}
		})
	}
}

// A fresh member acknowledges a write, and the power goes: every directory on
// the way to the log must have been synced into its parent.
func TestAFreshMemberSurvivesAPowerCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		c := config(fs)
		c.Dir, c.LogDir = "/a/b/member", "/c/d"
		m := mustRun(t, c)
		m.mustDo(t, set("/k", "v"))
		clone := fs.CrashClone(vfs.CrashCloneCfg{})
		m.mustStop(t)
		c.FS = clone
		m = mustRun(t, c)
		defer m.mustStop(t)
		if n, _, err := m.Get(store.ParsePath(store.Keys, "/k")); err != nil || n.Value != "v" {
			t.Errorf("after the power cut: %+v, %v", n, err)
		}
	})
}

// A log or a tree without the identity that belongs to it may be somebody's
// only copy.
func TestDataWithoutItsIdentityIsRefusedAndLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		c := config(fs)
		c.LogDir = "wal"
		m := mustRun(t, c)
		m.mustDo(t, set("/k", "v"))
		m.mustStop(t)

		other := c
		other.Dir = "elsewhere/member"
		if _, err := Open(other); err == nil || !strings.Contains(err.Error(), "holds data already") {
			t.Errorf("a fresh member on another's log: %v", err)
		}
		if err := fs.Rename("data/member/identity", "data/identity"); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "holds data already") {
			t.Errorf("a member without its identity: %v", err)
		}
		if err := fs.Rename("data/identity", "data/member/identity"); err != nil {
			t.Fatal(err)
		}
		m = mustRun(t, c)
		defer m.mustStop(t)
		if n, _, err := m.Get(store.ParsePath(store.Keys, "/k")); err != nil || n.Value != "v" {
			t.Errorf("nothing was to change, but: %+v, %v", n, err)
		}
	})
}

func mustMkdir(t *testing.T, fs vfs.FS, dir string) {
	t.Helper()
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func mustWrite(t *testing.T, fs vfs.FS, path, text string) {
	t.Helper()
	mustMkdir(t, fs, fs.PathDir(path))
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
