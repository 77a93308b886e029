package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/urfave/cli/v2"

	"keytree/httpapi/client"
)

func (s *shell) importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Category:  added,
		Usage:     "write exported keys, or copy those of another cluster",
		ArgsUsage: "[file]",
		Description: "Import writes what export has written, from a file or from stdin. With --from it\n" +
			"   copies the keys of another cluster, of all or of those below a key:\n\n" +
			"   $ import --from http://127.0.0.1:2379 [key]\n\n" +
			"   What is written is read again and compared. Keys that are not in what is\n" +
			"   imported stay as they are. An import that was cut short goes on with --resume.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "from", Usage: "copy from the cluster at these comma-delimited `urls`"},
			hiddenFlag(),
			&cli.BoolFlag{Name: "quorum", Aliases: []string{"q"}, Usage: "require quorum for get requests to the other cluster"},
			&cli.BoolFlag{Name: "resume", Usage: "leave alone what is there already"},
			&cli.BoolFlag{Name: "dry-run", Usage: "write nothing, only tell what would be written"},
			&cli.IntFlag{Name: "writers", Value: 16, Usage: "how many requests may be under way"},
		},
		Action: s.action(importTree),
	}
}

// source hands over groups until there are no more. Groups that follow each
// other are of different directories.
type source func(ctx context.Context, take func(group) error) error

func importTree(ctx context.Context, c *call) error {
	if n := c.Int("writers"); n < 1 || n > 1000 {
		return plainly(exitBadArgs, "--writers must be from 1 to 1000")
	}
	if c.String("from") == "" && len(c.StringSlice("hidden")) > 0 {
		return plainly(exitBadArgs, "--hidden needs --from: a file has what it has")
	}
	from, done, err := c.source(ctx)
	if err != nil {
		return err
	}
	defer done()
	cl, err := c.client(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	p := c.newProgress()
	i := newImporter(c, cl, p.add)
	err = i.run(ctx, from)
	p.end()
	if err != nil {
		if i.written > 0 {
			fmt.Fprintf(c.stderr, "Stopped after %s; what is missing can be imported with --resume.\n", counted(i.written, "write", "writes"))
		}
		return failed(exitRefused, err)
	}
	return i.report()
}

// source is what the user wants to import.
func (c *call) source(ctx context.Context) (from source, done func(), err error) {
	urls := c.String("from")
	if urls == "" {
		return c.exported()
	}
	key := "/"
	if c.NArg() > 0 {
		key = c.Args().First()
	}
	cl, err := c.clientOf(ctx, strings.Split(urls, ","))
	if wrong, ok := errors.AsType[*url.Error](err); ok {
		err = fmt.Errorf("--from names no cluster: %w", wrong.Err) // without the URL, and the password in it
	}
	if err != nil {
		return nil, nil, plainly(exitBadArgs, err.Error())
	}
	return func(ctx context.Context, take func(group) error) error {
		if err := c.walkAll(ctx, c.walker(cl), key, take); err != nil {
			return fmt.Errorf("read from %s: %w", strings.Join(cl.Endpoints(), ","), err)
		}
		return nil
	}, cl.Close, nil
}

// exported is a file that the user names, or stdin.
func (c *call) exported() (from source, done func(), err error) {
	in, done := c.stdin, func() {}
	if name := c.Args().First(); name != "" && name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, plainly(exitBadArgs, err.Error())
		}
		in, done = f, func() { _ = f.Close() } // it was only read
	}
	return func(ctx context.Context, take func(group) error) error { return readExported(in, take) }, done, nil
}

// exportedLine is any line of an exported tree.
type exportedLine struct {
	Export int `json:"export"`
	ending
	entry
}

// readExported hands over the entries in r. An exported tree must be whole;
// entries without a heading may be from anywhere.
func readExported(r io.Reader, take func(group) error) error {
	in := bufio.NewReaderSize(r, 1<<16)
	var g group
	var all tally
	whole, headed := false, false
	for number := 1; ; number++ {
		text, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			var l exportedLine
			if err := json.Unmarshal(text, &l); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
			switch {
			case whole:
				return fmt.Errorf("line %d: there is more after the end", number)
			case l.Export > exportVersion:
				return fmt.Errorf("line %d: it was exported by a newer program, in version %d of the form", number, l.Export)
			case l.Export > 0:
				headed = true
			case l.End > 0:
				if l.Keys != all.keys || l.Directories != all.dirs || l.Checksum != all.checksum() {
					return fmt.Errorf("line %d: this is not what was exported: %d keys and %d directories with checksum %s, not %d and %d with %s",
						number, l.Keys, l.Directories, l.Checksum, all.keys, all.dirs, all.checksum())
				}
				whole = true
			case !strings.HasPrefix(l.Key, "/") || path.Clean(l.Key) != l.Key || l.Key == "/":
				return fmt.Errorf("line %d: %q is no key", number, l.Key)
			default:
				all.add(&l.entry)
				if parent := path.Dir(l.Key); parent != g.parent && len(g.entries) > 0 {
					if err := take(g); err != nil {
						return err
					}
					g = group{}
				}
				g.parent = path.Dir(l.Key)
				g.entries = append(g.entries, l.entry)
			}
		}
		if err != nil {
			break
		}
	}
	if headed && !whole {
		return errors.New("the end is missing: this is only the beginning of what was exported")
	}
	if len(g.entries) == 0 {
		return nil
	}
	return take(g)
}

// report tells how an import went.
func (i *importer) report() error {
	verb := "Imported"
	if i.dry {
		verb = "Would write"
	}
	text := fmt.Sprintf("%s %s and %s", verb, counted(i.done.keys, "key", "keys"), counted(i.done.dirs, "directory", "directories"))
	if i.kept > 0 {
		text += fmt.Sprintf("; %d were there already", i.kept)
	}
	if i.ended > 0 {
		text += fmt.Sprintf("; %d have ended", i.ended)
	}
	text += ".\n"
	if !i.dry && len(i.different) == 0 {
		text += fmt.Sprintf("Compared %s and %s: the same, checksum %s.\n", counted(i.wanted.keys, "key", "keys"),
			counted(i.wanted.dirs, "directory", "directories"), i.wanted.checksum())
	}
	if _, err := io.WriteString(i.c.stdout, text); err != nil {
		return err
	}
	if len(i.different) == 0 {
		return nil
	}
	var b strings.Builder
	for n, key := range i.different {
		if n == 10 {
			fmt.Fprintf(&b, "and %d more\n", len(i.different)-n)
			break
		}
		fmt.Fprintf(&b, "%s is not as it was imported\n", onOneLine(key))
	}
	fmt.Fprintf(&b, "Compared: %d of %d differ, checksum %s, not %s. Somebody else may be writing.",
		len(i.different), i.wanted.keys+i.wanted.dirs, i.found.checksum(), i.wanted.checksum())
	return plainly(exitBadArgs, b.String())
}

// clientOf is a client of other endpoints than the user's own, with the
// certificates and limits of the own ones. Credentials for them stand in their
// URLs.
func (c *call) clientOf(ctx context.Context, endpoints []string) (*client.Client, error) {
	secure, err := readTLS(c.setting("cert-file", "ETCDCTL_CERT_FILE"), c.setting("key-file", "ETCDCTL_KEY_FILE"), c.setting("ca-file", "ETCDCTL_CA_FILE"))
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		Endpoints:     endpoints,
		TLS:           secure,
		DialTimeout:   c.Duration("total-timeout"),
		HeaderTimeout: c.Duration("timeout"),
		Trace:         c.curl(),
		Transport:     c.transport,
		Shuffle:       c.shuffle,
	})
}
