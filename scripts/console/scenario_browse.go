package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// browse looks at keys, and changes nothing.
func browse(ctx context.Context, t *trial) error {
	return inOrder(
		func() error { return t.open("#/keys") },
		func() error { return step("locked", t.cannotEdit("create")) },
		func() error { return step("directories", t.openDirectories()) },
		func() error { return step("value", t.readValue(ctx)) },
		func() error { return step("locked", t.cannotEdit("edit", "lifetime", "delete")) },
		func() error { return step("copy", t.copyValue(ctx)) },
		func() error { return step("breadcrumb", t.followCrumbs()) },
		func() error { return step("jump", t.jumpAbout()) },
		func() error { return step("lifetime", t.watchLifetime(ctx)) },
		func() error { return step("search", t.searchServices()) },
		func() error { return step("theme", t.changeTheme()) },
	)
}

// cannotEdit wants buttons not to be usable: editing is locked at first.
func (t *trial) cannotEdit(buttons ...string) error {
	if err := t.waitFor(hook("editing-switch").with("aria-checked", "false")); err != nil {
		return err
	}
	for _, b := range buttons {
		if err := t.isDisabled(hook(b)); err != nil {
			return err
		}
	}
	return nil
}

// openDirectories goes down by clicking; what is not opened is not loaded.
func (t *trial) openDirectories() error {
	err := inOrder(
		func() error { return t.waitFor(keyRow("/config").with("aria-expanded", "false")) },
		func() error { return t.waitFor(keyRow(largeDirectory).with("aria-expanded", "false")) },
		func() error { return t.click(keyRow("/config")) },
		func() error { return t.waitFor(keyRow("/config").with("aria-expanded", "true")) },
		func() error {
			return t.waitFor(hook("node").with("data-key", "/config").with("data-state", "dir"))
		},
		func() error { return t.click(keyRow("/config/app")) },
		func() error { return t.at("#/keys/config/app") },
		func() error { return t.click(keyRow("/config/app/database")) },
		func() error {
			return t.waitFor(hook("node").with("data-key", "/config/app/database").with("data-state", "key"))
		},
	)
	if err != nil {
		return err
	}
	for _, q := range t.seen.since(0, "/keytree/v1/list") {
		if prefix := q.url.Query().Get("prefix"); strings.HasPrefix(prefix, largeDirectory+"/") || strings.HasPrefix(prefix, "/services/") {
			return fmt.Errorf("%s was loaded and nobody opened it", prefix)
		}
	}
	return nil
}

// readValue reads JSON in both forms, and the figures beside it.
func (t *trial) readValue(ctx context.Context) error {
	n, err := t.http.get(ctx, "/config/app/database")
	if err := unless(n != nil, err, "there is no such key"); err != nil {
		return err
	}
	return inOrder(
		func() error { return t.waitText(hook("value"), `"host": "db1.internal"`) },
		func() error { return t.click(hook("value-raw")) },
		func() error { return t.waitText(hook("value"), n.Value) },
		func() error { return t.click(hook("value-pretty")) },
		func() error { return t.waitText(hook("value"), `"host": "db1.internal"`) },
		func() error { return t.waitText(hook("size"), strconv.Itoa(len(n.Value))+" B") },
		func() error { return t.isNumber(hook("created-index"), n.CreatedIndex) },
		func() error { return t.isNumber(hook("modified-index"), n.ModifiedIndex) },
	)
}

// isNumber wants a thing to say a number, its thousands set apart or not.
func (t *trial) isNumber(at thing, want uint64) error {
	got, err := t.text(at)
	return unless(strings.ReplaceAll(got, ",", "") == strconv.FormatUint(want, 10), err, "%s says %q, want %d", at, got, want)
}

// copyValue copies a value, and pastes it into a field.
func (t *trial) copyValue(ctx context.Context) error {
	n, err := t.http.get(ctx, "/config/app/database")
	if err := unless(n != nil, err, "there is no such key"); err != nil {
		return err
	}
	return inOrder(
		func() error { return t.click(hook("copy-value")) },
		func() error { return t.paste(n.Value) },
		func() error { return t.click(hook("copy-path")) },
		func() error { return t.paste("/config/app/database") },
	)
}

