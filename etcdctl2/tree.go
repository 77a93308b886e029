package main

import (
	"bufio"
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

func (s *shell) treeCommand() *cli.Command {
	return &cli.Command{
		Name:      "tree",
		Category:  added,
		Usage:     "draw what is in a directory",
		ArgsUsage: "[key]",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "depth", Aliases: []string{"L"}, Usage: "go no deeper than this; 0 is as deep as it gets"},
			&cli.BoolFlag{Name: "values", Usage: "show the values of keys"},
			&cli.BoolFlag{Name: "quorum", Aliases: []string{"q"}, Usage: "require quorum for get request"},
		},
		Action: s.keyCommand(readTree, printTree),
	}
}

// readTree reads a directory as deep as the user wants to see it.
func readTree(ctx context.Context, c *call, cl *client.Client) (*client.Response, error) {
	key := "/"
	if c.NArg() > 0 {
		key = c.Args().First()
	}
	depth := c.Int("depth")
	o := client.GetOptions{Recursive: depth <= 0, Sort: true, Quorum: c.Bool("quorum")}
	r, err := asking(ctx, c, func(ctx context.Context) (*client.Response, error) { return cl.Get(ctx, key, o) })
	if err != nil || o.Recursive || r.Node == nil {
		return r, err
	}
	return r, readBelow(ctx, c, cl, r.Node.Nodes, depth-1, o)
}

// readBelow reads what is in the directories among nodes. Those that are gone
// by now are empty.
func readBelow(ctx context.Context, c *call, cl *client.Client, nodes []*client.Node, depth int, o client.GetOptions) error {
	if depth <= 0 {
		return nil
	}
	for _, n := range nodes {
		if !n.Dir {
			continue
		}
		r, err := asking(ctx, c, func(ctx context.Context) (*client.Response, error) { return cl.Get(ctx, n.Key, o) })
		if absent(err) {
			continue
		}
		if err == nil && r.Node == nil {
			err = client.ErrInvalidJSON
		}
		if err != nil {
			return err
		}
		n.Nodes = r.Node.Nodes
		if err := readBelow(ctx, c, cl, n.Nodes, depth-1, o); err != nil {
			return err
		}
	}
	return nil
}

// printTree draws what has been read. Other formats show it in their way.
func printTree(c *call, r *client.Response) error {
	if !c.wantsSimple() {
		return c.print(r)
	}
	d := drawing{out: bufio.NewWriter(c.stdout), values: c.Bool("values")}
	top := r.Node.Key
	if top == "" {
		top = "/"
	}
	d.out.WriteString(onOneLine(top))
	d.end(r.Node)
	d.below(r.Node, "")
	if !r.Node.Dir {
		d.keys++
	}
	fmt.Fprintf(d.out, "\n%s, %s\n", counted(d.dirs, "directory", "directories"), counted(d.keys, "key", "keys"))
	return d.out.Flush() // which knows of all errors before
}

// drawing is a tree being drawn.
type drawing struct {
	out        *bufio.Writer
	values     bool
	dirs, keys int
}

// below draws what is in n. Each line begins with margin.
func (d *drawing) below(n *client.Node, margin string) {
	for i, child := range n.Nodes {
		branch, further := "├── ", "│   "
		if i == len(n.Nodes)-1 {
			branch, further = "└── ", "    "
		}
		d.out.WriteString(margin + branch + onOneLine(baseName(child.Key)))
		if child.Dir {
			d.dirs++
			d.out.WriteByte('/')
		} else {
			d.keys++
		}
		d.end(child)
		d.below(child, margin+further)
	}
}

// end ends the line of n.
func (d *drawing) end(n *client.Node) {
	if d.values && !n.Dir {
		d.out.WriteString(" = " + onOneLine(n.Value))
	}
	if n.Expiration != nil {
		fmt.Fprintf(d.out, " (%d s)", n.TTL)
	}
	d.out.WriteByte('\n')
}

// counted is a number of things.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
