package main

import (
	"context"
	"errors"
	"fmt"
)

// A trial is a scenario under way: the cluster, and the person at the console.
type trial struct {
	*visitor
	cluster     *cluster
	http        client // of the member the console belongs to
	screenshots string
	wrong       []string
}

// play runs a scenario in a tab of its own and returns what went wrong.
func play(ctx context.Context, s scenario, c *cluster, b *chromium, o options) []string {
	host, err := c.follower(ctx)
	if err != nil {
		return []string{err.Error()}
	}
	v, err := b.visit(ctx, host.url())
	if err != nil {
		return []string{err.Error()}
	}
	defer v.leave()
	t := &trial{visitor: v, cluster: c, http: host.client(), screenshots: o.screenshots}
	if err := s.run(ctx, t); err != nil {
		t.complain("%v", errors.Join(err, t.where()))
	}
	t.wrong = append(t.wrong, v.seen.complaints()...)
	return t.wrong
}

// complain notes that something is wrong, and goes on.
func (t *trial) complain(format string, args ...any) {
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

// step adds what was being done to an error.
func step(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// unless is err, or, if there is none and ok is false, what is wrong.
func unless(ok bool, err error, format string, args ...any) error {
	if err == nil && !ok {
		err = fmt.Errorf(format, args...)
	}
	return err
}

// inOrder runs actions until one fails.
func inOrder(actions ...func() error) error {
	for _, a := range actions {
		if err := a(); err != nil {
			return err
		}
	}
	return nil
}

// hasValue holds a key against what it should be, by HTTP.
func (t *trial) hasValue(ctx context.Context, key, want string) error {
	n, err := t.http.get(ctx, key)
	switch {
	case err != nil:
		return err
	case n == nil:
		return fmt.Errorf("%s is not there, want %q", key, want)
	case n.Dir || n.Value != want:
		return fmt.Errorf("%s is %q, want %q", key, n.Value, want)
	}
	return nil
}

// isAbsent wants a key not to be there.
func (t *trial) isAbsent(ctx context.Context, key string) error {
	n, err := t.http.get(ctx, key)
	if err == nil && n != nil {
		return fmt.Errorf("%s is there, with %q", key, n.Value)
	}
	return err
}
