package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/httpapi/apitest"
	"keytree/raftlog/member"
	"keytree/raftlog/replica"
	"keytree/store"
)

// diskOf is where m is.
func diskOf(m *apitest.Member) (disk *vfs.MemFS) {
	m.Configure(func(c *replica.Config) { disk = c.FS.(*vfs.MemFS) })
	return disk
}

// backupKinds are the ways to make a backup of m, which lives in dir.
var backupKinds = map[string]func(c replica.Config, m *replica.Replica, dir string) (*replica.Manifest, error){
	"from the files": func(c replica.Config, _ *replica.Replica, dir string) (*replica.Manifest, error) {
		return replica.Backup(c, dir, "")
	},
	"through the server": func(c replica.Config, m *replica.Replica, _ string) (*replica.Manifest, error) {
		capture, err := m.Snapshot(context.Background())
		if err != nil {
			return nil, err
		}
		var stream bytes.Buffer
		if _, err := capture.WriteTo(&stream); err != nil {
			return nil, err
		}
		manifest, err := replica.BackupFrom(c, m.ClusterID(), &stream)
		return manifest, errors.Join(err, capture.Close())
	},
}

func mustBackUp(t *testing.T, kind, dir string, m *apitest.Member) *replica.Manifest {
	t.Helper()
	manifest, err := backupKinds[kind](replica.Config{Dir: dir, FS: diskOf(m)}, m.Replica, m.Name+".etcd/member")
	if err != nil {
		t.Fatalf("a backup %s: %v", kind, err)
	}
	return manifest
}

// started is a server on a directory.
type started struct {
	*replica.Replica
	stop func()
}

func mustStart(t *testing.T, c replica.Config) started {
	t.Helper()
	c.Name, c.Version = "node1", "3.4.0"
	r, err := replica.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	<-r.Ready()
	return started{r, func() {
		cancel()
		if err := errors.Join(<-done, r.Close()); err != nil {
			t.Error(err)
		}
	}}
}

// listed are the keys in a directory with their values and indexes.
func listed(t *testing.T, r *replica.Replica, p store.Path) (lines []string) {
	t.Helper()
	l, err := r.List(p, true)
	if err != nil {
		t.Fatal(err)
	}
	for l.Next() {
		it := l.Item()
		lines = append(lines, fmt.Sprint(it.Kind, string(it.Path), string(it.Value), it.Created, it.Modified, it.Expiry))
	}
	if err := errors.Join(l.Err(), l.Close()); err != nil {
		t.Fatal(err)
	}
	return lines
}

// A writer sets /n/000001, /n/000002 and so on. Each backup that is made
// meanwhile must have all of them up to one, and none that was answered before
// it began may be missing.
func TestABackupOfARunningMemberIsAPrefixOfItsWrites(t *testing.T) {
	for kind := range backupKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			// In real time, and on a real disk: in a bubble time stands still while
			// a writer is at work.
			dir := t.TempDir()
			m := mustStart(t, replica.Config{
				Dir: dir + "/member", Founders: map[string][]string{"node1": {"http://127.0.0.1:21380"}}, Token: "etcd-cluster",
			})
			const value = "what was written"
			var answered, bound atomic.Int64 // bound: so many may be written by now
			ctx, stop := context.WithCancel(t.Context())
			var writer sync.WaitGroup
			writer.Go(func() {
				for n := int64(1); ctx.Err() == nil; n++ {
					for n > bound.Load() && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					set := store.Command{Op: store.Set, Path: keyOf(fmt.Sprintf("/n/%06d", n)), Value: value}
					if _, err := m.Do(ctx, set); err == nil {
						answered.Store(n)
					}
					time.Sleep(time.Millisecond)
					if n%4 != 0 {
						continue
					}
					// The engines shall flush and clear up meanwhile.
					set.Path, set.Value = keyOf(fmt.Sprintf("/bulk/%d", n%20)), strings.Repeat("b", 128<<10)
					if _, err := m.Do(ctx, set); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
			var backups []string
			var least []int64
			for i := range 4 {
				bound.Add(100)
				for until := answered.Load() + 40; answered.Load() < until; {
					time.Sleep(time.Millisecond)
				}
				backups = append(backups, fmt.Sprintf("%s/backup%d/member", dir, i))
				least = append(least, answered.Load())
				if _, err := backupKinds[kind](replica.Config{Dir: backups[i]}, m.Replica, dir+"/member"); err != nil {
					t.Error(err)
					break
				}
			}
			stop()
			writer.Wait()
			m.stop()
			for i, backup := range backups {
				if t.Failed() {
					break
				}
				s := mustStart(t, replica.Config{Dir: backup, ForceNew: true})
				keys := listed(t, s.Replica, keyOf("/n"))
				keys = slices.DeleteFunc(keys, func(line string) bool { return !strings.Contains(line, value) })
				for n, line := range keys {
					if !strings.Contains(line, fmt.Sprintf("/n/%06d", n+1)) {
						t.Fatalf("%s: key %d is %.40s", backup, n+1, line)
					}
				}
				if n := int64(len(keys)); n < least[i] || n > answered.Load()+1 {
					t.Errorf("%s has %d keys, %d were answered before it began", backup, n, least[i])
				}
				s.stop()
			}
		})
	}
}

