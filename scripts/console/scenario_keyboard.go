package main

import (
	"context"
	"fmt"

	"github.com/chromedp/chromedp/kb"
)

// useKeyboard opens a key and reads it without a mouse.
func useKeyboard(_ context.Context, t *trial) error {
	err := inOrder(
		func() error { return t.open("#/keys") },
		func() error { return t.waitFor(keyRow("/config")) },
		func() error { return t.tabTo("tree-row", 30) },
		func() error { return step("go to /config", t.arrowTo("/config")) },
		func() error { return t.press(kb.ArrowRight) },
		func() error { return t.waitFor(keyRow("/config/app")) },
		func() error { return step("go to /config/app", t.arrowTo("/config/app")) },
		func() error { return t.press(kb.ArrowRight) },
		func() error { return t.waitFor(keyRow("/config/app/log-level")) },
		func() error { return step("go to the key", t.arrowTo("/config/app/log-level")) },
		func() error { return t.press(kb.Enter) },
		func() error {
			return t.waitFor(hook("node").with("data-key", "/config/app/log-level").with("data-state", "key"))
		},
		func() error { return t.tabTo("copy-value", 30) },
		func() error { return t.waitText(hook("value"), "info") },
	)
	if err != nil {
		return err
	}
	return inOrder(
		func() error { return step("dialog", t.closeByKeyboard()) },
		func() error { return step("other views", t.leaveByKeyboard()) },
	)
}

// arrowTo presses the arrow down until the row of a path has the focus.
func (t *trial) arrowTo(path string) error {
	want := fmt.Sprintf("document.activeElement.closest('[data-test=tree-row]')?.dataset.key === %s", quoted(path))
	for range 30 {
		if there, err := ask[bool](t.visitor, want); err != nil || there {
			return err
		}
		if err := t.press(kb.ArrowDown); err != nil {
			return err
		}
		if _, err := t.focused(); err != nil {
			return err
		}
	}
	return fmt.Errorf("arrows do not lead to %s", path)
}

// closeByKeyboard unlocks editing, is asked something and gives it up: the
// focus is in the dialog, and comes back.
func (t *trial) closeByKeyboard() error {
	return inOrder(
		func() error { return t.open("#/keys/config/app/log-level") },
		func() error { return t.tabTo("editing-switch", 10) },
		func() error { return t.press(" ") },
		func() error { return t.waitFor(hook("editing-switch").with("aria-checked", "true")) },
		func() error { return t.tabTo("delete", 40) },
		func() error { return t.press(kb.Enter) },
		func() error { return t.waitFor(hook("confirm")) },
		func() error {
			return t.wait("the focus in the dialog", "document.activeElement.closest('dialog') !== null")
		},
		func() error { return t.press(kb.Escape) },
		func() error { return t.waitGone(hook("confirm")) },
		func() error {
			return t.wait("the focus on the button", "document.activeElement.dataset.test === 'delete'")
		},
	)
}

// leaveByKeyboard uses the skip link, and goes to another view with Enter.
func (t *trial) leaveByKeyboard() error {
	return inOrder(
		func() error { return t.open("#/keys") },
		func() error { return t.tabTo("skip-link", 1) },
		func() error { return t.press(kb.Enter) },
		func() error { return t.wait("the focus in main", "document.activeElement.closest('main') !== null") },
		func() error { return t.open("#/keys") },
		func() error { return t.tabTo("nav-watch", 6) },
		func() error { return t.press(kb.Enter) },
		func() error { return t.waitFor(hook("main").with("data-view", "watch")) },
	)
}
