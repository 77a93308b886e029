package replica

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"keytree/store"
)

// publishPatience is the pause between two tries to publish.
const publishPatience = 500 * time.Millisecond

// publishUntilDone tells the cluster this member's name and client URLs, once
// at every start: a restarted member can so be renamed. It is ready when the
// cluster's version is decided and it has a vote.
func (r *Replica) publishUntilDone(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-r.replayed: // else the snapshot that a joining member gets could swallow the answer
	}
	c := rosterChange{
		What: introduceMember, ID: r.self.String(),
		Name: r.config.Name, ClientURLs: slices.Sorted(slices.Values(r.config.ClientURLs)),
	}
	for !r.tries(ctx, func() (store.Result, error) { return r.submit(ctx, c) }) {
		if ctx.Err() != nil {
			return
		}
	}
	r.config.Logger.Info(fmt.Sprintf("published {Name:%s ClientURLs:[%s]} to cluster %v",
		c.Name, strings.Join(c.ClientURLs, " "), r.cluster))
	r.decideVersion(ctx)
	if r.awaitVote(ctx) {
		close(r.ready)
	}
}

// awaitVote waits until this member votes, and reports whether it does.
func (r *Replica) awaitVote(ctx context.Context) bool {
	for {
		changed := r.changes.wait()
		if slices.Contains(r.conf.Load().voters, r.self) {
			return ctx.Err() == nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		}
	}
}

// decideVersion has the leader set the cluster's version, and waits until it
// is set.
func (r *Replica) decideVersion(ctx context.Context) {
	version := store.Command{Op: store.Set, Path: versionPath, Value: r.config.Version}
	for r.Version() == "" {
		changed := r.changes.wait()
		if r.Leads() && r.tries(ctx, func() (store.Result, error) { return r.Do(ctx, version) }) {
			r.config.Logger.Info("set the initial cluster version to " + majorMinor(r.config.Version))
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(publishPatience):
		}
	}
}

// tries proposes something and reports success. It waits a little after a
// failure.
func (r *Replica) tries(ctx context.Context, propose func() (store.Result, error)) bool {
	result, err := propose()
	if err == nil && result.Err == nil {
		return true
	}
	if err == nil {
		err = result.Err
	}
	if ctx.Err() == nil {
		r.config.Logger.Warn("publishing to the cluster failed, trying again", "error", err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(publishPatience):
	}
	return false
}

// majorMinor is "3.4" of "3.4.0".
func majorMinor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}
