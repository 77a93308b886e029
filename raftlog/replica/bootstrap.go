package replica

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog"
	"keytree/raftlog/member"
	"keytree/store"
)

const lockFile = "lock"

// lockDirectory makes dir this process's alone.
func (r *Replica) lockDirectory() error {
	if err := makeDir(r.fs, r.config.Dir); err != nil {
		return fmt.Errorf("cannot access data directory: %w", err)
	}
	lock, err := r.fs.Lock(r.fs.PathJoin(r.config.Dir, lockFile))
	if err != nil {
		return fmt.Errorf("the data directory %s is in use by another process: stop that one first, or choose another --data-dir (%w)", r.config.Dir, err)
	}
	r.lock = lock
	return nil
}

// refuseForeign recognises a directory that is etcd's own.
func refuseForeign(fs vfs.FS, dir string) error {
	for _, name := range []string{"wal", "snap"} {
		info, err := fs.Stat(fs.PathJoin(dir, name))
		if err == nil && info.IsDir() {
			return fmt.Errorf("%s holds data of etcd (%s), which keytree does not open: choose another --data-dir", dir, name)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// found makes the data of a founding member: a tree with the roster in it and
// an empty log that goes on from there. A crash on the way leaves a founding
// identity, and the next start, told so by again, begins afresh.
func (r *Replica) found(again bool) (identity, error) {
	founders := r.config.Founders
	urls, ok := founders[r.config.Name]
	if !ok {
		return identity{}, fmt.Errorf("couldn't find local name %q in the initial cluster configuration", r.config.Name)
	}
	if err := r.clear(again); err != nil {
		return identity{}, err
	}
	var ids []member.ID
	byID := map[member.ID][]string{}
	for _, urls := range founders {
		id := member.NewID(urls, r.config.Token)
		ids = append(ids, id)
		byID[id] = urls
	}
	slices.Sort(ids)
	r.self, r.cluster = member.NewID(urls, r.config.Token), member.NewClusterID(ids)

	id := identity{Format: format, Member: r.self.String(), Cluster: r.cluster.String(), Founding: true}
	if err := writeIdentity(r.fs, r.config.Dir, id); err != nil {
		return identity{}, err
	}
	position := uint64(len(ids))
	var commands []store.Command
	var voters []uint64
	for _, id := range ids {
		commands = append(commands, enroll(id, byID[id]))
		voters = append(voters, uint64(id))
	}
	if err := r.openTree(); err != nil {
		return identity{}, err
	}
	note := raftlog.Note(voters, nil, firstTerm, r.config.Now().UnixNano())
	if _, err := r.tree.Apply(store.Batch{Position: position, Note: note, Commands: commands}); err != nil {
		return identity{}, err
	}
	if err := r.tree.Flush(); err != nil {
		return identity{}, err
	}
	if err := makeDir(r.fs, r.logDir()); err != nil {
		return identity{}, err
	}
	if err := raftlog.Bootstrap(r.logConfig(), position, firstTerm, voters); err != nil {
		return identity{}, err
	}
	id.Founding = false
	return id, writeIdentity(r.fs, r.config.Dir, id)
}

// firstTerm is the term of the state a cluster is founded with; its first
// election makes the next.
const firstTerm = 1

// clear makes room for a founding. What an earlier founding has left is
// removed; anything else may be somebody's only copy, and is refused.
func (r *Replica) clear(again bool) error {
	for _, dir := range []string{r.treeDir(), r.logDir()} {
		if again {
			if err := r.checkRuin(dir); err != nil {
				return err
			}
			continue
		}
		names, err := r.fs.List(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if len(names) > 0 {
			return fmt.Errorf("%s holds data already (%s), and %s, which would say whose, is missing: restore that file, or choose another directory",
				dir, names[0], r.fs.PathJoin(r.config.Dir, identityFile))
		}
	}
	return errors.Join(r.fs.RemoveAll(r.treeDir()), r.fs.RemoveAll(r.logDir()))
}

// checkRuin reports a file in dir that neither tree nor log would have made.
func (r *Replica) checkRuin(dir string) error {
	names, err := r.fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		switch {
		case name == "entries" || name == "incoming" || name == "bootstrap":
			err = errors.Join(err, r.checkRuin(r.fs.PathJoin(dir, name)))
		case !engineFile.MatchString(name):
			return fmt.Errorf("%s holds %q, which is not keytree's: choose another directory", dir, name)
		}
	}
	return err
}

// engineFile are the names of files that tree and log make in their
// directories.
var engineFile = regexp.MustCompile(`^(LOCK|CURRENT|MANIFEST-\d+|OPTIONS-\d+(\.dbtmp)?|marker\..*|\d+\.(log|sst|blob|dbtmp)|restore-\d+\.sst|temporary\..*|snapshot.*)$`)

func (r *Replica) treeDir() string { return r.fs.PathJoin(r.config.Dir, "tree") }

func (r *Replica) logDir() string {
	if r.config.LogDir != "" {
		return r.fs.PathJoin(r.config.LogDir, "log")
	}
	return r.fs.PathJoin(r.config.Dir, "log")
}

func (r *Replica) openTree() error {
	tree, err := store.Open(r.treeDir(), store.Options{
		FS:            r.fs,
		Cache:         r.cache,
		HistoryLength: r.config.HistoryLength,
		Logger:        r.config.Logger,
	})
	if err != nil {
		return fmt.Errorf("%w: remove the data directory and let the member join the cluster again, or restore a backup", err)
	}
	r.tree = tree
	return nil
}
