package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"keytree/raftlog/member"
	"keytree/store"
)

// publishPatience is the pause between two tries to publish.
const publishPatience = 500 * time.Millisecond

// publishUntilDone tells the cluster this member's name and client URLs, once
// at every start: a restarted member can so be renamed. In the same breath it
// tells what it is to be, so that one that is to learn has no vote before that
// is known. It is ready when the cluster's version is decided and it takes part
// as it is to. Its error says that the cluster cannot let it be what it wants.
func (r *Replica) publishUntilDone(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-r.replayed: // else the snapshot that a joining member gets could swallow the answer
	}
	c := rosterChange{
		What: introduceMember, ID: r.self.String(),
		Name: r.config.Name, ClientURLs: slices.Sorted(slices.Values(r.config.ClientURLs)),
	}
	if r.config.Role != "" {
		c.What, c.Role = introduceMemberAs, r.config.Role
	}
	var refusal error
	introduced := func() (store.Result, error) {
		result, err := r.submit(ctx, c)
		if refusal = result.Err; errors.Is(refusal, member.ErrLastVoter) {
			return store.Result{}, nil // and no other try
		}
		return result, err
	}
	for !r.tries(ctx, introduced) {
		if ctx.Err() != nil {
			return nil
		}
	}
	if errors.Is(refusal, member.ErrLastVoter) {
		return fmt.Errorf("this member cannot become a learner, because the cluster needs one that votes: add voters first, or start it as a voter (%w)", refusal)
	}
	r.config.Logger.Info(fmt.Sprintf("published {Name:%s ClientURLs:[%s]} to cluster %v",
		c.Name, strings.Join(c.ClientURLs, " "), r.cluster))
	r.decideVersion(ctx)
	if r.awaitPart(ctx) {
		close(r.ready)
	}
	return nil
}

// awaitPart waits until this member takes part in raft as it is to, and
// reports whether it does. One that still has a vote which it is to give up
// does not wait: the leader takes it when the others can do without.
func (r *Replica) awaitPart(ctx context.Context) bool {
	for {
		changed := r.changes.wait()
		self, _ := find(r.Members(), r.self)
		conf := r.conf.Load()
		if slices.Contains(conf.voters, r.self) || self.Learner && conf.has(r.self) {
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
