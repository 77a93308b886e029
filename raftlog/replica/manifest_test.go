package replica_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/httpapi/apitest"
	"keytree/raftlog/replica"
)

// All files of a backup are cut at several places, changed and removed in turn,
// and a file too many is added.
func TestADamagedBackupIsRefused(t *testing.T) {
	for _, logDir := range []string{"", "wal"} {
		t.Run("log in "+logDir, func(t *testing.T) {
			inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
				m := c.Members[0]
				mustSetMany(t, m, "k", 300)
				whole := diskOf(m)
				if _, err := replica.Backup(replica.Config{Dir: "b/member", LogDir: logDir, FS: whole}, "node1.etcd/member", ""); err != nil {
					t.Fatal(err)
				}
				paths := filesBelow(t, whole, "b/member")
				if logDir != "" {
					paths = append(paths, filesBelow(t, whole, logDir)...)
				}
				if len(paths) < 10 {
					t.Fatalf("the backup consists of %q", paths)
				}
				for _, path := range paths {
					text := readFile(t, whole, path)
					for what, damaged := range damages(text) {
						refused(t, whole, logDir, path, what, damaged)
					}
				}
				refused(t, whole, logDir, "b/member/tree/999999.sst", "added", []byte("x"))
			})
		})
	}
}

// damages are texts like text that are not it; nil: no file at all.
func damages(text []byte) map[string][]byte {
	all := map[string][]byte{"removed": nil}
	for _, n := range []int{0, 1, len(text) / 2, len(text) - 1} {
		if n >= 0 && n < len(text) {
			all[fmt.Sprintf("cut at %d of %d", n, len(text))] = text[:n:n]
		}
	}
	for _, i := range []int{0, len(text) / 3, len(text) - 2} {
		if i >= 0 && i < len(text) {
			changed := bytes.Clone(text)
			changed[i] ^= 0x40
			all[fmt.Sprintf("byte %d of %d changed", i, len(text))] = changed
		}
	}
	return all
}

// refused fails the test unless a backup with that file is refused by all who
// look at it, who change nothing.
func refused(t *testing.T, whole vfs.FS, logDir, path, what string, text []byte) {
	t.Helper()
	fs := copyOf(t, whole, "b")
	if logDir != "" {
		if _, err := vfs.Clone(whole, fs, logDir, logDir); err != nil {
			t.Fatal(err)
		}
	}
	if text == nil {
		if err := fs.Remove(path); err != nil {
			t.Fatal(err)
		}
	} else {
		writeFile(t, fs, path, text)
	}
	before := fs.String()
	_, verified := replica.VerifyBackup(fs, "b/member", logDir)
	answers := map[string]error{"verify": verified}
	if !strings.HasPrefix(path, "wal/") { // no part of what Restore reads
		_, _, answers["restore"] = replica.Restore(restoreConfig(fs, "c1"), "b/member")
	}
	if left := fs.String(); left != before {
		t.Errorf("%s %s: the disk was changed from\n%s\nto\n%s", path, what, before, left)
	}
	if path != "b/member/backup.json" || text != nil {
		start := restoreConfig(fs, "c1")
		start.Dir, start.LogDir, start.ForceNew = "b/member", logDir, true
		r, err := replica.Open(start)
		if answers["start"] = err; err == nil {
			_ = r.Close() // the test has failed
		}
	}
	for who, err := range answers {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s %s: %s says %v", path, what, who, err)
		}
	}
}

// A manifest that is not there, or fits no more, is no matter to a member that
// is not forced to be alone.
func TestAMemberDoesNotNeedTheManifest(t *testing.T) {
	for what, damage := range map[string]func(fs vfs.FS) error{
		"removed": func(fs vfs.FS) error { return fs.Remove("b/member/backup.json") },
		"damaged": func(fs vfs.FS) error { return fs.Rename("b/member/identity.copy", "b/member/backup.json") },
	} {
		t.Run(what, func(t *testing.T) {
			inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
				m := c.Members[0]
				mustSet(t, m, "/k", "v", 0)
				mustBackUp(t, "from the files", "b/member", m)
				fs := diskOf(m)
				writeFile(t, fs, "b/member/identity.copy", readFile(t, fs, "b/member/identity"))
				if err := damage(fs); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					s := mustStart(t, replica.Config{Dir: "b/member", FS: fs})
					if n, _, err := s.Get(keyOf("/k")); err != nil || n.Value != "v" {
						t.Errorf("%+v, %v", n, err)
					}
					s.stop()
				}
			})
		})
	}
}

// Once it runs, it is a member like others, and its files change.
func TestABackupThatWasStartedIsNoneAnyMore(t *testing.T) {
	inCluster(t, 1, func(t *testing.T, c *apitest.Cluster) {
		m := c.Members[0]
		mustBackUp(t, "from the files", "b/member", m)
		for range 2 {
			mustStart(t, replica.Config{Dir: "b/member", FS: diskOf(m), ForceNew: true}).stop()
		}
		_, err := replica.VerifyBackup(diskOf(m), "b/member", "")
		if err == nil || !strings.Contains(err.Error(), "a server was started on it") {
			t.Errorf("the verification says %v", err)
		}
	})
}
