package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/chromedp/chromedp/kb"
)

// edit makes keys and directories, changes and deletes them.
func edit(ctx context.Context, t *trial) error {
	return inOrder(
		func() error { return t.open("#/keys") },
		t.unlock,
		func() error { return step("create a directory", t.createDirectory(ctx)) },
		func() error { return step("create", t.createKey(ctx)) },
		func() error { return step("create in order", t.createInOrder(ctx)) },
		func() error { return step("edit", t.editKey(ctx)) },
		func() error { return step("edit with the keyboard", t.editByKeyboard(ctx)) },
		func() error { return step("lifetime", t.setLifetime(ctx)) },
		func() error { return step("delete", t.deleteKey(ctx)) },
		func() error { return step("delete a directory", t.deleteDirectory(ctx)) },
		func() error { return step("lock", t.lockAgain()) },
	)
}

// create fills in the form of a new key, which kind is key, dir or inorder.
func (t *trial) create(kind, name, value string) error {
	err := inOrder(
		func() error { return t.click(hook("create")) },
		func() error { return t.waitFor(hook("create-dialog")) },
		func() error { return t.click(hook("kind-" + kind)) },
	)
	if err == nil && kind != "inorder" {
		err = t.enter(hook("create-name"), name)
	}
	if err == nil && kind != "dir" {
		err = t.enter(hook("create-value"), value)
	}
	if err != nil {
		return err
	}
	return t.click(hook("create-go"))
}

func (t *trial) createDirectory(ctx context.Context) error {
	err := inOrder(
		func() error { return t.create("dir", "desk", "") },
		func() error { return t.waitGone(hook("create-dialog")) },
		func() error { return t.waitFor(keyRow("/desk")) },
	)
	if err != nil {
		return err
	}
	n, err := t.http.get(ctx, "/desk")
	return unless(n != nil && n.Dir, err, "/desk is %v", n)
}

func (t *trial) createKey(ctx context.Context) error {
	return inOrder(
		func() error { return t.jump("/desk", "dir") },
		func() error { return t.create("key", "pen", "blue") },
		func() error { return t.waitGone(hook("create-dialog")) },
		func() error { return t.waitFor(keyRow("/desk/pen")) },
		func() error { return t.hasValue(ctx, "/desk/pen", "blue") },
	)
}

// createInOrder makes two keys whose names the server chooses.
func (t *trial) createInOrder(ctx context.Context) error {
	for _, job := range []string{"first", "second"} {
		err := inOrder(
			func() error { return t.jump("/desk", "dir") },
			func() error { return t.create("inorder", "", job) },
			func() error { return t.waitGone(hook("create-dialog")) },
		)
		if err != nil {
			return err
		}
	}
	n, err := t.http.get(ctx, "/desk")
	if err != nil {
		return err
	}
	var jobs []string
	for _, child := range n.Nodes {
		if strings.Trim(strings.TrimPrefix(child.Key, "/desk/"), "0123456789") == "" {
			jobs = append(jobs, child.Value)
		}
	}
	if fmt.Sprint(jobs) != "[first second]" {
		return fmt.Errorf("the keys in order are %v", jobs)
	}
	return nil
}

func (t *trial) editKey(ctx context.Context) error {
	before, err := t.http.get(ctx, "/desk/pen")
	if err := unless(before != nil, err, "there is no such key"); err != nil {
		return err
	}
	err = inOrder(
		func() error { return t.jump("/desk/pen", "key") },
		func() error { return t.click(hook("edit")) },
		func() error { return t.enter(hook("edit-value"), "green, and a line\nmore") },
		func() error { return t.click(hook("save")) },
		func() error { return t.waitGone(hook("editor")) },
		func() error { return t.waitText(hook("value"), "green, and a line more") },
		func() error { return t.hasValue(ctx, "/desk/pen", "green, and a line\nmore") },
	)
	if err != nil {
		return err
	}
	after, err := t.http.get(ctx, "/desk/pen")
	if err != nil {
		return err
	}
	if after.ModifiedIndex <= before.ModifiedIndex {
		return fmt.Errorf("modifiedIndex was %d and is %d", before.ModifiedIndex, after.ModifiedIndex)
	}
	return t.isNumber(hook("modified-index"), after.ModifiedIndex)
}

