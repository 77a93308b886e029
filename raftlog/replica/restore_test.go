package replica_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/httpapi/apitest"
	"keytree/raftlog/member"
	"keytree/raftlog/replica"
	"keytree/store"
)

func restoreConfig(fs vfs.FS, name string) replica.Config {
	c := replica.Config{Name: name, Dir: name + ".etcd/member", FS: fs, Token: "etcd-cluster", Founders: map[string][]string{}}
	for i := range 3 {
		c.Founders[fmt.Sprintf("c%d", i+1)] = []string{fmt.Sprintf("http://127.0.0.1:%d", 21521+i)}
	}
	return c
}

// copyOf is another disk with the same files below dir.
func copyOf(t *testing.T, fs vfs.FS, dir string) *vfs.MemFS {
	t.Helper()
	other := vfs.NewCrashableMem()
	if ok, err := vfs.Clone(fs, other, dir, dir); err != nil || !ok {
		t.Fatal(ok, err)
	}
	return other
}

func TestThreeMembersOfOneBackupFormAClusterAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := apitest.Open(t, 3, nil)
		mustSetMany(t, old.Leader(), "k", 500)
		mustAgree(t, old)
		m := old.Follower(0)
		keys := listed(t, m.Replica, store.Root(store.Keys))
		_, index, _ := m.Get(store.Root(store.Keys))
		mustBackUp(t, "from the files", "b/member", m)
		var disks []apitest.Disk
		clusters := map[member.ID]bool{old.Leader().ClusterID(): true}
		for i := range 3 {
			fs := copyOf(t, diskOf(m), "b")
			self, cluster, err := replica.Restore(restoreConfig(fs, fmt.Sprintf("c%d", i+1)), "b/member")
			if err != nil {
				t.Fatal(err)
			}
			disks = append(disks, apitest.Disk{Member: self, FS: fs})
			clusters[cluster] = true
			for _, was := range old.Members {
				if was.Self() == self {
					t.Errorf("%v is an old member", self)
				}
			}
		}
		if len(clusters) != 2 {
			t.Errorf("there are the clusters %v", clusters)
		}
		begin := time.Now()
		c := apitest.OpenOn(t, disks, nil)
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took them %v", took)
		}
		mustAgree(t, c)
		for _, m := range c.Members {
			if got := listed(t, m.Replica, store.Root(store.Keys)); !slices.Equal(got, keys) {
				t.Errorf("%s has other keys", m.Name)
			}
			if voters, learners := m.Voting(); voters != 3 || learners != 0 || len(m.Members()) != 3 {
				t.Errorf("%s: %d voters, %d learners, members %v", m.Name, voters, learners, m.Members())
			}
		}
		if got := mustSet(t, c.Follower(0), "/new", "1", 0); got <= index {
			t.Errorf("a new key gets index %d after %d", got, index)
		}
		mustAgree(t, c)
	})
}

func TestMembersOfDifferentBackupsAreOfDifferentClusters(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		m := c.Members[0]
		seen := map[member.ID]bool{}
		for _, dir := range []string{"b1/member", "b2/member"} {
			mustBackUp(t, "from the files", dir, m)
			r := restoreConfig(diskOf(m), "c1")
			r.Dir = dir + ".restored"
			_, cluster, err := replica.Restore(r, dir)
			if err != nil {
				t.Fatal(err)
			}
			seen[cluster] = true
		}
		if len(seen) != 2 {
			t.Errorf("both are of cluster %v", seen)
		}
	})
}

// Lifetimes end when they were to end, while the backup lies in a drawer too.
func TestKeysThatEndedWhileTheBackupWasAwayAreGone(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		m := c.Members[0]
		mustSet(t, m, "/short", "1", time.Hour)
		mustSet(t, m, "/long", "1", 1000*time.Hour)
		mustSet(t, m, "/ever", "1", 0)
		mustBackUp(t, "through the server", "b/member", m)
		m.Stop()
		time.Sleep(7 * 24 * time.Hour)
		s := mustStart(t, replica.Config{Dir: "b/member", FS: diskOf(m), ForceNew: true})
		defer s.stop()
		time.Sleep(time.Second)
		for name, there := range map[string]bool{"/short": false, "/long": true, "/ever": true} {
			if _, _, err := s.Get(keyOf(name)); err == nil != there {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
