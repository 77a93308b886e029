package httpapi

import (
	"context"
	"sync/atomic"
	"testing"

	"keytree/httpapi/apitest"
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
	balk   atomic.Pointer[error]       // instead of changing members
}

// openLone opens a lone member that ends with the test, as the recordings
// were made with.
func openLone(t testing.TB) *lone {
	t.Helper()
	return &lone{Replica: apitest.Open(t, 1, nil).Members[0].Replica}
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

func (l *lone) Snapshot(ctx context.Context) (*store.Capture, error) {
	if err := l.trouble(ctx); err != nil {
		return nil, err
	}
	return l.Replica.Snapshot(ctx)
}

func (l *lone) ChangeMember(ctx context.Context, c member.Change) (member.Member, error) {
	if err := l.trouble(ctx); err != nil {
		return member.Member{}, err
	}
	if err := l.balk.Load(); err != nil {
		return member.Member{}, *err
	}
	return l.Replica.ChangeMember(ctx, c)
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
