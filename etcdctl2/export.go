package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

// exportVersion is that of the form that exported trees have: objects in JSON,
// one to a line. The first one says what it is, the last one how much there
// should be, and between them is an entry on each line:
//
//	{"export":1,"key":"/","index":7,"time":"2026-11-21T20:00:00Z"}
//	{"key":"/dir","dir":true}
//	{"key":"/dir/a","value":"1","expiration":"2026-11-21T21:00:00Z"}
//	{"end":1,"keys":1,"directories":1,"checksum":"...","index":7}
//
// Readers skip fields that they do not know. What they must not skip changes
// the version.
const exportVersion = 1

// heading is the first line of an exported tree.
type heading struct {
	Export int       `json:"export"`
	Key    string    `json:"key"`
	Index  uint64    `json:"index"`
	Time   time.Time `json:"time"`
}

// ending is the last line of an exported tree.
type ending struct {
	End         int    `json:"end"`
	Keys        int    `json:"keys"`
	Directories int    `json:"directories"`
	Checksum    string `json:"checksum"`
	Index       uint64 `json:"index"`
}

func (s *shell) exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Category:  added,
		Usage:     "write keys, directories and when they end, one to a line in JSON",
		ArgsUsage: "[key]",
		Flags: []cli.Flag{
			hiddenFlag(),
			&cli.BoolFlag{Name: "quorum", Aliases: []string{"q"}, Usage: "require quorum for get request"},
		},
		Action: s.action(export),
	}
}

func hiddenFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "hidden", Usage: "take this hidden `key` too, which no directory lists; may be repeated"}
}

// export writes a tree to stdout while it reads it.
func export(ctx context.Context, c *call) error {
	cl, err := c.client(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	key := "/"
	if c.NArg() > 0 {
		key = c.Args().First()
	}
	out := bufio.NewWriter(c.stdout)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	w := c.walker(cl)
	var all tally
	begun := false
	err = c.walkAll(ctx, w, key, func(g group) error {
		if !begun {
			begun = true
			if err := lines.Encode(heading{exportVersion, key, w.first, time.Now().UTC()}); err != nil {
				return err
			}
		}
		for i := range g.entries {
			all.add(&g.entries[i])
			if err := lines.Encode(&g.entries[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && !begun {
		err = lines.Encode(heading{exportVersion, key, w.first, time.Now().UTC()})
	}
	if err == nil {
		err = lines.Encode(ending{1, all.keys, all.dirs, all.checksum(), w.last})
	}
	if err != nil {
		_ = out.Flush() // what there is, is of use
		return failed(exitRefused, err)
	}
	if w.last != w.first {
		fmt.Fprintf(c.stderr, "The tree changed from index %d to %d while it was exported: some of the changes may be missing.\n", w.first, w.last)
	}
	return out.Flush()
}

// walker reads trees through cl. Whoever does not answer the first time is
// not asked again.
func (c *call) walker(cl *client.Client) *walker {
	o := client.GetOptions{Sort: true, Quorum: c.Bool("quorum")}
	w := &walker{}
	w.read = func(ctx context.Context, key string) (*client.Response, error) {
		get := func(ctx context.Context) (*client.Response, error) { return cl.Get(ctx, key, o) }
		if w.first == 0 {
			return asking(ctx, c, get)
		}
		return persistently(ctx, c, get)
	}
	return w
}

// walkAll walks key and the hidden keys that the user names.
func (c *call) walkAll(ctx context.Context, w *walker, key string, take func(group) error) error {
	for _, key := range append([]string{key}, c.StringSlice("hidden")...) {
		if err := w.walk(ctx, key, take); err != nil {
			return err
		}
	}
	return nil
}
