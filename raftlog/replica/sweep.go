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

	// sweepDelay is how long the sweeper waits when it learns of something due
	// sooner than it thought, so that nodes that end close together share a log
	// entry.
	sweepDelay = 50 * time.Millisecond

	// sweepPatience is how long a member that does not lead, or met trouble,
	// waits before it looks again.
	sweepPatience = 100 * time.Millisecond
)

// sweepUntilDone has the nodes removed whose end has come, while this member
// leads. While nothing is due it proposes nothing.
func (r *Replica) sweepUntilDone(ctx context.Context) {
	at := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.tree.ExpiryChanged():
			sooner := time.Now().Add(max(sweepDelay, r.untilDue()))
			if !sooner.Before(at) {
				continue // never later: a client could put it off for ever
			}
			at = sooner
		case <-timer.C:
			at = time.Now().Add(r.sweep(ctx))
		}
		timer.Reset(time.Until(at))
	}
}

// sweep removes what is due and answers how long nothing more will be.
func (r *Replica) sweep(ctx context.Context) time.Duration {
	if !r.Leads() {
		return sweepPatience
	}
	if wait := r.untilDue(); wait > 0 {
		return wait
	}
	if _, err := r.Do(ctx, store.Command{Op: store.Sweep, Limit: sweepSlice}); err != nil && ctx.Err() == nil {
		r.config.Logger.Warn("a sweep of expired keys did not get through", "error", err)
		return sweepPatience
	}
	return 0
}

// untilDue is how long nothing is due, as far as is known now; an hour at
// most. ExpiryChanged tells if it turns out to be sooner.
func (r *Replica) untilDue() time.Duration {
	next, ok, err := r.tree.NextExpiry()
	if err != nil {
		r.config.Logger.Error("reading the due list failed", "error", err)
		return sweepPatience
	}
	if !ok {
		return time.Hour
	}
	now := r.Now()
	if int64(next) <= now {
		return 0
	}
	return min(time.Duration(int64(next)-now), time.Hour)
}
