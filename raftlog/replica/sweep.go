package replica

import (
	"context"
	"time"

	"keytree/store"
)

const (
	// sweepSlice and sweepBytes bound how many nodes one sweep removes, and how
	// many bytes of values, so that writes get their turn between slices when
	// very many are due together.
	sweepSlice = 250
	sweepBytes = 1 << 20

	// sweepRest is how long the sweeper rests once nothing more is due, so that
	// nodes that end close together share a log entry.
	sweepRest = 10 * time.Millisecond

	// sweepBacklog is how many events may wait for a reader when the next slice
	// is made. Both together have to be less than the history, or a reader that
	// is hardly slower than the sweeps is given up.
	sweepBacklog = 250

	// sweepCourtesy is how long the next slice waits for such readers in any
	// case, and sweepLate how late keys may end on their account.
	sweepCourtesy = 2 * time.Millisecond
	sweepLate     = 100 * time.Millisecond

	// sweepPatience is how long a member that met trouble waits before it looks
	// again.
	sweepPatience = 100 * time.Millisecond
)

// sweepUntilDone has the nodes removed whose end has come, while this member
// leads. While nothing is due it proposes nothing.
func (r *Replica) sweepUntilDone(ctx context.Context) {
	for {
		leader, changed := r.log.Leader()
		if leader == uint64(r.self) {
			r.sweepUntil(ctx, changed)
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// sweepUntil sweeps until ctx is done or there is news of the leader. It sets
// no timer to a time that has come: under the race detector, in a bubble, Go
// runs such a timer in whoever waits for it, beside those that fire, and crashes.
func (r *Replica) sweepUntil(ctx context.Context, changed <-chan struct{}) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for at := time.Now(); ; {
		wait := time.Until(at)
		if wait <= 0 {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				return
			default:
			}
			at = time.Now().Add(r.sweep(ctx))
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-changed:
			return
		case <-r.tree.ExpiryChanged():
			// Never later: a client could put it off for ever.
			if sooner := time.Now().Add(max(sweepRest, r.untilDue())); sooner.Before(at) {
				at = sooner
			}
		case <-timer.C: // at has come
		}
	}
}

// sweep removes what is due and answers how long to do nothing more.
func (r *Replica) sweep(ctx context.Context) time.Duration {
	if wait := r.untilDue(); wait > 0 {
		return wait
	}
	r.awaitReaders(ctx)
	began := r.Now()
	slice := store.Command{Op: store.Sweep, Limit: sweepSlice, Bytes: sweepBytes}
	if _, err := r.Do(ctx, slice); err != nil {
		if ctx.Err() == nil {
			r.config.Logger.Warn("a sweep of expired keys did not get through", "error", err)
		}
		return sweepPatience
	}
	if r.dueBy(began) {
		return 0 // there was more than a slice
	}
	return max(sweepRest, r.untilDue())
}

// awaitReaders waits a while for readers that are behind.
func (r *Replica) awaitReaders(ctx context.Context) {
	for began := time.Now(); r.tree.Backlog() > sweepBacklog && ctx.Err() == nil; {
		if time.Since(began) > sweepCourtesy && r.dueBy(r.Now()-int64(sweepLate)) {
			return
		}
		time.Sleep(sweepCourtesy / 10)
	}
}

// dueBy reports whether something was due at the given time of the log's clock.
func (r *Replica) dueBy(now int64) bool {
	next, ok, err := r.tree.NextExpiry()
	return ok && err == nil && int64(next) <= now
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
