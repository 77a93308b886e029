package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestScripts runs testdata/*.txt: what stands under ---- is the
// specification. Rewrite with -rewrite and read the difference.
//
// Times are seconds after the first second of 2026, set with "clock".
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		if strings.Contains(path, "fuzz") {
			t.SkipNow() // a corpus is no script
		}
		x := &script{fs: vfs.NewMem(), watchers: map[string]*Watcher{}}
		x.open(t, 0)
		defer func() { x.s.Close() }()
		datadriven.RunTest(t, path, x.run)
	})
}

var epoch = time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC)

type script struct {
	fs       vfs.FS
	s        *Store
	position uint64
	now      time.Duration
	watchers map[string]*Watcher
	saved    bytes.Buffer
}

func (x *script) open(t *testing.T, history int) {
	t.Helper()
	s, err := Open("tree", Options{FS: x.fs, HistoryLength: history})
	if err != nil {
		t.Fatal(err)
	}
	x.s = s
}

func (x *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "clock":
		var s float64
		d.ScanArgs(t, "at", &s)
		x.now = time.Duration(s * float64(time.Second))
		return ""
	case "batch":
		return x.apply(t, x.batch(t, d)...)
	case "transact":
		return x.apply(t, x.transaction(t, d, strings.Split(d.Input, "\n")))
	case "get":
		n, index, err := x.s.Get(pathArg(d))
		if err != nil {
			return refusal(err)
		}
		return fmt.Sprintf("%s index=%d", x.show(&n), index)
	case "ls":
		return x.list(t, d)
	case "watch":
		return x.watch(t, d)
	case "take":
		w := x.watchers[d.CmdArgs[0].Key]
		events, live := w.Take()
		var b strings.Builder
		for _, e := range events {
			fmt.Fprintln(&b, x.showEvent(e))
		}
		fmt.Fprintf(&b, "live=%v\n", live)
		return b.String()
	case "unwatch":
		x.watchers[d.CmdArgs[0].Key].Close()
		n, evicted := x.s.Watchers()
		return fmt.Sprintf("watchers=%d evicted=%d", n, evicted)
	case "due":
		e, ok, err := x.s.NextExpiry()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return "never"
		}
		return fmt.Sprintf("%v", e.Time().Sub(epoch))
	case "reopen":
		history := 0
		d.MaybeScanArgs(t, "history", &history)
		if err := x.s.Close(); err != nil {
			t.Fatal(err)
		}
		x.open(t, history)
		position, note := x.s.Cursor()
		return fmt.Sprintf("position=%d note=%q index=%d", position, note, x.s.Index())
	case "capture":
		x.saved.Reset()
		c, err := x.s.Capture()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.WriteTo(&x.saved); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("position=%d", c.Position())
	case "restore":
		if err := x.s.Restore(bytes.NewReader(x.saved.Bytes())); err != nil {
			t.Fatal(err)
		}
		x.position, _ = x.s.Cursor()
		return fmt.Sprintf("position=%d index=%d", x.position, x.s.Index())
	}
	return x.apply(t, x.command(t, d))
}

func pathArg(d *datadriven.TestData) Path {
	raw := d.CmdArgs[0].Key
	if rest, ok := strings.CutPrefix(raw, "cluster:"); ok {
		return ParsePath(Cluster, rest)
	}
	return ParsePath(Keys, raw)
}

// batch reads one command from each line; those between "begin" and "end" are
// a transaction.
func (x *script) batch(t *testing.T, d *datadriven.TestData) (cmds []Command) {
	t.Helper()
	lines := strings.Split(d.Input, "\n")
	for len(lines) > 0 {
		if end := slices.Index(lines, "end"); lines[0] == "begin" && end > 0 {
			cmds = append(cmds, x.transaction(t, d, lines[1:end]))
			lines = lines[end+1:]
			continue
		}
		cmds = append(cmds, x.command(t, line(t, d, lines[0])))
		lines = lines[1:]
	}
	return cmds
}

// line reads one line of the input of d.
func line(t *testing.T, d *datadriven.TestData, text string) *datadriven.TestData {
	t.Helper()
	op, args, err := datadriven.ParseLine(text)
	if err != nil {
		t.Fatal(err)
	}
	return &datadriven.TestData{Pos: d.Pos, Cmd: op, CmdArgs: args}
}

// transaction reads a compare or an operation from each line.
func (x *script) transaction(t *testing.T, d *datadriven.TestData, lines []string) Command {
	t.Helper()
	tr := &Transaction{}
	for _, text := range lines {
		one := line(t, d, text)
		if one.Cmd != "cmp" {
			tr.Operations = append(tr.Operations, x.command(t, one))
			continue
		}
		c := Compare{Path: pathArg(one), Missing: one.HasArg("missing")}
		one.MaybeScanArgs(t, "prevValue", &c.PrevValue)
		var index int64
		one.MaybeScanArgs(t, "prevIndex", &index)
		c.PrevIndex = Index(index)
		tr.Compares = append(tr.Compares, c)
	}
	return Command{Op: Transact, Path: Root(Keys), Transaction: tr, Now: epoch.Add(x.now).UnixNano()}
}

// command reads one line: an operation, a path, and name=value parameters.
func (x *script) command(t *testing.T, d *datadriven.TestData) Command {
	t.Helper()
	ops := map[string]Op{"set": Set, "create": Create, "post": CreateInOrder, "update": Update,
		"delete": Delete, "cas": CompareAndSwap, "cad": CompareAndDelete, "sweep": Sweep}
	c := Command{Op: ops[d.Cmd], Now: epoch.Add(x.now).UnixNano()}
	if c.Op == 0 {
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	if c.Op != Sweep {
		c.Path = pathArg(d)
	}
	c.Dir, c.Recursive, c.Refresh = d.HasArg("dir"), d.HasArg("recursive"), d.HasArg("refresh")
	d.MaybeScanArgs(t, "value", &c.Value)
	d.MaybeScanArgs(t, "prevValue", &c.PrevValue)
	d.MaybeScanArgs(t, "limit", &c.Limit)
	d.MaybeScanArgs(t, "bytes", &c.Bytes)
	var index, ttl int64
	d.MaybeScanArgs(t, "prevIndex", &index)
	c.PrevIndex = Index(index)
	c.Expires = d.MaybeScanArgs(t, "ttl", &ttl)
	c.TTL = time.Duration(ttl * 1e9)
	return c
}

func (x *script) apply(t *testing.T, cmds ...Command) string {
	t.Helper()
	before := x.s.Index()
	x.position++
	results, err := x.s.Apply(Batch{Position: x.position, Note: []byte("note"), Commands: cmds})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, r := range results {
		switch {
		case r.Err != nil:
			fmt.Fprintln(&b, refusal(r.Err))
		case r.Event != nil:
			fmt.Fprintln(&b, x.showEvent(r.Event))
		case cmds[i].Op == Transact:
			for _, e := range r.Events {
				fmt.Fprintln(&b, x.showEvent(e))
			}
			fmt.Fprintf(&b, "index=%d\n", r.Index)
		default:
			fmt.Fprintf(&b, "index=%d\n", r.Index)
			for i := before + 1; i <= r.Index; i++ {
				fmt.Fprintln(&b, x.showEvent(x.s.hub.mu.history.at(i)))
			}
		}
	}
	return b.String()
}

func (x *script) list(t *testing.T, d *datadriven.TestData) string {
	l, err := x.s.List(pathArg(d), d.HasArg("recursive"))
	if err != nil {
		return refusal(err)
	}
	var b strings.Builder
	for depth := 0; l.Next(); {
		it := l.Item()
		if it.Kind == Leave {
			depth--
			continue
		}
		n := Node{Path: Path{Keys, string(it.Path)}, Value: string(it.Value), Dir: it.Dir, Created: it.Created, Modified: it.Modified, Expiry: it.Expiry}
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", depth), x.show(&n))
		if it.Kind == Enter {
			depth++
		}
		if d.HasArg("pausing") {
			l.Pause()
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "index=%d\n", l.Index())
	return b.String()
}

func (x *script) watch(t *testing.T, d *datadriven.TestData) string {
	o := WatchOptions{Recursive: d.HasArg("recursive"), Stream: d.HasArg("stream")}
	var since int64
	d.MaybeScanArgs(t, "since", &since)
	o.Since = Index(since)
	var name string
	d.ScanArgs(t, "as", &name)
	w, err := x.s.Watch(pathArg(d), o)
	if err != nil {
		return refusal(err)
	}
	x.watchers[name] = w
	return fmt.Sprintf("index=%d", w.Index())
}

func (x *script) show(n *Node) string {
	var parts []string
	parts = append(parts, n.Path.String())
	if n.Dir {
		parts[0] = strings.TrimSuffix(parts[0], "/") + "/"
	} else if n.Value != "" {
		parts[0] += "=" + n.Value
	}
	parts = append(parts, fmt.Sprintf("created=%d modified=%d", n.Created, n.Modified))
	if n.Expiry != Never {
		parts = append(parts, fmt.Sprintf("expiry=%v ttl=%d", n.Expiry.Time().Sub(epoch), n.Expiry.TTL(epoch.Add(x.now).UnixNano())))
	}
	return strings.Join(parts, " ")
}

func (x *script) showEvent(e *Event) string {
	s := fmt.Sprintf("%d %v %s", e.Index, e.Action, x.show(&e.Node))
	if e.Prev != nil {
		s += " was " + x.show(e.Prev)
	}
	if e.Refresh {
		s += " (refresh)"
	}
	return s
}

func refusal(err error) string {
	var r *Error
	if !errors.As(err, &r) {
		return "failed: " + err.Error()
	}
	return fmt.Sprintf("refused %d cause=%q index=%d", r.Code, r.Cause, r.Index)
}

// contents is every pair of the tree's Pebble, for comparing two trees byte
// for byte.
func contents(t *testing.T, s *Store) []string {
	t.Helper()
	if err := s.Flush(); err != nil { // the history is written with it
		t.Fatal(err)
	}
	it, err := s.db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for it.First(); it.Valid(); it.Next() {
		all = append(all, fmt.Sprintf("%q %q", it.Key(), it.Value()))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}