// What a backup keeps: keys with indexes and ends of life, hidden ones, users
// and history. What it does not: who was in the cluster.
func TestABackupKeepsAllButTheMembers(t *testing.T) {
	for kind := range backupKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
				m := c.Follower(1)
				mustSet(t, m, "/first", "1", 0)
				since := mustSet(t, m, "/a/b", "2", 0)
				mustSet(t, m, "/a/_hidden", "3", 0)
				mustSet(t, m, "/mortal", "4", time.Hour)
				user := store.Command{Op: store.Create, Path: store.ParsePath(store.Auth, "/users/root"), Value: `{"user":"root"}`}
				if _, err := m.Do(t.Context(), user); err != nil {
					t.Fatal(err)
				}
				mustAgree(t, c)
				time.Sleep(time.Minute) // until they count on each other
				gone := c.Follower(0)
				mustChange(t, c.Leader(), member.Change{Op: member.Remove, ID: gone.Self()})
				gone.AwaitRemoval()
				mustAgree(t, c)
				keys, users := listed(t, m.Replica, store.Root(store.Keys)), listed(t, m.Replica, store.Root(store.Auth))
				_, index, err := m.Get(store.Root(store.Keys))
				if err != nil {
					t.Fatal(err)
				}
				manifest := mustBackUp(t, kind, "b/member", m)
				if manifest.Cluster != m.ClusterID().String() || manifest.Index != uint64(index) || manifest.Clock.After(time.Now()) {
					t.Errorf("the manifest says %+v, the index is %d", manifest, index)
				}
				s := mustStart(t, replica.Config{Dir: "b/member", FS: diskOf(m), ForceNew: true})
				defer s.stop()
				if got := listed(t, s.Replica, store.Root(store.Keys)); !slices.Equal(got, keys) {
					t.Errorf("the keys are\n%q, were\n%q", got, keys)
				}
				if got := listed(t, s.Replica, store.Root(store.Auth)); !slices.Equal(got, users) {
					t.Errorf("the users are\n%q, were\n%q", got, users)
				}
				if _, got, err := s.Get(store.Root(store.Keys)); err != nil || got < index {
					t.Errorf("the index is %d, was %d (%v)", got, index, err)
				}
				w, err := s.Watch(keyOf("/a"), store.WatchOptions{Since: since, Recursive: true})
				if err != nil {
					t.Fatalf("the history is gone: %v", err)
				}
				w.Close()
				roster := fmt.Sprint(s.Members())
				if len(s.Members()) != 1 || !strings.Contains(roster, "node1 [http://localhost:2380]") {
					t.Errorf("the members are %s", roster)
				}
				if s.Self() == m.Self() || s.ClusterID() == m.ClusterID() {
					t.Errorf("it is member %v of cluster %v as before", s.Self(), s.ClusterID())
				}
				time.Sleep(time.Hour)
				if _, _, err := s.Get(keyOf("/mortal")); err == nil {
					t.Error("a key has outlived its time")
				}
			})
		})
	}
}

// A backup of the leader has what was answered before it began, though its
// disk has not heard yet that the others agreed.
func TestABackupOfALeaderHasAllThatWasAnswered(t *testing.T) {
	inCluster(t, 3, func(t *testing.T, c *apitest.Cluster) {
		leader := c.Leader()
		for i := range 20 {
			mustSet(t, leader, "/last", fmt.Sprint(i), 0)
			dir := fmt.Sprintf("b%d/member", i)
			mustBackUp(t, "from the files", dir, leader)
			s := mustStart(t, replica.Config{Dir: dir, FS: diskOf(leader)})
			if n, _, err := s.Get(keyOf("/last")); err != nil || n.Value != fmt.Sprint(i) {
				t.Errorf("backup %d has %q, %v", i, n.Value, err)
			}
			s.stop()
		}
	})
}

// filesBelow are the files below dir that hold something.
func filesBelow(t *testing.T, fs vfs.FS, dir string) (paths []string) {
	t.Helper()
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		switch {
		case err != nil:
			t.Fatal(err)
		case info.IsDir():
			paths = append(paths, filesBelow(t, fs, path)...)
		case name != "LOCK" && name != "lock":
			paths = append(paths, path)
		}
	}
	return paths
}

func readFile(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return text
}

func writeFile(t *testing.T, fs vfs.FS, path string, text []byte) {
	t.Helper()
	err := fs.MkdirAll(fs.PathDir(path), 0o700)
	if err != nil {
		t.Fatal(err)
	}
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(bytes.Clone(text))
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
