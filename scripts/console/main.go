// Console drives the web console in Chromium as a person would. Over a cluster
// of three real members it clicks, types and reads, and asks the members by
// HTTP afterwards what came of it. It looks at every view in three widths and
// two themes, and holds each against rules that can be counted: contrast,
// names for screen readers, nothing wider than the window, no error in the
// browser's console, no request to anybody else.
//
//	go run ./scripts/console -keytree bin/keytree
//	go run ./scripts/console -keytree bin/keytree -screenshots docs/images
//
// The exit status is 1 if anything is not as it should be; what failed stands
// at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

type options struct {
	keytree     string
	chromium    string
	screenshots string
	only        string
	keys        int
	limit       time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.keytree, "keytree", "bin/keytree", "Keytree's `program`")
	flag.StringVar(&o.chromium, "chromium", "chromium", "the browser's `program`")
	flag.StringVar(&o.screenshots, "screenshots", "", "`directory` for a picture of each view, console-VIEW-WIDTH-THEME.png (default: none)")
	flag.StringVar(&o.only, "only", "", "`scenarios` to run, separated by commas (default: all)")
	flag.IntVar(&o.keys, "keys", 100_000, "children of the large directory")
	flag.DurationVar(&o.limit, "timeout", 5*time.Minute, "give up after this time")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, fmt.Errorf("not done after %v", o.limit))
	defer cancel()
	failed, err := run(ctx, o)
	if len(failed) > 0 {
		fmt.Println("failed:")
		for _, f := range failed {
			fmt.Println("  " + f)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "console:", err)
	}
	if err != nil || len(failed) > 0 {
		os.Exit(1)
	}
}

// A scenario is what one person does at the console, from an empty tab on.
type scenario struct {
	name string
	run  func(ctx context.Context, t *trial) error
}

func scenarios() []scenario {
	return []scenario{
		{"browse", browse},
		{"large directory", openLargeDirectory},
		{"edit", edit},
		{"conflict", meetConflict},
		{"keyboard", useKeyboard},
		{"telephone", useTelephone},
		{"watch", watchLive},
		{"history lost", loseHistory},
		{"members", changeMembers},
		{"unhealthy member", pauseMember},
		{"charts", readCharts},
		{"looks", look},
		{"lost connection", loseConnection},
		{"auth", useAuth},
	}
}

// run plays the scenarios that are wanted and returns what failed.
func run(ctx context.Context, o options) (failed []string, err error) {
	chosen, err := choose(o.only)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "keytree-console-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	began := time.Now()
	c, err := found(ctx, o.keytree, dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if broken := c.close(); ctx.Err() == nil { // members end with the context
			err = errors.Join(err, broken)
		}
	}()
	b, err := launch(ctx, o.chromium)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if err := prepare(ctx, c, o.keys); err != nil {
		return nil, err
	}
	fmt.Printf("three members with %d keys, %s: %.1f s\n", o.keys, b.version, time.Since(began).Seconds())
	for n, s := range chosen {
		start := time.Now()
		wrong := play(ctx, s, c, b, o)
		if ctx.Err() != nil {
			return failed, context.Cause(ctx)
		}
		fmt.Printf("[%d/%d] %s: %s, %.1f s\n", n+1, len(chosen), s.name, verdict(wrong), time.Since(start).Seconds())
		for _, w := range wrong {
			failed = append(failed, s.name+": "+w)
		}
	}
	fmt.Printf("%d scenarios in %.0f s\n", len(chosen), time.Since(began).Seconds())
	return failed, nil
}

func verdict(wrong []string) string {
	if len(wrong) == 0 {
		return "ok"
	}
	return fmt.Sprintf("FAILED (%d)", len(wrong))
}

// choose returns the scenarios of a list of names, all if it is empty.
func choose(only string) ([]scenario, error) {
	all := scenarios()
	if only == "" {
		return all, nil
	}
	var chosen []scenario
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == strings.TrimSpace(name) })
		if i < 0 {
			var names []string
			for _, s := range all {
				names = append(names, s.name)
			}
			return nil, fmt.Errorf("no scenario %q; there are: %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
