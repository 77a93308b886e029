package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/chromedp/chromedp/kb"
)

// Passwords of this cluster, which lasts a minute.
const (
	rootPassword  = "of the root"
	alicePassword = "of alice, with ünïcode"
)

// useAuth makes users and roles, turns authentication on, works as one who may
// little, and turns it off again.
func useAuth(ctx context.Context, t *trial) (err error) {
	defer func() {
		root := t.http.as("root", rootPassword)
		_, _, failed := root.do(ctx, http.MethodDelete, "/v2/auth/enable", "", "") // off already, if all went well
		err = errors.Join(err, failed)
	}()
	t.seen.expect(http.StatusUnauthorized, http.StatusNotFound) // denied, and asked whether there is such a user
	return inOrder(
		func() error { return t.open("#/auth") },
		func() error { return t.waitFor(hook("auth-state").with("data-enabled", "false")) },
		func() error { return step("locked", t.isDisabled(hook("auth-enable"))) },
		t.unlock,
		func() error { return step("root", t.makeUser(ctx, t.http, "root", rootPassword)) },
		func() error { return step("enable", t.enableAuth(ctx)) },
		func() error { return step("wrong password", t.failToSignIn()) },
		func() error { return step("sign in", t.signIn("root", rootPassword, "/")) },
		func() error { return step("role", t.makeRole(ctx)) },
		func() error { return step("alice", t.makeReader(ctx)) },
		func() error { return step("sign out", t.signOut()) },
		func() error { return step("sign in as alice", t.signIn("alice", alicePassword, "/config")) },
		func() error { return step("as alice", t.beDenied(ctx)) },
		func() error { return step("sign out", t.signOut()) },
		func() error { return step("sign in again", t.signIn("root", rootPassword, "/")) },
		func() error { return step("delete", t.deleteUser(ctx, "alice")) },
		func() error { return step("disable", t.disableAuth(ctx)) },
	)
}

// makeUser fills in the form of a new user and asks as c whether there is one.
func (t *trial) makeUser(ctx context.Context, c client, name, password string) error {
	err := inOrder(
		func() error { return t.enter(hook("user-create-name"), name) },
		func() error { return t.enter(hook("user-create-password"), password) },
		func() error { return t.click(hook("user-create-submit")) },
		func() error { return t.waitFor(hook("user").with("data-user", name)) },
	)
	if err != nil {
		return err
	}
	var u struct{ User string }
	err = c.getJSON(ctx, "/v2/auth/users/"+name, &u)
	return unless(u.User == name, err, "the user is called %q", u.User)
}

func (t *trial) enableAuth(ctx context.Context) error {
	err := inOrder(
		func() error { return t.click(hook("auth-enable")) },
		func() error { return t.confirm("") },
		func() error { return t.waitFor(hook("auth-state").with("data-enabled", "true")) },
	)
	if err != nil {
		return err
	}
	return t.authIs(ctx, true)
}

// authIs asks whether authentication is on.
func (t *trial) authIs(ctx context.Context, want bool) error {
	var answer struct{ Enabled bool }
	err := t.http.getJSON(ctx, "/v2/auth/enable", &answer)
	return unless(answer.Enabled == want, err, "authentication is on: %v", answer.Enabled)
}

// failToSignIn gets the password wrong, which is told and changes nothing.
func (t *trial) failToSignIn() error {
	return inOrder(
		func() error { return t.fillSignIn("root", "wrong", "/") },
		func() error { return t.waitFor(hook("signin-problem")) },
		func() error { return t.waitFor(hook("signin-form")) },
		func() error { return t.waitGone(hook("signed-in")) },
		func() error { return t.lookOver("auth-signin") },
	)
}

// fillSignIn signs in as a user who may read path, which need not be said of /.
func (t *trial) fillSignIn(user, password, path string) error {
	err := inOrder(
		func() error { return t.enter(hook("signin-user"), user) },
		func() error { return t.enter(hook("signin-password"), password) },
	)
	if err == nil && path != "/" {
		err = inOrder(
			func() error { return t.click(thing{css: "summary"}.in(hook("signin-form"))) },
			func() error { return t.enter(hook("signin-path"), path) },
		)
	}
	if err != nil {
		return err
	}
	return t.press(kb.Enter)
}

func (t *trial) signIn(user, password, path string) error {
	return inOrder(
		func() error { return t.click(hook("nav-auth")) },
		func() error { return t.fillSignIn(user, password, path) },
		func() error { return t.waitFor(hook("auth-who").with("data-user", user)) },
		func() error { return t.waitText(hook("signed-in"), user) },
	)
}

func (t *trial) signOut() error {
	return inOrder(
		func() error { return t.click(hook("sign-out")) },
		func() error { return t.waitGone(hook("signed-in")) },
		func() error { return t.waitFor(hook("editing-switch").with("aria-checked", "false")) },
	)
}

// A role is what a server tells of one.
type role struct {
	Role        string
	Permissions struct {
		KV struct{ Read, Write []string }
	}
}

