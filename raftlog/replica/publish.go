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
// at every start: a restarted member can so be renamed. Then the leader
// decides the cluster's version, if nobody has.
func (r *Replica) publishUntilDone(ctx context.Context) {
	a := attributes{Name: r.config.Name, ClientURLs: slices.Sorted(slices.Values(r.config.ClientURLs))}
	for !r.tries(ctx, introduce(r.self, a)) {
		if ctx.Err() != nil {
			return
		}
	}
	r.config.Logger.Info(fmt.Sprintf("published {Name:%s ClientURLs:[%s]} to cluster %v",
		a.Name, strings.Join(a.ClientURLs, " "), r.cluster))
	for r.Version() == "" {
		if r.Leads() && r.tries(ctx, store.Command{Op: store.Set, Path: versionPath, Value: r.config.Version}) {
			r.config.Logger.Info("set the initial cluster version to " + majorMinor(r.config.Version))
			break
		}
		select {
		case <-ctx.Done():
			return
		case <-r.rosterChanged:
		case <-time.After(publishPatience):
		}
	}
	close(r.ready)
}

// tries proposes c and reports success. It waits a little after a failure.
func (r *Replica) tries(ctx context.Context, c store.Command) bool {
	_, err := r.Do(ctx, c)
	if err == nil {
		return true
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
