package replica_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/httpapi/apitest"
	"keytree/raftlog/replica"
)

func TestNothingIsWrittenWhereSomethingIs(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		m := c.Members[0]
		mustBackUp(t, "from the files", "b/member", m)
		fs := diskOf(m)
		writeFile(t, fs, "wal/log/thesis.txt", []byte("years of work"))
		before := filesBelow(t, fs, "b/member")
		for kind, backUp := range backupKinds {
			for _, to := range []replica.Config{{Dir: "b/member", FS: fs}, {Dir: "new", LogDir: "wal", FS: fs}} {
				_, err := backUp(to, m.Replica, "node1.etcd/member")
				var full *replica.NotEmptyError
				if !errors.As(err, &full) {
					t.Errorf("a backup %s to %s: %v", kind, to.Dir, err)
				}
			}
		}
		r := restoreConfig(fs, "c1")
		r.Dir = "b/member"
		if _, _, err := replica.Restore(r, "b/member"); err == nil {
			t.Error("a restore goes where the backup is")
		}
		if after := filesBelow(t, fs, "b/member"); !slices.Equal(after, before) {
			t.Errorf("the files are %q, were %q", after, before)
		}
	})
}

func TestWhatIsNoMemberIsNotBackedUp(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(t *testing.T, fs vfs.FS)
		want string
	}{
		"nothing":     {func(*testing.T, vfs.FS) {}, "file does not exist"},
		"etcd's own":  {func(t *testing.T, fs vfs.FS) { writeFile(t, fs, "data/member/wal/0.wal", nil) }, "holds data of etcd"},
		"no identity": {func(t *testing.T, fs vfs.FS) { writeFile(t, fs, "data/member/tree/x", nil) }, "file does not exist"},
		"a newer one": {func(t *testing.T, fs vfs.FS) {
			writeFile(t, fs, "data/member/identity", []byte(`{"format":2,"member":"1","cluster":"2"}`))
		}, "start the newer keytree"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			tt.make(t, fs)
			before := fs.String()
			_, err := replica.Backup(replica.Config{Dir: "b/member", FS: fs}, "data/member", "")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Backup says %v", err)
			}
			if name == "nothing" && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("Backup says %v", err)
			}
			if after := fs.String(); !strings.HasPrefix(strings.TrimSpace(after), strings.TrimSpace(before)) && strings.Contains(after, "member/identity") != strings.Contains(before, "member/identity") {
				t.Errorf("the disk was changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// A stream that ends too early leaves nothing that could be taken for a backup.
func TestABackupFromAStreamThatBreaksLeavesNothing(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		m := c.Members[0]
		mustSetMany(t, m, "k", 300)
		capture, err := m.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var stream bytes.Buffer
		_, err = capture.WriteTo(&stream)
		if err := errors.Join(err, capture.Close()); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 10, stream.Len() / 2, stream.Len() - 1} {
			_, err := replica.BackupFrom(replica.Config{Dir: "b/member", FS: diskOf(m)}, 1, bytes.NewReader(stream.Bytes()[:n]))
			if err == nil || !strings.Contains(err.Error(), "cut off") {
				t.Errorf("cut at %d: %v", n, err)
			}
			if left := filesBelow(t, diskOf(m), "b"); len(left) > 0 {
				t.Errorf("cut at %d: there is left %q", n, left)
			}
		}
	})
}

// Who starts a server on an unfinished backup counts on data that are not there.
func TestNoServerStartsOnAnUnfinishedBackup(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		m := c.Members[0]
		ruin := diskOf(m)
		in, out := io.Pipe()
		var backup sync.WaitGroup
		backup.Go(func() {
			_, err := replica.BackupFrom(replica.Config{Dir: "b/member", FS: ruin}, 1, in)
			if err == nil {
				t.Error("a backup of nothing")
			}
		})
		for { // until it waits for the stream
			if _, err := ruin.Stat("b/member/tree"); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		fs := copyOf(t, ruin, "b")
		out.CloseWithError(errors.New("enough"))
		backup.Wait()
		for _, forced := range []bool{true, false} {
			_, err := replica.Open(replica.Config{Dir: "b/member", FS: fs, ForceNew: forced, Name: "c1", Founders: restoreConfig(fs, "c1").Founders})
			if err == nil || !strings.Contains(err.Error(), "not finished") {
				t.Errorf("a start on it, forced %t, says %v", forced, err)
			}
		}
	})
}

// Two that write to the same place at once: one of them does, and the other
// one leaves it alone.
func TestOfTwoBackupsAtOnceToOnePlaceOneIsMade(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		fs := &eavesdropper{MemFS: diskOf(c.Members[0])}
		m, first := c.Members[0], &replica.Manifest{}
		fs.locked = func() { // between the look whether it is empty and the lock
			fs.locked = nil
			first = mustBackUp(t, "from the files", "b/member", m)
		}
		_, err := replica.Backup(replica.Config{Dir: "b/member", FS: fs}, m.Name+".etcd/member", "")
		if err == nil {
			t.Error("both are made")
		}
		found, err := replica.VerifyBackup(diskOf(m), "b/member", "")
		if err != nil || found.Sum != first.Sum {
			t.Errorf("the one that was made is %v, %v", found, err)
		}
	})
}

// eavesdropper is a disk on which something happens before a directory is locked.
type eavesdropper struct {
	*vfs.MemFS
	locked func()
}

func (e *eavesdropper) Lock(name string) (io.Closer, error) {
	if strings.HasSuffix(name, "/lock") && e.locked != nil {
		e.locked()
	}
	return e.MemFS.Lock(name)
}
