package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"keytree/scripts/process"
)

// row is a member's line in the cluster view.
func row(name string) thing { return hook("cluster-member").with("data-name", name) }

// confirm answers the question that the console asks before it does something;
// typed is what has to be typed in first.
func (t *trial) confirm(typed string) error {
	if err := t.waitFor(hook("confirm")); err != nil {
		return err
	}
	if typed != "" {
		if err := t.enter(hook("confirm-typed"), typed); err != nil {
			return err
		}
	}
	if err := t.click(hook("confirm-yes")); err != nil {
		return err
	}
	return t.waitGone(hook("confirm"))
}

// unlock allows editing.
func (t *trial) unlock() error {
	if err := t.click(hook("editing-switch")); err != nil {
		return err
	}
	return t.waitFor(hook("editing-switch").with("aria-checked", "true"))
}

// isDisabled wants a button to be there and not to be usable.
func (t *trial) isDisabled(button thing) error {
	if err := t.waitFor(button); err != nil {
		return err
	}
	off, err := ask[bool](t.visitor, button.js("find")+".matches(':disabled')")
	return unless(off, err, "%s can be used", button)
}

// changeMembers reads who is in the cluster, and adds, changes and removes a
// member.
func changeMembers(ctx context.Context, t *trial) error {
	port, err1 := t.cluster.ports.Take()
	client, err2 := t.cluster.ports.Take()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	fourth := &member{config: process.Config{
		Binary: t.cluster.members[0].config.Binary, Dir: filepath.Join(filepath.Dir(t.cluster.members[0].config.Dir), "node4"),
		Name: "node4", Client: client, Peer: port, State: "existing",
	}}
	defer func() {
		if fourth.server != nil {
			_ = fourth.server.Kill() // it ends by itself once it is removed
		}
	}()
	return inOrder(
		func() error { return t.open("#/cluster") },
		func() error { return step("read", t.readMembers(ctx)) },
		func() error { return step("locked", t.isDisabled(hook("cluster-add"))) },
		func() error { return step("locked", t.isDisabled(hook("member-remove").in(row("node1")))) },
		func() error { return step("locked", t.isDisabled(hook("member-edit").in(row("node1")))) },
		t.unlock,
		func() error { return t.cluster.growUp(ctx) },
		func() error { return step("add", t.addMember(ctx, fourth)) },
		func() error { return step("update", t.updateMember(ctx, fourth)) },
		func() error { return step("remove", t.removeMember(ctx, fourth)) },
	)
}

// readMembers holds the table against what the members say.
func (t *trial) readMembers(ctx context.Context) error {
	leader, err := t.cluster.leader(ctx)
	if err != nil {
		return err
	}
	var status struct{ Member struct{ Version string } }
	if err := t.http.getJSON(ctx, "/keytree/v1/status", &status); err != nil {
		return err
	}
	if err := t.waitFor(hook("cluster-health").with("data-healthy", "true")); err != nil {
		return err
	}
	if err := t.waitText(hook("cluster-leader"), leader.config.Name); err != nil {
		return err
	}
	for _, m := range t.cluster.members {
		line := row(m.config.Name).with("data-reachable", "true").with("data-leader", fmt.Sprint(m == leader))
		if err := t.waitFor(line); err != nil {
			return err
		}
		if err := t.waitText(hook("member-version").in(line), status.Member.Version); err != nil {
			return err
		}
		if m == leader {
			continue
		}
		if err := t.wait("the lag of "+m.config.Name, fmt.Sprintf("/^[0-9]+$/.test(%s?.dataset.lag)", hook("member-lag").in(line).js("find"))); err != nil {
			return err
		}
	}
	return nil
}

