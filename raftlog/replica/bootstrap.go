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
	id, all, err := founders(r.config.Founders, r.config.Name, r.config.Token)
	if err != nil {
		return identity{}, err
	}
	return r.begin(id, again, func() error { return r.enrollAll(all) })
}

// founders are the members of a cluster that begins, by ID, and the identity
// of the one called name.
func founders(urls map[string][]string, name, token string) (id identity, all []member.Member, err error) {
	own, ok := urls[name]
	if !ok {
		return id, nil, fmt.Errorf("couldn't find local name %q in the initial cluster configuration", name)
	}
	var ids []member.ID
	for _, u := range urls {
		m := member.Member{ID: member.NewID(u, token), PeerURLs: u}
		all, ids = append(all, m), append(ids, m.ID)
	}
	slices.SortFunc(all, byID)
	return identity{Member: member.NewID(own, token).String(), Cluster: member.NewClusterID(ids).String()}, all, nil
}

// enrollAll gives the empty tree its first contents, and the log its start.
func (r *Replica) enrollAll(all []member.Member) error {
	position := uint64(len(all))
	note := raftlog.Note(idsOf(all), nil, firstTerm, r.config.Now().UnixNano())
	return r.settle(store.Batch{Position: position, Note: note, Commands: enrollment(all)}, firstTerm, all)
}

// settle applies the batch with which the tree becomes that of a member beside
// all, and has the log begin there.
func (r *Replica) settle(b store.Batch, term uint64, all []member.Member) error {
	if _, err := r.tree.Apply(b); err != nil {
		return err
	}
	if err := r.tree.Flush(); err != nil {
		return err
	}
	return raftlog.Bootstrap(r.logConfig(), b.Position, term, idsOf(all))
}

func enrollment(all []member.Member) (commands []store.Command) {
	for _, m := range all {
		commands = append(commands, enroll(m, false))
	}
	return commands
}

func idsOf(all []member.Member) (ids []uint64) {
	for _, m := range all {
		ids = append(ids, uint64(m.ID))
	}
	return ids
}

// Join says which running cluster a member joins, as its members told.
type Join struct {
	Self, Cluster member.ID
	Members       []member.Member // of the cluster, this one included
}

// join makes the data of a member that was added to a running cluster: an
// empty tree and an empty log. The rest comes from the leader.
func (r *Replica) join(again bool) (identity, error) {
	j := r.config.Join
	id := identity{Member: j.Self.String(), Cluster: j.Cluster.String()}
	for _, m := range j.Members {
		id.Peers = append(id.Peers, peerHint{m.ID.String(), m.PeerURLs})
	}
	return r.begin(id, again, func() error { return raftlog.Bootstrap(r.logConfig(), 0, 0, nil) })
}

// begin makes the data of a new member. Before fill there is an empty tree,
// after it all is there.
func (r *Replica) begin(id identity, again bool, fill func() error) (identity, error) {
	if err := r.clear(again); err != nil {
		return identity{}, err
	}
	id.Format, id.Founding = format, true
	var err error
	if r.self, r.cluster, err = id.ids(); err != nil {
		return identity{}, err
	}
	if err := writeIdentity(r.fs, r.config.Dir, id); err != nil {
		return identity{}, err
	}
	if err := r.openTree(); err != nil {
		return identity{}, err
	}
	if err := makeDir(r.fs, r.logDir()); err != nil {
		return identity{}, err
	}
	if err := fill(); err != nil {
		return identity{}, err
	}
	id.Founding = false
	return id, writeIdentity(r.fs, r.config.Dir, id)
}

// takeUp readies what is known of the member that id names, whose tree is open.
func (r *Replica) takeUp(id identity, founding bool) (err error) {
	if r.self, r.cluster, err = id.ids(); err != nil {
		return err
	}
	r.hints = id.members()
	r.counters = r.newCounters(founding)
	r.waiters.init()
	_, note := r.tree.Cursor()
	if err := r.loadConf(note); err != nil {
		return err
	}
	return r.loadRoster()
}

// HasData says whether a member lives in dir already: then it goes on, and
// what Config says about founding and joining is not looked at. A directory
// that is etcd's own is an error.
func HasData(dir string) (bool, error) {
	if err := refuseForeign(vfs.Default, dir); err != nil {
		return false, err
	}
	id, err := readIdentity(vfs.Default, dir)
	if errors.Is(err, errNoIdentity) {
		return false, nil
	}
	return err == nil && !id.Founding, err
}

// seize makes this member the only one, see Config.ForceNew.
func (r *Replica) seize() error {
	change := rosterChange{What: seizeCluster, ID: r.self.String()}
	err := raftlog.Seize(r.logConfig(), [][]byte{change.appendJSON(make([]byte, raftlog.Headroom))})
	if err != nil {
		return fmt.Errorf("force a new cluster: %w", err)
	}
	r.config.Logger.Warn(fmt.Sprintf("forcing restart of member %v in cluster %v: the other members are left behind", r.self, r.cluster))
	return nil
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
var engineFile = regexp.MustCompile(`^(LOCK|CURRENT|MANIFEST-\d+|OPTIONS-\d+(\.dbtmp)?|marker\..*|\d+\.(log|sst|blob|dbtmp)|synced|restore-\d+\.sst|temporary\..*|snapshot.*)$`)

func (r *Replica) treeDir() string { return r.fs.PathJoin(r.config.Dir, "tree") }

func (r *Replica) logDir() string { return logDirOf(r.fs, r.config.Dir, r.config.LogDir) }

// logDirOf is where the log of the member in dir lies: there, or in logDir if
// that is given.
func logDirOf(fs vfs.FS, dir, logDir string) string {
	if logDir != "" {
		dir = logDir
	}
	return fs.PathJoin(dir, "log")
}

const howToReplace = "remove the data directory and let the member join the cluster again, or restore a backup"

func (r *Replica) openTree() error {
	memtable, _ := r.config.memtables()
	tree, err := store.Open(r.treeDir(), store.Options{
		FS:             r.fs,
		Cache:          r.cache,
		CacheSpare:     r.config.CacheMost - r.config.CacheBytes,
		MemTableBytes:  uint64(memtable),
		NodeCacheBytes: r.config.NodeCacheBytes,
		NodeCacheMost:  r.config.NodeCacheMost,
		HistoryLength:  r.config.HistoryLength,
		KeepHistory:    r.config.KeepHistory,
		CountBytes:     r.config.CountBytes,
		Logger:         r.config.Logger,
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, howToReplace)
	}
	r.tree = tree
	return nil
}
