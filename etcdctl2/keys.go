package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

var (
	errKeyRequired   = errors.New("key required")
	errValueRequired = errors.New("value required")
)

// keyCommand is what the commands on keys have in common: the client is
// ready before anybody looks at the arguments, and what a server refuses is
// told in one form.
func (s *shell) keyCommand(ask func(context.Context, *call, *client.Client) (*client.Response, error), show func(*call, *client.Response) error) cli.ActionFunc {
	return s.action(func(ctx context.Context, c *call) error {
		cl, err := c.client(ctx)
		if err != nil {
			return err
		}
		defer cl.Close()
		r, err := ask(ctx, c, cl)
		if errors.Is(err, errKeyRequired) || errors.Is(err, errValueRequired) {
			return failed(exitBadArgs, err)
		}
		if err == nil && r.Node == nil {
			err = client.ErrInvalidJSON // of no use to any command
		}
		if err != nil {
			return failed(exitRefused, err)
		}
		return show(c, r)
	})
}

// printValue shows an answer about a key.
func printValue(c *call, r *client.Response) error { return c.print(r) }

// printUnlessSimple shows an answer about a directory, of which there is
// nothing to see in the simple format.
func printUnlessSimple(c *call, r *client.Response) error {
	if c.wantsSimple() {
		return nil
	}
	return c.print(r)
}

// key is the first argument.
func (c *call) key() (string, error) {
	if c.NArg() == 0 {
		return "", errKeyRequired
	}
	return c.Args().First(), nil
}

// keyAndValue are the first two arguments. The value is read from stdin if it
// is no argument; it is then not empty.
func (c *call) keyAndValue() (key, value string, err error) {
	if key, err = c.key(); err != nil {
		return "", "", err
	}
	if c.NArg() > 1 {
		return key, c.Args().Get(1), nil
	}
	text, err := io.ReadAll(c.stdin)
	if err != nil || len(text) == 0 {
		return "", "", errValueRequired
	}
	return key, string(text), nil
}

// ttl is the lifetime that a flag gives in seconds. What is longer than can
// be said is the longest that can, so that it does not wrap to a short one.
func (c *call) ttl() time.Duration {
	seconds := min(int64(c.Int("ttl")), int64(math.MaxInt64/time.Second))
	return time.Duration(max(seconds, 0)) * time.Second
}

func ttlFlag() cli.Flag {
	return &cli.IntFlag{Name: "ttl", Usage: "key time-to-live in seconds"}
}

func (s *shell) getCommand() *cli.Command {
	return &cli.Command{
		Name:      "get",
		Usage:     "retrieve the value of a key",
		ArgsUsage: "<key>",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "sort", Usage: "returns result in sorted order"},
			&cli.BoolFlag{Name: "quorum", Aliases: []string{"q"}, Usage: "require quorum for get request"},
		},
		Action: s.keyCommand(get, func(c *call, r *client.Response) error {
			if r.Node.Dir {
				return plainly(exitBadArgs, fmt.Sprintf("%s: is a directory", r.Node.Key))
			}
			return c.print(r)
		}),
	}
}

func get(ctx context.Context, c *call, cl *client.Client) (*client.Response, error) {
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.limited(ctx)
	defer cancel()
	return cl.Get(ctx, key, client.GetOptions{Sort: c.Bool("sort"), Quorum: c.Bool("quorum")})
}

func (s *shell) setCommand() *cli.Command {
	return &cli.Command{
		Name:      "set",
		Usage:     "set the value of a key",
		ArgsUsage: "<key> <value>",
		Description: "Set sets the value of a key.\n\n" +
			"   When <value> begins with '-', <value> is interpreted as a flag.\n" +
			"   Insert '--' for workaround:\n\n" +
			"   $ set -- <key> <value>",
		Flags: []cli.Flag{
			ttlFlag(),
			&cli.StringFlag{Name: "swap-with-value", Usage: "previous value"},
			&cli.IntFlag{Name: "swap-with-index", Usage: "previous index"},
		},
		Action: s.keyCommand(writing(func(c *call) client.SetOptions {
			return client.SetOptions{PrevValue: c.String("swap-with-value"), PrevIndex: uint64(c.Int("swap-with-index"))}
		}), printValue),
	}
}

func (s *shell) updateCommand() *cli.Command {
	return &cli.Command{
		Name:      "update",
		Usage:     "update an existing key with a given value",
		ArgsUsage: "<key> <value>",
		Flags:     []cli.Flag{ttlFlag()},
		Action: s.keyCommand(writing(func(*call) client.SetOptions {
			return client.SetOptions{PrevExist: client.PrevExists}
		}), printValue),
	}
}

func (s *shell) mkCommand() *cli.Command {
	create := writing(func(*call) client.SetOptions { return client.SetOptions{PrevExist: client.PrevMissing} })
	return &cli.Command{
		Name:      "mk",
		Usage:     "make a new key with a given value",
		ArgsUsage: "<key> <value>",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "in-order", Usage: "create in-order key under directory <key>"},
			ttlFlag(),
		},
		Action: s.keyCommand(func(ctx context.Context, c *call, cl *client.Client) (*client.Response, error) {
			if c.Bool("in-order") {
				return createInOrder(ctx, c, cl)
			}
			return create(ctx, c, cl)
		}, printValue),
	}
}

func createInOrder(ctx context.Context, c *call, cl *client.Client) (*client.Response, error) {
	dir, value, err := c.keyAndValue()
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.limited(ctx)
	defer cancel()
	return cl.CreateInOrder(ctx, dir, value, c.ttl())
}

// writing writes a key.
func writing(options func(*call) client.SetOptions) func(context.Context, *call, *client.Client) (*client.Response, error) {
	return func(ctx context.Context, c *call, cl *client.Client) (*client.Response, error) {
		key, value, err := c.keyAndValue()
		if err != nil {
			return nil, err
		}
		o := options(c)
		o.TTL = c.ttl()
		ctx, cancel := c.limited(ctx)
		defer cancel()
		return cl.Set(ctx, key, value, o)
	}
}