// editByKeyboard saves with Ctrl and Enter, and gives up without a change.
func (t *trial) editByKeyboard(ctx context.Context) error {
	return inOrder(
		func() error { return t.click(hook("edit")) },
		func() error { return t.enter(hook("edit-value"), "black") },
		func() error { return t.chord(kb.Enter, "") },
		func() error { return t.waitGone(hook("editor")) },
		func() error { return t.hasValue(ctx, "/desk/pen", "black") },
		func() error { return t.click(hook("edit")) },
		func() error { return t.enter(hook("edit-value"), "white") },
		func() error { return t.click(hook("cancel")) },
		t.maybeConfirm,
		func() error { return t.waitGone(hook("editor")) },
		func() error { return t.hasValue(ctx, "/desk/pen", "black") },
	)
}

// setLifetime gives a key a lifetime, refreshes it and takes it away; the
// value stays.
func (t *trial) setLifetime(ctx context.Context) error {
	lives := func(least, most int64) func() error {
		return func() error {
			return within(ctx, patience, fmt.Sprintf("black with %d to %d s to live", least, most), func() (bool, error) {
				n, err := t.http.get(ctx, "/desk/pen")
				return n != nil && n.Value == "black" && n.TTL >= least && n.TTL <= most, err
			})
		}
	}
	dialog := hook("lifetime-dialog")
	set := func(seconds string) func() error {
		return func() error {
			return inOrder(
				func() error { return t.click(hook("lifetime")) },
				func() error { return t.enter(hook("lifetime-seconds").in(dialog), seconds) },
				func() error { return t.click(hook("lifetime-go")) },
				func() error { return t.waitGone(dialog) },
			)
		}
	}
	return inOrder(
		set("600"),
		lives(590, 600),
		func() error { return t.waitFor(hook("ttl")) },
		set("1200"),
		lives(1190, 1200),
		func() error { return t.click(hook("lifetime")) },
		func() error { return t.click(hook("lifetime-remove")) },
		func() error { return t.waitGone(dialog) },
		lives(0, 0),
	)
}

func (t *trial) deleteKey(ctx context.Context) error {
	t.seen.expect(http.StatusNotFound)
	return inOrder(
		func() error { return t.jump("/desk/pen", "key") },
		func() error { return t.click(hook("delete")) },
		func() error { return t.waitFor(hook("confirm")) },
		func() error { return t.hasValue(ctx, "/desk/pen", "black") },
		func() error { return t.click(hook("confirm-no")) },
		func() error { return t.waitGone(hook("confirm")) },
		func() error { return t.click(hook("delete")) },
		func() error { return t.confirm("") },
		func() error { return t.waitGone(keyRow("/desk/pen")) },
		func() error { return t.isAbsent(ctx, "/desk/pen") },
	)
}

// deleteDirectory deletes a directory with keys in it, which takes more than a
// click.
func (t *trial) deleteDirectory(ctx context.Context) error {
	err := inOrder(
		func() error { return t.jump("/desk", "dir") },
		func() error { return t.click(hook("delete")) },
		func() error { return t.waitFor(hook("confirm")) },
	)
	if err != nil {
		return err
	}
	asked, err := t.count(hook("confirm-typed"))
	if err != nil {
		return err
	}
	typed := ""
	if asked > 0 {
		if typed, err = t.text(thing{css: "code"}.in(hook("confirm"))); err != nil {
			return err
		}
	}
	return inOrder(
		func() error { return t.confirm(typed) },
		func() error { return t.waitGone(keyRow("/desk")) },
		func() error { return t.isAbsent(ctx, "/desk") },
	)
}

// lockAgain takes the buttons away again.
func (t *trial) lockAgain() error {
	return inOrder(
		func() error { return t.jump("/config/app/log-level", "key") },
		func() error { return t.click(hook("editing-switch")) },
		func() error { return t.cannotEdit("edit", "lifetime", "delete") },
	)
}
