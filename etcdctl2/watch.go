package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

func (s *shell) watchCommand() *cli.Command {
	return &cli.Command{
		Name:      "watch",
		Usage:     "watch a key for changes",
		ArgsUsage: "<key>",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "forever", Aliases: []string{"f"}, Usage: "forever watch a key until CTRL+C"},
			afterIndexFlag(),
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "returns all values for key and child keys"},
		},
		Action: s.action(watch),
	}
}

func afterIndexFlag() cli.Flag {
	return &cli.IntFlag{Name: "after-index", Usage: "watch after the given index"}
}

// watch shows the next event of a key, or all until the user interrupts.
func watch(ctx context.Context, c *call) error {
	cl, err := c.client(ctx)
	if err != nil {
		return err
	}
	key, err := c.key()
	if err != nil {
		return failed(exitBadArgs, err)
	}
	forever := c.Bool("forever")
	w := cl.Watch(key, c.watchOptions())
	return c.follow(ctx, w, forever, func(event *client.Response) (more bool, err error) {
		if event.Node.Dir {
			return true, nil
		}
		if c.Bool("recursive") {
			if _, err := fmt.Fprintf(c.stdout, "[%s] %s\n", event.Action, event.Node.Key); err != nil {
				return false, err
			}
		}
		return forever, c.print(event)
	})
}

// watchOptions are what the flags of a watch say. A negative index says
// nothing.
func (c *call) watchOptions() client.WatchOptions {
	return client.WatchOptions{
		AfterIndex: uint64(max(c.Int("after-index"), 0)),
		Recursive:  c.Bool("recursive"),
		FailFast:   true, // so that the user is told
	}
}

// follow hands the events of w to take until that wants no more, the user
// interrupts or the watch fails. A watch that is to last goes on when no
// endpoint answers any more, if one ever did.
func (c *call) follow(ctx context.Context, w *client.Watcher, lasting bool, take func(*client.Response) (more bool, err error)) error {
	ctx, release := c.interruptible(ctx)
	defer release()
	defer w.Close()
	for told := false; ; {
		event, err := w.Next(ctx)
		outage, out := errors.AsType[*client.ClusterError](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case out && lasting && w.Begun():
			if !told {
				tellOutage(c.stderr, outage)
			}
			told = true
		case err != nil:
			return c.watchFailed(w, err)
		default:
			told = false
			if more, err := take(event); !more || err != nil {
				return err
			}
		}
	}
}

// tellOutage says why there are no events for a while. Once is enough: nothing
// is lost, and the endpoints are asked for as long as it takes.
func tellOutage(stderr io.Writer, outage *client.ClusterError) {
	reasons := make([]string, len(outage.Errors))
	for i, err := range outage.Errors {
		reasons[i] = err.Error()
	}
	fmt.Fprintf(stderr, "Lost the connection, trying to get it back: %s\n", strings.Join(reasons, "; "))
}

// watchFailed ends the program with what a watch failed with. When events were
// missed it does not go on behind them: whoever started it has to know.
func (c *call) watchFailed(w *client.Watcher, err error) error {
	gap, lost := errors.AsType[*client.GapError](err)
	refusal, refused := errors.AsType[*client.Error](err)
	if lost && refused {
		if w.Begun() {
			fmt.Fprintf(c.stderr, "Lost history: the events from index %d to %d may have been missed.\n", gap.First, gap.Last)
		}
		err = refusal
	}
	return failed(exitRefused, err)
}
