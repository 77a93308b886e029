package httpapi

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog/member"
	"keytree/stats"
	"keytree/store"
)

// direct is a cluster of one member without a log: commands go straight into
// the tree. Like the real one it stands at index 3 and position 4 of term 2
// when it starts, and sweeps while something may be due.
type direct struct {
	tree  *store.Store
	self  member.Member
	stats *stats.Member

	position atomic.Uint64
	mu       sync.Mutex // held by whoever applies

	refuse atomic.Pointer[store.Error] // instead of doing anything
	hang   atomic.Bool                 // as without a quorum
	lost   atomic.Bool                 // no leader
}

const (
	testMember  member.ID = 0x69b38ac7138de88d
	testCluster member.ID = 0x31c6e9f19e0fb0d9
	testTerm              = 2
	sweepEvery            = 100 * time.Millisecond
)

// openDirect opens a direct cluster that ends with the test.
func openDirect(t testing.TB) *direct {
	t.Helper()
	tree, err := store.Open("tree", store.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	d := &direct{tree: tree}
	d.self = member.Member{
		ID: testMember, Name: "node1",
		PeerURLs: []string{"http://127.0.0.1:21380"}, ClientURLs: []string{"http://127.0.0.1:21379"},
	}
	d.stats = stats.New(stats.Config{
		Name: d.self.Name, ID: testMember.String(), Start: time.Now(),
		Sources: stats.Sources{
			Watchers:      func() int { n, _ := tree.Watchers(); return n },
			HasLeader:     func() bool { return true },
			IsLeader:      func() bool { return true },
			ServerVersion: compatible,
		},
	})
	d.stats.Self.Became(stats.Leading, testMember.String(), time.Now())
	d.position.Store(1)
	// What a first start writes: the member's URLs, its name, the version.
	about := store.ParsePath(store.Cluster, "/members/69b38ac7138de88d")
	d.apply(store.Command{Op: store.Create, Path: about.Child("raftAttributes"), Value: "{}"})
	d.apply(store.Command{Op: store.Set, Path: about.Child("attributes"), Value: "{}"})
	d.apply(store.Command{Op: store.Set, Path: store.ParsePath(store.Cluster, "/version"), Value: "3.4.0"})

	ctx, stop := context.WithCancel(context.Background())
	var sweeper sync.WaitGroup
	sweeper.Go(func() { d.sweepUntil(ctx) })
	t.Cleanup(func() {
		stop()
		sweeper.Wait()
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *direct) sweepUntil(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if next, ok, err := d.tree.NextExpiry(); err == nil && ok && int64(next) <= d.Now() {
			d.apply(store.Command{Op: store.Sweep})
		}
	}
}

// counted are the commands as the statistics count them.
var counted = map[store.Op]stats.Op{
	store.Set: stats.Set, store.Create: stats.Create, store.CreateInOrder: stats.Create,
	store.Update: stats.Update, store.Delete: stats.Delete,
	store.CompareAndSwap: stats.CompareAndSwap, store.CompareAndDelete: stats.CompareAndDelete,
}

func (d *direct) apply(c store.Command) (store.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.Now = d.Now()
	results, err := d.tree.Apply(store.Batch{Position: d.position.Add(1), Commands: []store.Command{c}})
	if err != nil {
		return store.Result{}, err
	}
	if op, found := counted[c.Op]; found {
		d.stats.Store.Count(op, results[0].Err == nil)
	}
	return results[0], nil
}

func (d *direct) Do(ctx context.Context, c store.Command) (store.Result, error) {
	if err := d.Barrier(ctx); err != nil {
		return store.Result{}, err
	}
	return d.apply(c)
}

func (d *direct) Barrier(ctx context.Context) error {
	if e := d.refuse.Load(); e != nil {
		return e
	}
	if d.hang.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (d *direct) Get(p store.Path) (store.Node, store.Index, error) { return d.tree.Get(p) }

func (d *direct) List(p store.Path, recursive bool) (*store.Listing, error) {
	return d.tree.List(p, recursive)
}

func (d *direct) Watch(p store.Path, o store.WatchOptions) (*store.Watcher, error) {
	return d.tree.Watch(p, o)
}

func (d *direct) Now() int64 { return time.Now().UnixNano() }

func (d *direct) Progress() (position, term uint64) { return d.position.Load(), testTerm }

func (d *direct) ClusterID() member.ID     { return testCluster }
func (d *direct) Self() member.ID          { return testMember }
func (d *direct) Members() []member.Member { return []member.Member{d.self} }
func (d *direct) Version() string          { return "3.4.0" }

func (d *direct) Leader() (member.Member, bool) { return d.self, !d.lost.Load() }
