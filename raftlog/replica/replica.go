// Package replica is one running member: a tree driven by a log.
//
// It proposes commands and answers with what they did, keeps the roster of
// the cluster, has expired keys swept while it leads, and is the only door
// between package store and package raftlog. It knows no HTTP.
package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog"
	"keytree/raftlog/member"
	"keytree/stats"
	"keytree/store"
)

// Replica is a member. Its methods may be called from any goroutine between
// Open and Close; Do and Barrier wait until Run runs.
type Replica struct {
	config   Config
	fs       vfs.FS
	counters *stats.Member
	lock     io.Closer
	cache    *pebble.Cache
	tree     *store.Store
	log      *raftlog.Log
	waiters  waiters

	self, cluster member.ID
	hints         []member.Member // who was there when this member joined; until the roster tells
	roster        atomic.Pointer[roster]
	conf          atomic.Pointer[conf]
	changes       news          // of roster and conf
	replayed      chan struct{} // closed once the tree has all that this member knew to be committed
	replayTo      uint64        // up to this position; the apply loop's after Open
	behind        bool          // the cluster knows more than this member, perhaps
	current       chan struct{} // closed once the tree may be shown
	ready         chan struct{} // closed once the member has published itself
	removal       sync.Once
	removed       chan struct{} // closed once the member is in the cluster no longer
	stopped       chan struct{} // closed when Run has ended
}

