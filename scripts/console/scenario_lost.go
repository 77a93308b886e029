package main

import (
	"context"
	"errors"
)

// loseConnection has the console's own member die and come back: that is told,
// and both the page and its watch go on by themselves.
func loseConnection(ctx context.Context, t *trial) (err error) {
	t.seen.expect(0, 200) // no answer at all, and one that breaks off
	host := t.cluster.at(t.origin)
	if host == nil {
		return errors.New("no member belongs to this console")
	}
	err = inOrder(
		func() error { return t.open("#/watch/back") },
		t.startWatch,
		func() error { return t.seeEvent(ctx, "/back/a", "before") },
		host.server.Kill,
	)
	if err != nil {
		return err
	}
	told := inOrder(
		func() error { return t.waitText(hook("banner"), "No connection") },
		func() error { return t.waitFor(hook("watch-state").with("data-state", "waiting")) },
		func() error { return t.waitFor(hook("watch-mark").with("data-kind", "broken")) },
	)
	// It comes back in any case, because others need it.
	if err := errors.Join(told, host.start(ctx)); err != nil {
		return err
	}
	return inOrder(
		func() error { return t.waitGone(hook("banner")) },
		func() error { return t.waitFor(hook("watch-state").with("data-state", "live")) },
		func() error { return t.waitFor(hook("watch-mark").with("data-kind", "resumed")) },
		func() error { return t.seeEvent(ctx, "/back/b", "afterwards") },
		func() error { return t.click(hook("nav-cluster")) },
		func() error { return t.waitFor(row(host.config.Name).with("data-reachable", "true")) },
	)
}
