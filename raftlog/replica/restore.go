package replica

import (
	"errors"
	"fmt"
	"io"

	"keytree/raftlog/member"
	"keytree/store"
)

// Restore makes, of the backup in the directory backup, a member of a cluster
// that begins with the keys, users and history of the backup. It writes
// nothing there. Of c, Name, Dir, LogDir, Founders, Token, FS, Now and Logger are
// looked at.
//
// Each founder is made so, from the same backup: they are alike then, and need
// no word from each other. The backup enters their identities, so that
// members made of different backups, which are not alike, stay apart, and so
// do those from the cluster that was backed up.
func Restore(c Config, backup string) (self, cluster member.ID, err error) {
	m, err := VerifyBackup(c.FS, backup, "")
	if err != nil {
		return 0, 0, err
	}
	r := newReplica(c)
	_, err = r.inEmptyDirectory(func(r *Replica) (*Manifest, error) { return nil, r.restore(backup, m) })
	return r.self, r.cluster, err
}

func (r *Replica) restore(backup string, m *Manifest) error {
	ids, all, err := founders(r.config.Founders, r.config.Name, r.config.Token+" "+m.Sum)
	if err != nil {
		return err
	}
	files, err := pinEngine(r.fs, r.fs.PathJoin(backup, "tree"))
	if err == nil {
		err = files.write(r.copyDir())
	}
	files.release()
	if err != nil {
		return fmt.Errorf("copy the tree of the backup: %w", err)
	}
	tree, err := store.Open(r.copyDir(), store.Options{FS: r.fs, Cache: r.cache, KeepHistory: true, Logger: r.config.Logger})
	if err != nil {
		return err
	}
	err = streamed(tree, func(snapshot io.Reader) error { return r.plant(ids, all, snapshot, m) })
	return errors.Join(err, tree.Close(), r.fs.RemoveAll(r.copyDir()))
}
