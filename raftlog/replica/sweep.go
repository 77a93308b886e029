package replica

import (
	"context"
	"time"

	"keytree/store"
)

const (
	// sweepSlice bounds how many nodes one sweep removes, so that writes get
	// their turn between slices when very many are due together.
	sweepSlice = 500

	// sweepPause is the least time between two looks at the due list. Nodes
	// that end within it share a log entry.
	sweepPause = 20 * time.Millisecond

	// sweepPatience is how long a member that does not lead, or met trouble,
	// waits before it looks again.
	sweepPatience = 100 * time.Millisecond
)

// sweepUntilDone has the nodes removed whose end has come, while this member
// leads. While nothing is due it proposes nothing.
func (r *Replica) sweepUntilDone(ctx context.Context) {
	for timer := time.NewTimer(0); ; {
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.tree.ExpiryChanged():
		case <-timer.C:
		}
		timer.Reset(r.sweep(ctx))
	}
}

// sweep removes what is due and answers how long nothing more will be.
func (r *Replica) sweep(ctx context.Context) time.Duration {
	if !r.Leads() {
		return sweepPatience
	}
	next, ok, err := r.tree.NextExpiry()
	if err != nil {
		r.config.Logger.Error("reading the due list failed", "error", err)
		return sweepPatience
	}
	if !ok {
		return time.Hour // ExpiryChanged ends the wait
	}
	if wait := time.Duration(int64(next) - r.Now()); wait > 0 {
		return min(max(wait, sweepPause), time.Minute)
	}
	if _, err := r.Do(ctx, store.Command{Op: store.Sweep, Limit: sweepSlice}); err != nil && ctx.Err() == nil {
		r.config.Logger.Warn("a sweep of expired keys did not get through", "error", err)
		return sweepPatience
	}
	return 0
}
