package main

import (
	"context"
	"net/http"
)

// contested is the key that two people change.
const contested = "/contested/key"

// meetConflict changes a key that somebody else changes meanwhile: both values
// are shown, and nothing is written over.
func meetConflict(ctx context.Context, t *trial) error {
	t.seen.expect(http.StatusPreconditionFailed, http.StatusNotFound)
	if err := t.http.set(ctx, contested, "at first"); err != nil {
		return err
	}
	return inOrder(
		func() error { return t.open("#/keys" + contested) },
		t.unlock,
		func() error { return step("conflict", t.collide(ctx, "mine", "theirs")) },
		func() error { return t.lookOver("conflict") },
		func() error { return step("keep editing", t.keepEditing(ctx)) },
		func() error { return step("take theirs", t.takeTheirs(ctx)) },
		func() error { return step("overwrite", t.overwrite(ctx)) },
		func() error { return step("delete", t.collideInDelete(ctx)) },
		func() error { return step("create", t.collideInCreate(ctx)) },
	)
}

// collide saves mine after theirs was written, and sees both.
func (t *trial) collide(ctx context.Context, mine, theirs string) error {
	return inOrder(
		func() error { return t.click(hook("edit")) },
		func() error { return t.enter(hook("edit-value"), mine) },
		func() error { return t.http.set(ctx, contested, theirs) },
		func() error { return t.click(hook("save")) },
		func() error { return t.isConflict(ctx, mine, theirs) },
	)
}

// isConflict wants both values to be shown, and theirs to stand.
func (t *trial) isConflict(ctx context.Context, mine, theirs string) error {
	return inOrder(
		func() error { return t.waitFor(hook("conflict")) },
		func() error { return t.waitText(hook("conflict-mine"), mine) },
		func() error { return t.waitText(hook("conflict-theirs"), theirs) },
		func() error { return t.hasValue(ctx, contested, theirs) },
	)
}

// keepEditing goes back to what was typed, and saving again is a conflict
// still, unless the console has learned of theirs: then it is a change of it.
func (t *trial) keepEditing(ctx context.Context) error {
	return inOrder(
		func() error { return t.click(hook("keep-editing")) },
		func() error { return t.waitGone(hook("conflict")) },
		func() error { return t.waitText(hook("edit-value"), "mine") },
		func() error { return t.hasValue(ctx, contested, "theirs") },
		func() error { return t.click(hook("cancel")) },
		t.maybeConfirm,
		func() error { return t.waitGone(hook("editor")) },
		func() error { return t.hasValue(ctx, contested, "theirs") },
		func() error { return t.click(hook("reload")) },
		func() error { return t.waitText(hook("value"), "theirs") },
	)
}

func (t *trial) takeTheirs(ctx context.Context) error {
	return inOrder(
		func() error { return t.collide(ctx, "mine again", "theirs again") },
		func() error { return t.click(hook("take-theirs")) },
		func() error { return t.waitGone(hook("conflict")) },
		func() error { return t.waitGone(hook("editor")) },
		func() error { return t.waitText(hook("value"), "theirs again") },
		func() error { return t.hasValue(ctx, contested, "theirs again") },
	)
}

// overwrite insists, after having seen what is written over.
func (t *trial) overwrite(ctx context.Context) error {
	return inOrder(
		func() error { return t.collide(ctx, "mine at last", "theirs at last") },
		func() error { return t.click(hook("overwrite")) },
		func() error { return t.waitGone(hook("conflict")) },
		func() error { return t.waitGone(hook("editor")) },
		func() error { return t.hasValue(ctx, contested, "mine at last") },
		func() error { return t.waitText(hook("value"), "mine at last") },
	)
}

// collideInDelete deletes a key that was changed meanwhile: it stays.
func (t *trial) collideInDelete(ctx context.Context) error {
	return inOrder(
		func() error { return t.click(hook("delete")) },
		func() error { return t.waitFor(hook("confirm")) },
		func() error { return t.http.set(ctx, contested, "not to be deleted") },
		func() error { return t.confirm("") },
		func() error {
			return t.waitText(thing{css: "dialog[open], [data-test=toast], [role=alert]"}, "not to be deleted")
		},
		func() error { return t.hasValue(ctx, contested, "not to be deleted") },
	)
}

// collideInCreate makes a key that somebody has made meanwhile: theirs stays.
func (t *trial) collideInCreate(ctx context.Context) error {
	return inOrder(
		func() error { return t.open("#/keys/contested") },
		t.unlock,
		func() error { return t.http.set(ctx, "/contested/new", "theirs") },
		func() error { return t.create("key", "new", "mine") },
		func() error { return t.waitFor(hook("conflict")) },
		func() error { return t.waitText(hook("conflict-theirs"), "theirs") },
		func() error { return t.hasValue(ctx, "/contested/new", "theirs") },
	)
}
