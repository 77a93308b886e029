package replica

import (
	"context"
	"errors"
	"time"

	"keytree/raftlog"
	"keytree/store"
)

// The causes of refusal 300, as clients of the dialect know them.
const (
	causeTimeout = "etcdserver: request timed out"
	causeStopped = "etcdserver: server stopped"
)

// Do proposes c and returns what became of it once this member has applied
// it. A refusal of the tree is in the result; the error says that there is no
// result: an *store.Error with store.CodeRaft after Config.RequestTimeout, or
// when the replica stops, and ctx's error when ctx has ended. The outcome is
// then unknown: the command may still be applied later.
func (r *Replica) Do(ctx context.Context, c store.Command) (store.Result, error) {
	room := 10 // for the head and the lengths
	if c.PrevIndex != 0 || c.PrevValue != "" || c.Expires {
		room = 32
	}
	if c.Transaction != nil {
		room += c.Transaction.Size()
	}
	buf := make([]byte, raftlog.Headroom, raftlog.Headroom+len(c.Path.String())+len(c.Value)+len(c.PrevValue)+room)
	buf, err := c.AppendBinary(buf)
	if err != nil {
		return store.Result{}, err
	}
	return r.propose(ctx, buf)
}

// propose proposes what follows the headroom in buf, and waits for it.
func (r *Replica) propose(ctx context.Context, buf []byte) (store.Result, error) {
	w := r.waiters.add(ctx, r.config.RequestTimeout)
	if err := r.offer(w, buf); err != nil {
		r.waiters.drop(w)
		return store.Result{}, err
	}
	// Each further channel to select on costs as much as the command itself:
	// that time is up, or the replica stops, comes as an outcome too.
	select {
	case o := <-w.outcome:
		if o.failure == nil {
			r.waiters.done(w)
			return o.Result, nil
		}
		r.waiters.drop(w)
		if errors.Is(o.failure, errTimeout) {
			return store.Result{}, r.timedOut()
		}
		return store.Result{}, r.unavailable(ctx, o.failure)
	case <-ctx.Done():
		r.waiters.drop(w)
		return store.Result{}, r.unavailable(ctx, context.Cause(ctx))
	}
}

// offer hands a proposal to the log. Only where the log has no room does that
// take time.
func (r *Replica) offer(w *waiter, buf []byte) error {
	ok, err := r.log.TryPropose(w, w.id, buf)
	if ok || err != nil {
		return r.unavailable(w, err)
	}
	ctx, cancel := context.WithTimeoutCause(w, r.config.RequestTimeout, errTimeout)
	defer cancel()
	return r.unavailable(ctx, r.log.Propose(ctx, w.id, buf))
}

// Barrier returns once everything that anybody was told was done when it was
// called is applied here. Its errors are those of Do.
func (r *Replica) Barrier(ctx context.Context) error {
	if r.log.Sole() {
		return nil
	}
	timer := r.waiters.timers.Get().(*time.Timer)
	timer.Reset(r.config.RequestTimeout)
	err := r.log.BarrierBefore(ctx, timer.C)
	timer.Stop()
	r.waiters.timers.Put(timer)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return r.timedOut()
	}
	return r.unavailable(ctx, err)
}

var errTimeout = errors.New("the request took too long")

// unavailable turns a failure of the log, if there is one, into the dialect's
// refusal. The end of the caller's own context stays what it is.
func (r *Replica) unavailable(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raftlog.ErrStopped):
		return refuse(causeStopped)
	case errors.Is(context.Cause(ctx), errTimeout):
		return r.timedOut()
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

// timedOut is the refusal of who has waited for too long.
func (r *Replica) timedOut() error {
	r.counters.Log.ProposalFailed()
	return refuse(causeTimeout)
}

func refuse(cause string) error { return &store.Error{Code: store.CodeRaft, Cause: cause} }

// Get is the node at p as this member has it.
func (r *Replica) Get(p store.Path) (store.Node, store.Index, error) { return r.tree.Get(p) }

// List walks the node at p as this member has it.
func (r *Replica) List(p store.Path, recursive bool) (*store.Listing, error) {
	return r.tree.List(p, recursive)
}

// Page walks a piece of a directory as this member has it.
func (r *Replica) Page(o store.PageOptions) (*store.Page, error) { return r.tree.Page(o) }

// Watch subscribes to what this member applies at p.
func (r *Replica) Watch(p store.Path, o store.WatchOptions) (*store.Watcher, error) {
	return r.tree.Watch(p, o)
}

// EndWatches ends every watch there is, for a member that stops.
func (r *Replica) EndWatches() { r.tree.EndWatches() }

// AuthVersion changes whenever users, roles or the switch of this member's
// tree may have changed, before Do returns.
func (r *Replica) AuthVersion() uint64 { return r.tree.AuthVersion() }

// Bytes is how much the keys of this member's tree take, see store.Bytes; zero
// without Config.CountBytes.
func (r *Replica) Bytes() int64 { return r.tree.Bytes() }

// Now is the log's clock in nanoseconds since 1970: what lifetimes count by.
func (r *Replica) Now() int64 { return r.log.Now().UnixNano() }