// addMember adds a member and starts it as the console says.
func (t *trial) addMember(ctx context.Context, m *member) error {
	url := fmt.Sprintf("http://127.0.0.1:%d", m.config.Peer)
	err := inOrder(
		func() error { return t.click(hook("cluster-add")) },
		func() error { return t.enter(hook("add-name"), m.config.Name) },
		func() error { return t.enter(hook("add-urls"), url) },
		func() error { return t.click(hook("add-submit")) },
		func() error { return t.confirm("") },
	)
	if err != nil {
		return err
	}
	command, err := t.text(hook("add-command"))
	if err != nil {
		return err
	}
	for _, part := range []string{m.config.Name + "=" + url, "--initial-cluster-state", "existing"} {
		if !strings.Contains(command, part) {
			return fmt.Errorf("the command %q lacks %q", command, part)
		}
	}
	if err := t.hasMember(ctx, url, true); err != nil {
		return err
	}
	m.config.Cluster = t.cluster.members[0].config.Cluster + "," + m.config.Name + "=" + url
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := t.click(hook("add-done")); err != nil {
		return err
	}
	return t.waitFor(row(m.config.Name).with("data-reachable", "true"))
}

// updateMember changes a member's URL to another that leads to it as well.
func (t *trial) updateMember(ctx context.Context, m *member) error {
	url := fmt.Sprintf("http://localhost:%d", m.config.Peer)
	err := inOrder(
		func() error { return t.click(hook("member-edit").in(row(m.config.Name))) },
		func() error { return t.enter(hook("member-urls-input"), url) },
		func() error { return t.click(hook("member-urls-save")) },
		func() error { return t.confirm("") },
		func() error { return t.waitGone(hook("member-urls")) },
	)
	if err != nil {
		return err
	}
	return t.hasMember(ctx, url, true)
}

// removeMember removes a member, once not, and sees it end.
func (t *trial) removeMember(ctx context.Context, m *member) error {
	url := fmt.Sprintf("http://localhost:%d", m.config.Peer)
	err := inOrder(
		func() error { return t.click(hook("member-remove").in(row(m.config.Name))) },
		func() error { return t.isDisabled(hook("confirm-yes")) },
		func() error { return t.click(hook("confirm-no")) },
		func() error { return t.waitGone(hook("confirm")) },
		func() error { return t.hasMember(ctx, url, true) },
		func() error { return t.click(hook("member-remove").in(row(m.config.Name))) },
		func() error { return t.confirm(m.config.Name) },
		func() error { return t.waitGone(row(m.config.Name)) },
		func() error { return t.hasMember(ctx, url, false) },
	)
	if err != nil {
		return err
	}
	return within(ctx, patience, "the removed member to end", func() (bool, error) { return m.server.Ended(), nil })
}

// hasMember asks whether a member with such a peer URL is in the roster.
func (t *trial) hasMember(ctx context.Context, url string, want bool) error {
	all, err := t.http.listMembers(ctx)
	if err != nil {
		return err
	}
	has := slices.ContainsFunc(all, func(m listedMember) bool { return slices.Contains(m.PeerURLs, url) })
	if has != want {
		return fmt.Errorf("a member at %s: %v, want %v; the roster is %v", url, has, want, all)
	}
	return nil
}

// pauseMember stops a member that neither leads nor answers the console: it is
// shown as not well until it goes on.
func pauseMember(ctx context.Context, t *trial) error {
	leader, err := t.cluster.leader(ctx)
	if err != nil {
		return err
	}
	var paused *member
	for _, m := range t.cluster.members {
		if m != leader && m.url() != t.origin {
			paused = m
		}
	}
	if err := t.open("#/cluster"); err != nil {
		return err
	}
	line := row(paused.config.Name)
	if err := t.waitFor(line.with("data-reachable", "true")); err != nil {
		return err
	}
	well, err := t.text(hook("member-health").in(line))
	if err != nil {
		return err
	}
	if err := paused.server.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	defer func() { _ = paused.server.Signal(syscall.SIGCONT) }() // also when all else fails
	if err := t.waitFor(line.with("data-reachable", "false")); err != nil {
		return err
	}
	ill, err := t.text(hook("member-health").in(line))
	if err := unless(!strings.Contains(ill, well), err, "its health is told as %q, and was %q before", ill, well); err != nil {
		return err
	}
	if err := t.waitGone(hook("cluster-health").saying(well)); err != nil {
		return err
	}
	if err := paused.server.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	return t.waitFor(line.with("data-reachable", "true"))
}