// Open readies the member that lives in c.Dir, or founds one there. It refuses
// a directory that is in use, foreign or damaged, and changes nothing then.
// Nothing runs until Run.
func Open(c Config) (*Replica, error) {
	r := newReplica(c)
	if err := r.open(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func newReplica(c Config) *Replica {
	c = c.withDefaults()
	return &Replica{
		config:   c,
		fs:       c.FS,
		cache:    pebble.NewCache(c.CacheMost),
		replayed: make(chan struct{}),
		current:  make(chan struct{}),
		ready:    make(chan struct{}),
		removed:  make(chan struct{}),
		stopped:  make(chan struct{}),
	}
}

func (r *Replica) open() error {
	if err := refuseForeign(r.fs, r.config.Dir); err != nil {
		return err
	}
	if err := r.lockDirectory(); err != nil {
		return err
	}
	if err := r.mustBeFinished(); err != nil {
		return err
	}
	id, err := readIdentity(r.fs, r.config.Dir)
	founding := errors.Is(err, errNoIdentity) || err == nil && id.Founding
	r.behind = !founding || r.config.Join != nil
	switch {
	case id.Founding && r.config.ForceNew:
		err = fmt.Errorf("there is nothing to force a new cluster with in %s: its cluster was never founded", r.config.Dir)
	case founding && r.config.Join != nil:
		id, err = r.join(id.Founding)
	case founding:
		id, err = r.found(id.Founding)
	case err == nil:
		if err = r.leaveBackup(); err == nil {
			err = r.openTree()
		}
	}
	if err != nil {
		return err
	}
	if err := r.takeUp(id, founding); err != nil {
		return err
	}
	if r.config.ForceNew && !founding {
		if err := r.seize(); err != nil {
			return err
		}
	}
	if r.log, err = raftlog.Open(r.logConfig()); errors.Is(err, raftlog.ErrNotBootstrapped) {
		return fmt.Errorf("the log of this member is not in %s: start it with the --wal-dir it was founded with (%w)", r.logDir(), err)
	} else if err != nil {
		return err
	}
	r.announce(founding)
	s := r.log.Status()
	r.replayTo = max(1, s.Commit) // one that joins has nothing before the leader's snapshot
	if r.conf.Load().alone(r.self) {
		r.replayTo = s.LastPosition // all of a lone member's log gets committed
	}
	r.replay(s.Applied)
	return nil
}

// replay notes that the tree has come to position.
func (r *Replica) replay(position uint64) {
	if r.replayTo != 0 && position >= r.replayTo {
		r.replayTo = 0
		close(r.replayed)
	}
}

// replayLess notes that the tree has come to where this member was not alone
// any more: what is not committed yet may wait for another.
func (r *Replica) replayLess() {
	if r.replayTo != 0 && !r.conf.Load().alone(r.self) {
		r.replayTo = min(r.replayTo, max(1, r.log.Status().Commit))
	}
}

// newCounters makes the member's counters. A founder has made the nodes of
// the roster already.
func (r *Replica) newCounters(founding bool) *stats.Member {
	m := stats.New(stats.Config{
		Name:  r.config.Name,
		ID:    r.self.String(),
		Start: r.config.Now(),
		Sources: stats.Sources{
			HasLeader:      func() bool { return r.log.Status().Leader != 0 },
			IsLeader:       r.Leads,
			IsLearner:      func() bool { m, _ := find(r.Members(), r.self); return m.Learner },
			Committed:      func() uint64 { return r.log.Status().Commit },
			Applied:        func() uint64 { return r.log.Status().Applied },
			Pending:        r.waiters.pending,
			Watchers:       func() int { n, _ := r.tree.Watchers(); return n },
			SlowWatches:    func() uint64 { _, slow := r.tree.Watchers(); return slow },
			Events:         func() uint64 { return r.tree.Published() },
			Figures:        r.figures,
			ClusterVersion: func() string { return majorMinor(r.Version()) },
			ServerVersion:  r.config.Compatible,
			ServerID:       r.self.String(),
		},
	})
	if founding {
		for range r.config.Founders {
			m.Store.Count(stats.Create, true)
		}
	}
	return m
}

// announce logs who starts, in the words scripts look for.
func (r *Replica) announce(founding bool) {
	if founding {
		r.config.Logger.Info(fmt.Sprintf("starting member %v in cluster %v", r.self, r.cluster))
		return
	}
	r.config.Logger.Info(fmt.Sprintf("restarting member %v in cluster %v at commit index %d", r.self, r.cluster, r.log.Status().Commit))
}

func (r *Replica) logConfig() raftlog.Config {
	_, memtable := r.config.memtables()
	return raftlog.Config{
		ID:            uint64(r.self),
		Dir:           r.logDir(),
		FS:            r.fs,
		Cache:         r.cache,
		MemTableBytes: memtable,
		Machine:       &machine{Replica: r},
		Transport:     r.config.Transport,
		Tick:          r.config.Tick,
		ElectionTicks: r.config.Elections,
		Logger:        r.config.Logger,
		Now:           r.config.Now,
		Observer: raftlog.Observer{
			LeaderChanged: r.leaderChanged,
			Appended:      func(took time.Duration, _ int) { r.counters.Log.Synced(took) },
			Applied:       func(took time.Duration, _ int) { r.counters.Log.Applied(took) },
		},
	}
}

// leaderChanged notes who leads now.
func (r *Replica) leaderChanged(leader, _ uint64) {
	state, name := stats.Following, ""
	if leader != 0 {
		name = member.ID(leader).String()
		r.counters.Log.LeaderChanged()
	}
	if leader == uint64(r.self) {
		state = stats.Leading
		r.counters.Leader.Reset()
	}
	r.counters.Self.Became(state, name, r.config.Now())
}

// Run drives the member until ctx is done, its disk fails, it has been removed
// from the cluster (then it returns ErrRemoved), or it is to learn where nobody
// else votes (member.ErrLastVoter). When it returns, every
// goroutine it started has ended. Run is called once.
func (r *Replica) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(r.stopped)
	defer r.waiters.end()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	wg.Go(func() { r.catchUp(ctx) })
	wg.Go(func() { r.sweepUntilDone(ctx) })
	wg.Go(func() {
		if err := r.publishUntilDone(ctx); err != nil {
			stop(err)
		}
	})
	wg.Go(func() { r.flushWhenQuiet(ctx) })
	wg.Go(func() { r.alignUntilDone(ctx) })
	wg.Go(func() {
		select {
		case <-r.removed:
			stop(ErrRemoved)
		case <-r.tree.Failed():
			stop(r.Failure())
		case <-ctx.Done():
		}
	})
	err := r.log.Run(ctx)
	cause := context.Cause(ctx)
	if errors.Is(cause, ErrRemoved) || errors.Is(cause, member.ErrLastVoter) || r.tree.Failure() != nil && cause != nil {
		return cause
	}
	return err
}

// Failed is closed when the disk of the tree has failed. Run and Close may then
// not return: what the engine waits for may never come.
func (r *Replica) Failed() <-chan struct{} { return r.tree.Failed() }

// Failure is why Failed is closed, with what to do about it.
func (r *Replica) Failure() error {
	err := r.tree.Failure()
	var damage *store.Damage
	if errors.As(err, &damage) {
		return fmt.Errorf("%w: %s", err, howToReplace)
	}
	return fmt.Errorf("%w: see to the disk, then start the member again; it has lost nothing", err)
}

// catchUp waits until the tree is at least what this member has ever shown. How
// far the log was committed is known for sure by a leader only: a disk is told
// late. Without one, an older tree is better than none after a while.
func (r *Replica) catchUp(ctx context.Context) {
	select {
	case <-r.replayed:
	case <-ctx.Done():
		return
	}
	if r.behind && !r.conf.Load().alone(r.self) {
		patience, cancel := context.WithTimeout(ctx, 2*time.Duration(r.config.Elections)*r.config.Tick)
		defer cancel()
		if err := r.log.Barrier(patience); err != nil && ctx.Err() == nil {
			r.config.Logger.Warn("no leader as yet: reads may show less than they did before the restart")
		}
	}
	close(r.current)
}

// Current is closed once reads show no older tree than they did before the
// member stopped, which a leader has to confirm. If there is none, it is closed
// after two elections' time all the same. A member that joins has nothing to show
// before the leader's snapshot.
func (r *Replica) Current() <-chan struct{} { return r.current }

// Ready is closed once the member has published itself, the cluster's version
// is decided, and the member has a vote, or learns for good.
func (r *Replica) Ready() <-chan struct{} { return r.ready }

// Leads reports whether this member is the leader.
func (r *Replica) Leads() bool { return r.log.Status().Leader == uint64(r.self) }

// Progress is the commit position and the term of the log.
func (r *Replica) Progress() (position, term uint64) {
	s := r.log.Status()
	return s.Commit, s.Term
}

// Status is the state of the log.
func (r *Replica) Status() raftlog.Status { return r.log.Status() }

// Alive returns once the log's loop has turned. A supervisor may end a member
// of which that cannot be said.
func (r *Replica) Alive(ctx context.Context) error { return r.log.Alive(ctx) }

// Stats are the counters of the member.
func (r *Replica) Stats() *stats.Member { return r.counters }

// Close flushes the tree and gives the directory free. It is called after Run
// has returned and all listings and watches are closed.
func (r *Replica) Close() error {
	var errs []error
	if r.tree != nil {
		errs = append(errs, r.tree.Close())
	}
	if r.log != nil {
		errs = append(errs, r.log.Close())
	}
	r.cache.Unref()
	if r.lock != nil {
		errs = append(errs, r.lock.Close())
	}
	return errors.Join(errs...)
}

// StatusJSON is the state of the log as one JSON object, for people.
func (r *Replica) StatusJSON() []byte {
	s := r.log.Status()
	text, err := json.Marshal(map[string]any{
		"id": r.self.String(), "term": s.Term, "commit": s.Commit, "applied": s.Applied,
		"lead": member.ID(s.Leader).String(), "raftState": s.State,
	})
	if err != nil {
		panic(err) // plain values always marshal
	}
	return text
}