// paste wants the clipboard to hold text.
func (t *trial) paste(text string) error {
	field := hook("jump")
	return within(t.tab, patience, fmt.Sprintf("%.40q in the clipboard", text), func() (bool, error) {
		err := inOrder(
			func() error { return t.click(field) },
			func() error { return t.chord("a", "selectAll") },
			func() error { return t.chord("v", "paste") },
		)
		if err != nil {
			return false, err
		}
		return ask[bool](t.visitor, fmt.Sprintf("%s.value === %s", field.js("find"), quoted(text)))
	})
}

func (t *trial) followCrumbs() error {
	crumb := thing{css: "a"}.in(hook("crumbs"))
	return inOrder(
		func() error { return t.click(crumb.saying("config")) },
		func() error {
			return t.waitFor(hook("node").with("data-key", "/config").with("data-state", "dir"))
		},
		func() error { return t.at("#/keys/config") },
	)
}

// jumpAbout types paths: one that is there, and one that is not.
func (t *trial) jumpAbout() error {
	t.seen.expect(404)
	return inOrder(
		func() error { return t.jump("/services/mail/mail-2", "key") },
		func() error { return t.waitText(hook("value"), "10.0.4.12:8080") },
		func() error {
			return t.waitFor(keyRow("/services/mail/mail-2").with("aria-selected", "true"))
		},
		func() error { return t.jump("/services/none", "missing") },
		func() error { return t.jump("/services/web", "dir") },
	)
}

// watchLifetime sees a lifetime get shorter, and the end of the key told.
func (t *trial) watchLifetime(ctx context.Context) error {
	if err := t.http.set(ctx, "/config/session", "short", "ttl", "90"); err != nil {
		return err
	}
	if err := t.jump("/config/session", "key"); err != nil {
		return err
	}
	first, err := t.text(hook("ttl"))
	if err != nil {
		return err
	}
	var texts []string
	err = within(t.tab, patience, "the lifetime to get shorter", func() (bool, error) {
		now, err := t.text(hook("ttl"))
		if len(texts) == 0 || texts[len(texts)-1] != now {
			texts = append(texts, now)
		}
		return len(texts) >= 3, err
	})
	return unless(strings.ContainsAny(first, "0123456789"), err, "the lifetime is told as %q", texts)
}

// searchServices looks for keys in the directory that is open.
func (t *trial) searchServices() error {
	return inOrder(
		func() error { return t.jump("/services/api", "dir") },
		func() error { return t.enter(hook("search"), "api-3") },
		func() error { return t.waitFor(keyRow("/services/api/api-3")) },
		func() error { return t.waitGone(keyRow("/services/api/api-2")) },
		func() error { return t.click(keyRow("/services/api/api-3")) },
		func() error { return t.waitText(hook("value"), "10.0.3.13:8080") },
		func() error { return t.click(hook("search-clear")) },
		func() error { return t.waitFor(keyRow("/services/api/api-2")) },
	)
}

// changeTheme goes through the themes; the colours change, and stay when the
// page is opened again.
func (t *trial) changeTheme() error {
	ground := "probe.facts().texts[0].layers.at(-1).join()"
	light, err := ask[string](t.visitor, ground)
	if err != nil {
		return err
	}
	return inOrder(
		func() error { return t.click(hook("theme-toggle")) },
		func() error { return t.click(hook("theme-toggle")) },
		func() error {
			return t.wait("dark colours", fmt.Sprintf("document.documentElement.dataset.theme === 'dark' && %s !== %s", ground, quoted(light)))
		},
		func() error { return t.open("#/keys") },
		func() error { return t.wait("dark colours again", fmt.Sprintf("%s !== %s", ground, quoted(light))) },
		func() error { return t.click(hook("theme-toggle")) },
		func() error { return t.wait("light colours", fmt.Sprintf("%s === %s", ground, quoted(light))) },
	)
}
