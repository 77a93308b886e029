package httpapi

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog/member"
	"keytree/raftlog/replica"
	"keytree/stats"
	"keytree/store"
)

// lone is a cluster of one real member on a disk in memory, with switches for
// what goes wrong in larger ones.
type lone struct {
	*replica.Replica

	refuse atomic.Pointer[store.Error] // instead of doing anything
	hang   atomic.Bool                 // as without a quorum
	lost   atomic.Bool                 // no leader
}

// openLone opens a lone member that ends with the test, as the recordings
// were made with.
func openLone(t testing.TB) *lone {
	t.Helper()
	r, err := replica.Open(replica.Config{
		Name:       "node1",
		Dir:        "node1.etcd/member",
		Founders:   map[string][]string{"node1": {"http://127.0.0.1:21380"}},
		Token:      "etcd-cluster",
		ClientURLs: []string{"http://127.0.0.1:21379"},
		Version:    "3.4.0",
		Compatible: Compatible,
		FS:         vfs.NewMem(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	<-r.Ready()
	return &lone{Replica: r}
}

// stats are the member's counters.
func (l *lone) stats() *stats.Member { return l.Replica.Stats() }

func (l *lone) Do(ctx context.Context, c store.Command) (store.Result, error) {
	if err := l.trouble(ctx); err != nil {
		return store.Result{}, err
	}
	return l.Replica.Do(ctx, c)
}

func (l *lone) Barrier(ctx context.Context) error {
	if err := l.trouble(ctx); err != nil {
		return err
	}
	return l.Replica.Barrier(ctx)
}

func (l *lone) trouble(ctx context.Context) error {
	if e := l.refuse.Load(); e != nil {
		return e
	}
	if l.hang.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (l *lone) Leader() (member.Member, bool) {
	m, ok := l.Replica.Leader()
	return m, ok && !l.lost.Load()
}
