package main

import (
	"bufio"
	"context"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

func (s *shell) lsCommand() *cli.Command {
	return &cli.Command{
		Name:      "ls",
		Usage:     "retrieve a directory",
		ArgsUsage: "[key]",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "sort", Usage: "returns result in sorted order"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "returns all key names recursively for the given path"},
			&cli.BoolFlag{Name: "p", Usage: "append slash (/) to directories"},
			&cli.BoolFlag{Name: "quorum", Aliases: []string{"q"}, Usage: "require quorum for get request"},
		},
		Action: s.keyCommand(list, printList),
	}
}

func list(ctx context.Context, c *call, cl *client.Client) (*client.Response, error) {
	key := "/"
	if c.NArg() > 0 {
		key = c.Args().First()
	}
	ctx, cancel := c.limited(ctx)
	defer cancel()
	return cl.Get(ctx, key, client.GetOptions{
		Sort:      c.Bool("sort"),
		Recursive: c.Bool("recursive"),
		Quorum:    c.Bool("quorum"),
	})
}

// printList shows what is in a directory; a key lists itself.
func printList(c *call, r *client.Response) error {
	if !c.wantsSimple() {
		return c.print(r)
	}
	out := bufio.NewWriter(c.stdout)
	if !r.Node.Dir {
		out.WriteString(r.Node.Key + "\n")
	}
	mark := ""
	if c.Bool("p") {
		mark = "/"
	}
	writeKeys(out, r.Node.Nodes, mark)
	return out.Flush() // which knows of all errors before
}

// writeKeys writes the keys of nodes, each before what is beneath it, one to
// a line, and a mark behind those of directories.
func writeKeys(out *bufio.Writer, nodes []*client.Node, mark string) {
	for _, n := range nodes {
		out.WriteString(n.Key)
		if n.Dir {
			out.WriteString(mark)
		}
		out.WriteByte('\n')
		writeKeys(out, n.Nodes, mark)
	}
}

// makingDirectory makes a directory.
func makingDirectory(prev client.PrevExist) func(context.Context, *call, *client.Client) (*client.Response, error) {
	return func(ctx context.Context, c *call, cl *client.Client) (*client.Response, error) {
		key, err := c.key()
		if err != nil {
			return nil, err
		}
		ctx, cancel := c.limited(ctx)
		defer cancel()
		return cl.Set(ctx, key, "", client.SetOptions{Dir: true, PrevExist: prev, TTL: c.ttl()})
	}
}

func (s *shell) mkdirCommand() *cli.Command {
	return &cli.Command{
		Name:      "mkdir",
		Usage:     "make a new directory",
		ArgsUsage: "<key>",
		Flags:     []cli.Flag{ttlFlag()},
		Action:    s.keyCommand(makingDirectory(client.PrevMissing), printUnlessSimple),
	}
}

func (s *shell) setdirCommand() *cli.Command {
	return &cli.Command{
		Name:      "setdir",
		Usage:     "create a new directory or update an existing directory TTL",
		ArgsUsage: "<key>",
		Flags:     []cli.Flag{ttlFlag()},
		Action:    s.keyCommand(makingDirectory(client.PrevIgnore), printUnlessSimple),
	}
}

func (s *shell) updatedirCommand() *cli.Command {
	return &cli.Command{
		Name:      "updatedir",
		Usage:     "update an existing directory",
		ArgsUsage: "<key> <value>",
		Flags:     []cli.Flag{ttlFlag()},
		Action:    s.keyCommand(makingDirectory(client.PrevExists), printUnlessSimple),
	}
}

func (s *shell) rmCommand() *cli.Command {
	return &cli.Command{
		Name:      "rm",
		Usage:     "remove a key or a directory",
		ArgsUsage: "<key>",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "dir", Usage: "removes the key if it is an empty directory or a key-value pair"},
			&cli.BoolFlag{Name: "recursive", Aliases: []string{"r"}, Usage: "removes the key and all child keys(if it is a directory)"},
			&cli.StringFlag{Name: "with-value", Usage: "previous value"},
			&cli.IntFlag{Name: "with-index", Usage: "previous index"},
		},
		Action: s.keyCommand(removing(func(c *call) client.DeleteOptions {
			return client.DeleteOptions{
				PrevValue: c.String("with-value"),
				PrevIndex: uint64(c.Int("with-index")),
				Recursive: c.Bool("recursive"),
				Dir:       c.Bool("dir"),
			}
		}), printRemoved),
	}
}

func (s *shell) rmdirCommand() *cli.Command {
	return &cli.Command{
		Name:      "rmdir",
		Usage:     "removes the key if it is an empty directory or a key-value pair",
		ArgsUsage: "<key>",
		Action:    s.keyCommand(removing(func(*call) client.DeleteOptions { return client.DeleteOptions{Dir: true} }), printRemoved),
	}
}

// removing removes a key or a directory.
func removing(options func(*call) client.DeleteOptions) func(context.Context, *call, *client.Client) (*client.Response, error) {
	return func(ctx context.Context, c *call, cl *client.Client) (*client.Response, error) {
		key, err := c.key()
		if err != nil {
			return nil, err
		}
		ctx, cancel := c.limited(ctx)
		defer cancel()
		return cl.Delete(ctx, key, options(c))
	}
}

func printRemoved(c *call, r *client.Response) error {
	if r.Node.Dir {
		return printUnlessSimple(c, r)
	}
	return c.print(r)
}
