package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// tool is promtool.
type tool struct{ binary string }

func (t tool) run(ctx context.Context, input []byte, args ...string) (said string, err error) {
	cmd := exec.CommandContext(ctx, t.binary, args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// checkFiles has promtool check the files of the documents.
func (t tool) checkFiles(ctx context.Context, docs string) (err error) {
	rules := filepath.Join(docs, "rules.yml")
	for _, args := range [][]string{
		{"check", "rules", rules},
		{"test", "rules", filepath.Join(docs, "rules_test.yml")},
		{"check", "config", filepath.Join(docs, "prometheus.yml")},
	} {
		said, e := t.run(ctx, nil, args...)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("promtool %s: %w\n%s", strings.Join(args, " "), e, said))
			continue
		}
		fmt.Printf("promtool %s %s: well\n", args[0], args[1])
	}
	return err
}

// lintFailed is how promtool ends that has found fault with a name.
const lintFailed = 3

// checkMetrics has promtool read the pages of the members. It may find fault
// with names that are etcd's.
func (t tool) checkMetrics(ctx context.Context, members cluster) (err error) {
	var known []string
	for _, m := range members {
		page, e := m.page(ctx)
		if e != nil {
			return errors.Join(err, e)
		}
		said, e := t.run(ctx, page, "check", "metrics")
		var exit *exec.ExitError
		if e != nil && !(errors.As(e, &exit) && exit.ExitCode() == lintFailed) {
			err = errors.Join(err, fmt.Errorf("promtool check metrics: %w\n%s", e, said))
			continue
		}
		ours, theirs := complaints(said)
		if len(ours) > 0 {
			err = errors.Join(err, fmt.Errorf("promtool check metrics, of %s:\n%s", m.metrics, strings.Join(ours, "\n")))
		}
		known = append(known, theirs...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	fmt.Printf("promtool check metrics: well but for %d names that are etcd's\n", len(known))
	for _, line := range known {
		fmt.Println("  " + line)
	}
	return err
}

// complaints are the lines in which promtool finds fault with names: of our
// own, and of etcd's, which are as they are.
func complaints(said string) (ours, theirs []string) {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case strings.HasPrefix(line, "etcd_"):
			theirs = append(theirs, line)
		default:
			ours = append(ours, line)
		}
	}
	return ours, theirs
}
