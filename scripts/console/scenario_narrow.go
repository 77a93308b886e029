package main

import "context"

// useTelephone works in a window of 360 pixels: it opens a key, changes it, and
// goes through all views.
func useTelephone(ctx context.Context, t *trial) error {
	if err := t.http.set(ctx, "/pocket/note", "short"); err != nil {
		return err
	}
	err := inOrder(
		func() error { return t.resize(widths[0], "dark") },
		func() error { return t.open("#/keys") },
		func() error { return t.click(keyRow("/pocket")) },
		func() error { return t.click(keyRow("/pocket/note")) },
		func() error { return t.waitText(hook("value"), "short") },
		t.unlock,
		func() error { return t.click(hook("edit")) },
		func() error { return t.enter(hook("edit-value"), "longer") },
		func() error { return t.click(hook("save")) },
		func() error { return t.waitText(hook("value"), "longer") },
		func() error { return t.hasValue(ctx, "/pocket/note", "longer") },
	)
	if err != nil {
		return err
	}
	for _, view := range []string{"watch", "cluster", "charts", "auth", "keys"} {
		err := inOrder(
			func() error { return t.click(hook("nav-" + view)) },
			func() error { return t.waitFor(hook("main").with("data-view", view)) },
			func() error { return t.waitFor(hook("nav-"+view).with("aria-current", "page")) },
		)
		if err != nil {
			return step(view, err)
		}
	}
	return nil
}
