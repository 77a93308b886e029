package replica

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog"
	"keytree/raftlog/member"
	"keytree/store"
)

// A backup is the directory of a member that has never run: the only one of a
// cluster of its own, with the whole tree of the one that was backed up, and a
// manifest. A server may be started on it, or Restore makes other members of it.

// Snapshot is the whole tree, with everything that was committed in the cluster
// when it was called. It must be closed, and before the replica is. The error
// is that of Do.
func (r *Replica) Snapshot(ctx context.Context) (*store.Capture, error) {
	if err := r.Barrier(ctx); err != nil {
		return nil, err
	}
	return r.tree.Capture()
}

// Backup makes a backup of the member in the directory dir, whose log is in
// logDir, or in dir if that is empty. The member may run. What its log holds is
// in the backup, also if the other members never agreed to it. Of c, Dir,
// LogDir, FS, Now and Logger are looked at.
func Backup(c Config, dir, logDir string) (*Manifest, error) {
	c = c.withDefaults()
	if err := mayBeCopied(c.FS, dir); err != nil {
		return nil, err
	}
	return newReplica(c).inEmptyDirectory(func(r *Replica) (m *Manifest, err error) {
		copied, err := r.copyAndReplay(dir, logDirOf(r.fs, dir, logDir))
		if err != nil {
			return nil, err
		}
		err = streamed(copied.tree, func(snapshot io.Reader) error {
			m, err = r.backup(copied.cluster, snapshot)
			return err
		})
		return m, errors.Join(err, copied.Close(), r.fs.RemoveAll(r.copyDir()))
	})
}

// BackupFrom makes a backup of what a Snapshot has written, of a member of
// cluster. It uses c as Backup does.
func BackupFrom(c Config, cluster member.ID, snapshot io.Reader) (*Manifest, error) {
	return newReplica(c).inEmptyDirectory(func(r *Replica) (*Manifest, error) {
		return r.backup(cluster, snapshot)
	})
}

// VerifyBackup holds the backup in the directory dir against its manifest.
// LogDir is where its log is, if not in dir; the log of a backup whose log is
// elsewhere is left out if that is empty. fs is the operating system's by default.
func VerifyBackup(fs vfs.FS, dir, logDir string) (*Manifest, error) {
	if fs == nil {
		fs = vfs.Default
	}
	m, err := readManifest(fs, dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing: there is no backup, or one that was not finished, or a server was started on it", fs.PathJoin(dir, manifestFile))
	}
	if err != nil {
		return nil, err
	}
	return m, m.check(fs, dir, logDir)
}

