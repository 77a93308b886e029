package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

var errExecArgs = errors.New("key and command to exec required")

func (s *shell) execWatchCommand() *cli.Command {
	return &cli.Command{
		Name:      "exec-watch",
		Usage:     "watch a key for changes and exec an executable",
		ArgsUsage: "<key> <command> [args...]",
		Flags: []cli.Flag{
			afterIndexFlag(),
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "watch all values for key and child keys"},
		},
		Action: s.action(execWatch),
	}
}

// execWatch starts a program for each event of a key until the user
// interrupts. It does not wait for programs: several may run at once, and
// those that do at the end go on.
func execWatch(ctx context.Context, c *call) error {
	cl, err := c.client(ctx)
	if err != nil {
		return err
	}
	key, command, ok := keyAndCommand(c.Args().Slice())
	if !ok {
		return failed(exitBadArgs, errExecArgs)
	}
	o := c.watchOptions()
	o.Stream = true // with a request for each event, one that comes quickly after another could be missed
	return c.follow(ctx, cl.Watch(key, o), true, func(event *client.Response) (more bool, err error) {
		if event.Node.Dir {
			_, err := fmt.Fprintf(c.stderr, "Ignored dir %s change\n", event.Node.Key)
			return true, err
		}
		return true, c.start(command, event)
	})
}

// keyAndCommand tells the key from the command in the arguments. With a "--"
// the key is before it and the command behind it; without one the key comes
// last.
func keyAndCommand(args []string) (key string, command []string, ok bool) {
	switch last := len(args) - 1; {
	case last < 1, last == 1 && args[1] == "--":
		return "", nil, false
	case slices.Contains(args[1:], "--"):
		return args[0], args[2:], true
	default:
		return args[last], args[:last], true
	}
}

// start starts command, which learns from its environment what has happened.
// It gets nothing to read. A value that does not fit into an environment is
// left out, and that is told: the event is not lost.
func (c *call) start(command []string, event *client.Response) error {
	about := []string{
		"ETCD_WATCH_ACTION=" + event.Action,
		"ETCD_WATCH_MODIFIED_INDEX=" + strconv.FormatUint(event.Node.ModifiedIndex, 10),
		"ETCD_WATCH_KEY=" + event.Node.Key,
	}
	err := c.startWith(command, append(about, "ETCD_WATCH_VALUE="+event.Node.Value)...)
	if errors.Is(err, syscall.E2BIG) || strings.Contains(event.Node.Value, "\x00") {
		if _, err := fmt.Fprintf(c.stderr, "The value of %q does not fit into the environment: going on without ETCD_WATCH_VALUE.\n", event.Node.Key); err != nil {
			return err
		}
		err = c.startWith(command, about...)
	}
	if err != nil {
		return &exitError{code: exitBadArgs, text: err.Error()}
	}
	return nil
}

func (c *call) startWith(command []string, about ...string) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = c.stdout, c.stderr
	cmd.Env = slices.DeleteFunc(slices.Clone(c.environ), func(v string) bool { return strings.HasPrefix(v, "ETCD_WATCH_") })
	cmd.Env = append(cmd.Env, about...)
	if err := cmd.Start(); err != nil {
		return err
	}
	// Nobody waits for this one: it ends with the program it waits for, which
	// may outlive ours. How that ends is its own affair.
	go func() { _ = cmd.Wait() }()
	return nil
}