// makeRole makes a role that may read /config and beneath, and nothing else.
func (t *trial) makeRole(ctx context.Context) error {
	if unlocked, err := ask[bool](t.visitor, hook("editing-switch").js("find")+".ariaChecked === 'true'"); err != nil {
		return err
	} else if !unlocked {
		if err := t.unlock(); err != nil {
			return err
		}
	}
	card := hook("role").with("data-role", "reader")
	grant := func(pattern, kind string) func() error {
		return func() error {
			return inOrder(
				func() error { return t.enter(hook("role-grant-pattern").in(card), pattern) },
				func() error { return t.choose(hook("role-grant-kind").in(card), kind) },
				func() error { return t.click(hook("role-grant-submit").in(card)) },
				func() error { return t.waitFor(hook("role-permission").in(card).with("data-pattern", pattern)) },
			)
		}
	}
	err := inOrder(
		func() error { return t.enter(hook("role-create-name"), "reader") },
		func() error { return t.click(hook("role-create-submit")) },
		func() error { return t.waitFor(card) },
		grant("/config", "read"),
		grant("/config/*", "read"),
		grant("/mistake", "write"),
		func() error {
			return t.click(hook("role-permission-revoke").in(hook("role-permission").in(card).with("data-pattern", "/mistake")))
		},
		func() error { return t.maybeConfirm() },
		func() error { return t.waitGone(hook("role-permission").in(card).with("data-pattern", "/mistake")) },
	)
	if err != nil {
		return err
	}
	var r role
	err = t.http.as("root", rootPassword).getJSON(ctx, "/v2/auth/roles/reader", &r)
	kv := r.Permissions.KV
	return unless(slices.Equal(kv.Read, []string{"/config", "/config/*"}) && len(kv.Write) == 0, err, "the role may %+v", kv)
}

// makeReader makes alice, who has that role.
func (t *trial) makeReader(ctx context.Context) error {
	root := t.http.as("root", rootPassword)
	if err := t.makeUser(ctx, root, "alice", alicePassword); err != nil {
		return err
	}
	card := hook("user").with("data-user", "alice")
	err := inOrder(
		func() error { return t.choose(hook("user-grant-role").in(card), "reader") },
		func() error { return t.click(hook("user-grant").in(card)) },
		func() error { return t.waitFor(hook("user-role").in(card).with("data-role", "reader")) },
	)
	if err != nil {
		return err
	}
	var u struct{ Roles []role }
	err = root.getJSON(ctx, "/v2/auth/users/alice", &u)
	return unless(len(u.Roles) == 1 && u.Roles[0].Role == "reader", err, "alice has the roles %+v", u.Roles)
}

// beDenied reads what alice may read, and is told what she may not do.
func (t *trial) beDenied(ctx context.Context) error {
	err := inOrder(
		func() error { return t.click(hook("nav-keys")) },
		func() error { return t.jump("/config/app/log-level", "key") },
		func() error { return t.waitText(hook("value"), "info") },
		func() error { return t.jump("/services/api/api-1", "denied") },
		func() error { return t.waitText(hook("node"), "alice") },
		func() error { return t.lookOver("keys-denied") },
		func() error { return t.jump("/config/app/log-level", "key") },
		t.unlock,
		func() error { return t.click(hook("edit")) },
		func() error { return t.enter(hook("edit-value"), "debug") },
		func() error { return t.click(hook("save")) },
		func() error {
			return t.waitText(thing{css: "[role=alert], [data-test=toast], [data-test=editor]"}, "alice")
		},
		func() error { return t.hasValueAs(ctx, "/config/app/log-level", "info") },
		func() error { return t.click(hook("cancel")) },
	)
	if err != nil {
		return err
	}
	return inOrder(
		func() error { return t.maybeConfirm() },
		func() error { return t.click(hook("nav-auth")) },
		func() error { return t.waitFor(hook("auth-denied-item")) },
		func() error { return t.waitGone(hook("user").with("data-user", "root")) },
		func() error { return t.lookOver("auth-denied") },
	)
}

// hasValueAs is hasValue while only root may read all.
func (t *trial) hasValueAs(ctx context.Context, key, want string) error {
	n, err := t.http.as("root", rootPassword).get(ctx, key)
	return unless(n != nil && n.Value == want, err, "%s is %v, want %q", key, n, want)
}

func (t *trial) deleteUser(ctx context.Context, name string) error {
	card := hook("user").with("data-user", name)
	err := inOrder(
		func() error { return t.waitFor(card) },
		t.unlock,
		func() error { return t.click(hook("user-delete").in(card)) },
		func() error { return t.confirm(name) },
		func() error { return t.waitGone(card) },
	)
	if err != nil {
		return err
	}
	status, _, err := t.http.as("root", rootPassword).do(ctx, http.MethodGet, "/v2/auth/users/"+name, "", "")
	return unless(status == http.StatusNotFound, err, "%s is still there: %d", name, status)
}

func (t *trial) disableAuth(ctx context.Context) error {
	err := inOrder(
		func() error { return t.click(hook("auth-disable")) },
		func() error { return t.confirm("disable") },
		func() error { return t.waitFor(hook("auth-state").with("data-enabled", "false")) },
	)
	if err != nil {
		return err
	}
	return t.authIs(ctx, false)
}

// maybeConfirm agrees if it is asked something.
func (t *trial) maybeConfirm() error {
	n, err := t.count(hook("confirm"))
	if err != nil || n == 0 {
		return err
	}
	return t.confirm("")
}

// jump goes to a path by typing it, and waits until it is shown as a key, a
// directory, missing or denied.
func (t *trial) jump(path, state string) error {
	return inOrder(
		func() error { return t.enter(hook("jump"), path) },
		func() error { return t.press(kb.Enter) },
		func() error { return t.waitFor(hook("node").with("data-key", path).with("data-state", state)) },
	)
}

// node row in the tree of keys.
func keyRow(path string) thing { return hook("tree-row").with("data-key", path) }

// at is where the address line stands.
func (t *trial) at(hash string) error {
	return t.wait("the address "+hash, fmt.Sprintf("location.hash === %s", quoted(hash)))
}