// leaveBackup makes a backup a member's directory like any other. What is left
// of a damaged one is not the last survivor of a cluster: to force a cluster
// on it takes another one, or the removal of the manifest.
func (r *Replica) leaveBackup() error {
	m, err := readManifest(r.fs, r.config.Dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	path := r.fs.PathJoin(r.config.Dir, manifestFile)
	if r.config.ForceNew {
		if err == nil {
			err = m.check(r.fs, r.config.Dir, r.config.LogDir)
		}
		if err != nil {
			return fmt.Errorf("%w: take another backup, or remove %s to start with what is left", err, path)
		}
	}
	return errors.Join(r.fs.Remove(path), syncDir(r.fs, r.config.Dir))
}

// NotEmptyError says that a directory cannot be written to.
type NotEmptyError struct {
	Dir   string
	Names []string
}

func (e *NotEmptyError) Error() string {
	return fmt.Sprintf("expected %q to be empty, got %q", e.Dir, e.Names)
}

// inEmptyDirectory has fill write to the directory of r, closes r, and writes
// the manifest, if fill has one. It leaves nothing there if that fails. Until
// fill has written all, no server starts there.
func (r *Replica) inEmptyDirectory(fill func(*Replica) (*Manifest, error)) (*Manifest, error) {
	err := r.mustBeEmpty()
	if err == nil {
		err = r.lockDirectory()
	}
	if err == nil {
		err = r.mustBeEmpty() // somebody may have been faster, and be done
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	m, err := r.fillAlone(fill)
	if err == nil && m != nil {
		if err = m.list(r.fs, r.config.Dir, r.config.LogDir); err == nil {
			err = m.write(r.fs, r.config.Dir)
		}
	}
	if err != nil {
		return nil, errors.Join(err, r.fs.RemoveAll(r.logDir()), r.fs.RemoveAll(r.config.Dir))
	}
	return m, nil
}

// mustBeEmpty is an error if there is anything where r is to write.
func (r *Replica) mustBeEmpty() error {
	for _, dir := range []string{r.config.Dir, r.logDir()} {
		names, err := r.fs.List(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if r.lock != nil {
			names = slices.DeleteFunc(names, func(name string) bool { return name == lockFile })
		}
		if slices.Sort(names); len(names) > 0 {
			return &NotEmptyError{dir, names}
		}
	}
	return nil
}

// unfinishedFile lies where a backup or a member is being made of another one's
// data. What is there without it being whole would begin anew, with nothing.
const unfinishedFile = "unfinished"

// fillAlone has fill write, and closes r.
func (r *Replica) fillAlone(fill func(*Replica) (*Manifest, error)) (m *Manifest, err error) {
	if err = writeWhole(r.fs, r.config.Dir, unfinishedFile, nil); err == nil {
		m, err = fill(r)
	}
	if err = errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	err = r.fs.Remove(r.fs.PathJoin(r.config.Dir, unfinishedFile))
	return m, errors.Join(err, syncDir(r.fs, r.config.Dir))
}

// mustBeFinished is an error if what was to be written to the directory of r
// was not.
func (r *Replica) mustBeFinished() error {
	_, err := r.fs.Stat(r.fs.PathJoin(r.config.Dir, unfinishedFile))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("the backup or restore that was to write %s was not finished: remove the directory and do it again", r.config.Dir)
}

// mayBeCopied says whether a member of ours lives in dir.
func mayBeCopied(fs vfs.FS, dir string) error {
	if err := refuseForeign(fs, dir); err != nil {
		return err
	}
	id, err := readIdentity(fs, dir)
	if errors.Is(err, errNoIdentity) {
		return &os.PathError{Op: "open", Path: fs.PathJoin(dir, identityFile), Err: os.ErrNotExist}
	}
	if err == nil && id.Founding {
		err = fmt.Errorf("the member in %s has not begun yet", dir)
	}
	return err
}

// copyPauses are the pauses between the tries to copy a member that runs.
// Under the heaviest load it is the first or second that succeeds.
var copyPauses = [...]time.Duration{0, 20, 50, 100, 200, 300, 400, 500, 500, 500}

// copyAndReplay copies a member into the directory of r, and opens the copy,
// with the tree at the end of the log.
func (r *Replica) copyAndReplay(dir, logDir string) (*Replica, error) {
	c := r.config
	c.Dir, c.LogDir, c.KeepHistory, c.ForceNew = r.copyDir(), "", true, false
	var err error
	for _, pause := range copyPauses {
		time.Sleep(pause * time.Millisecond)
		if err := r.fs.RemoveAll(c.Dir); err != nil {
			return nil, err
		}
		if err = copyMember(r.fs, dir, logDir, c.Dir); err != nil {
			continue
		}
		copied := newReplica(c)
		if err = copied.replayCopy(); err == nil {
			return copied, nil
		}
		err = errors.Join(err, copied.Close())
	}
	return nil, fmt.Errorf("copy the member in %s: %w", dir, err)
}

// copyDir is where a member's files lie while a backup is made of them.
func (r *Replica) copyDir() string { return r.fs.PathJoin(r.config.Dir, "copy") }

// replayCopy opens the tree in the directory of r and brings it to the end of
// the log.
func (r *Replica) replayCopy() error {
	id, err := readIdentity(r.fs, r.config.Dir)
	if err != nil {
		return err
	}
	if err := r.openTree(); err != nil {
		return err
	}
	if err := r.takeUp(id, false); err != nil {
		return err
	}
	return raftlog.Replay(r.logConfig())
}

// streamed has read a snapshot of tree.
func streamed(tree *store.Store, read func(snapshot io.Reader) error) error {
	c, err := tree.Capture()
	if err != nil {
		return err
	}
	in, out := io.Pipe()
	var writer sync.WaitGroup
	writer.Go(func() {
		_, err := c.WriteTo(out)
		out.CloseWithError(err)
	})
	err = read(in)
	_ = in.Close() // a writer that is not done has nobody to write to
	writer.Wait()
	return errors.Join(err, c.Close())
}

// backupURL is the peer URL of the member in a backup, as it is etcd's. An
// operator who wants to add others gives it a better one.
const backupURL = "http://localhost:2380"

// backup fills the directory of r with a backup.
func (r *Replica) backup(cluster member.ID, snapshot io.Reader) (*Manifest, error) {
	self, ids := member.Member{ID: randomID(), PeerURLs: []string{backupURL}}, identity{}
	ids.Member, ids.Cluster = self.ID.String(), randomID().String()
	m := &Manifest{Cluster: cluster.String(), Time: r.config.Now().UTC(), LogApart: r.config.LogDir != ""}
	return m, r.plant(ids, []member.Member{self}, snapshot, m)
}

func randomID() member.ID {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return member.ID(max(1, binary.BigEndian.Uint64(b[:])))
}

// plant fills the directory of r with the member of ids, one of all, in
// whose cluster the tree is that of snapshot. m is told where that stood.
func (r *Replica) plant(ids identity, all []member.Member, snapshot io.Reader, m *Manifest) error {
	r.config.KeepHistory = true
	_, err := r.begin(ids, false, func() error {
		if err := r.tree.Restore(snapshot); err != nil {
			return err
		}
		position, note := r.tree.Cursor()
		m.Position, m.Index = position, uint64(r.tree.Index())
		if position == 0 {
			return errors.New("the member is still waiting for the keys: there is nothing to back up")
		}
		note, term, stamp, err := raftlog.Renote(note, idsOf(all))
		if err != nil {
			return err
		}
		m.Clock = time.Unix(0, stamp).UTC()
		return r.settle(store.Batch{Position: position + 1, Note: note, Commands: resettlement(all, stamp)}, term, all)
	})
	return err
}

// resettlement are the commands that put all in the place of those who were in
// the cluster, or had been. They are the same on all members, with their time.
func resettlement(all []member.Member, stamp int64) []store.Command {
	var commands []store.Command
	for _, p := range []store.Path{membersPath, removedPath} {
		commands = append(commands, store.Command{Op: store.Delete, Path: p, Dir: true, Recursive: true})
	}
	commands = append(commands, enrollment(all)...)
	for i := range commands {
		commands[i].Now = stamp
	}
	return commands
}
