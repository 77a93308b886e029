package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// world is a store beside its model, with all that is needed to replay after
// a crash.
type world struct {
	t       *testing.T
	rnd     *rand.Rand
	fs      *vfs.MemFS
	s       *Store
	m       model
	now     int64
	batches []Batch // from position 1 on
	names   []string

	whole, refused int // transactions of more than one operation
}

func (w *world) open() {
	w.t.Helper()
	s, err := Open("tree", Options{FS: w.fs, NodeCacheBytes: 64 << 10, MemTableBytes: 256 << 10, HistoryLength: 100, FlushEvery: 500, CountBytes: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.s = s
}

// step does one random thing and reports how many commands it took.
func (w *world) step() int {
	switch w.rnd.IntN(400) {
	case 0:
		w.crash()
	case 1, 2, 3:
		w.compareAll()
	case 4:
		if err := w.s.Flush(); err != nil {
			w.t.Fatal(err)
		}
	case 5:
		w.restore()
	}
	var cmds []Command
	for range 1 + w.rnd.IntN(1+w.rnd.IntN(40)) {
		cmds = append(cmds, w.command())
	}
	w.apply(cmds)
	w.compareOne()
	return len(cmds)
}

func (w *world) command() Command {
	w.now += w.rnd.Int64N(int64(100 * time.Millisecond))
	if w.rnd.IntN(12) == 0 {
		return w.transaction()
	}
	return w.plain()
}

// plain is a command that is no transaction.
func (w *world) plain() Command {
	c := Command{Now: w.now}
	c.Op = Op(1 + w.rnd.IntN(int(Sweep)))
	if c.Op == Sweep && w.rnd.IntN(4) > 0 {
		c.Op = Set
	}
	if c.Op == Sweep {
		return c
	}
	name := w.names[w.rnd.IntN(len(w.names))]
	switch w.rnd.IntN(30) {
	case 0:
		name = "/"
	case 1, 2, 3:
		name = name[:1+strings.LastIndexByte(name, '/')]
	case 4: // fill a directory until it takes a range tombstone to remove
		name += fmt.Sprintf("/%d", w.rnd.IntN(100))
	}
	c.Path = ParsePath(Keys, name)
	if w.rnd.IntN(4) > 0 {
		c.Value = fmt.Sprintf("value %d", w.rnd.IntN(3))
	}
	c.Dir = w.rnd.IntN(8) == 0
	c.Refresh = w.rnd.IntN(8) == 0
	if c.Op == Delete {
		c.Recursive, c.Dir = w.rnd.IntN(3) == 0, w.rnd.IntN(2) == 0
		if c.Path.name == "/d" && w.rnd.IntN(4) > 0 {
			c.Recursive = false
		}
	}
	n := w.m.nodes[c.Path.name]
	if w.rnd.IntN(2) == 0 {
		c.PrevIndex = n.Modified + Index(w.rnd.IntN(2))
	}
	if w.rnd.IntN(2) == 0 {
		c.PrevValue = n.Value
		if w.rnd.IntN(3) == 0 {
			c.PrevValue = "value 1"
		}
	}
	if c.Expires = w.rnd.IntN(4) == 0; c.Expires {
		c.TTL = time.Duration(w.rnd.IntN(20)-1) * time.Second
		if w.rnd.IntN(20) == 0 {
			c.TTL = -(1 << 62)
		}
	}
	return c
}

func (w *world) apply(cmds []Command) {
	t := w.t
	t.Helper()
	b := Batch{Position: uint64(len(w.batches) + 1), Note: fmt.Appendf(nil, "note %d", len(w.batches)+1), Commands: cmds}
	w.batches = append(w.batches, b)
	results, err := w.s.Apply(w.encoded(b))
	if err != nil {
		t.Fatal(err)
	}
	for i := range cmds {
		c := &cmds[i]
		switch c.Op {
		case Sweep:
			w.m.sweep(c.Now)
		case Transact:
			w.compareTransaction(c, results[i])
		default:
			want, refused := w.m.apply(c)
			if got := describe(results[i].Event, results[i].Err); got != describe(want, refused.orNil()) {
				t.Fatalf("%v %q of batch %d:\n got %s\nwant %s", c.Op, c.Path.name, b.Position, got, describe(want, refused.orNil()))
			}
		}
		if results[i].Index != w.m.index {
			t.Fatalf("index after %v %q = %d, want %d", c.Op, c.Path.name, results[i].Index, w.m.index)
		}
	}
}

// encoded sends the commands of b through their binary form.
func (w *world) encoded(b Batch) Batch {
	w.t.Helper()
	out := b
	out.Commands = make([]Command, len(b.Commands))
	for i := range b.Commands {
		data, err := b.Commands[i].AppendBinary(nil)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := out.Commands[i].UnmarshalBinary(data); err != nil {
			w.t.Fatalf("%v: %+v", err, b.Commands[i])
		}
		out.Commands[i].Now = b.Commands[i].Now
	}
	return out
}

func (e *Error) orNil() error {
	if e == nil {
		return nil
	}
	return e
}

func describe(e *Event, err error) string {
	if err != nil {
		return refusal(err)
	}
	s := fmt.Sprintf("%d %v %+q", e.Index, e.Action, fmt.Sprint(e.Node))
	if e.Prev != nil {
		s += fmt.Sprintf(" was %+q", fmt.Sprint(*e.Prev))
	}
	return fmt.Sprintf("%s now=%d refresh=%v", s, e.Now, e.Refresh)
}

// crash cuts the power: what was synced stays, the rest perhaps.
func (w *world) crash() {
	t := w.t
	t.Helper()
	durable, err := w.s.DurablePosition() // before the cut: a flush may be under way
	if err != nil {
		t.Fatal(err)
	}
	clone := w.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: w.rnd.IntN(101), RNG: rand.New(rand.NewPCG(w.rnd.Uint64(), 0))})
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	w.fs = clone
	w.open()
	position, note := w.s.Cursor()
	if position < durable {
		t.Fatalf("position after a crash = %d, but %d was called durable", position, durable)
	}
	if position > 0 && string(note) != fmt.Sprintf("note %d", position) {
		t.Fatalf("note at position %d = %q", position, note)
	}
	if past := &w.s.hub.mu.history; past.count != min(past.len(), int(w.s.Index())) {
		t.Fatalf("after a crash at index %d there are %d events of %d", w.s.Index(), past.count, past.len())
	}
	for _, b := range w.batches[position:] {
		if _, err := w.s.Apply(w.encoded(b)); err != nil {
			t.Fatal(err)
		}
	}
	w.compareAll()
}

// restore puts the tree in the place of another.
func (w *world) restore() {
	t := w.t
	t.Helper()
	c, err := w.s.Capture()
	if err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	_, err = c.WriteTo(&stream)
	if err := errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	// What comes after the capture is gone again with it.
	p := ParsePath(Keys, "/elsewhere")
	position, _ := w.s.Cursor()
	if _, err := w.s.Apply(Batch{Position: position, Commands: []Command{{Op: Set, Path: p, Value: "x", Now: w.now}}}); err != nil {
		t.Fatal(err)
	}
	if err := w.s.Restore(&stream); err != nil {
		t.Fatal(err)
	}
	w.compareAll()
}

// compareOne asks for one node.
func (w *world) compareOne() {
	t := w.t
	t.Helper()
	p := ParsePath(Keys, w.names[w.rnd.IntN(len(w.names))])
	got, index, err := w.s.Get(p)
	want, ok, refused := w.m.find(p.name)
	switch {
	case ok && (err != nil || fmt.Sprint(got) != fmt.Sprint(want) || index != w.m.index):
		t.Fatalf("Get(%q) = %+v, %d, %v; want %+v, %d", p, got, index, err, want, w.m.index)
	case !ok && refusal(err) != refusal(refused):
		t.Fatalf("Get(%q) = %v, want %v", p, refusal(err), refusal(refused))
	}
}

// compareAll compares the whole tree, the history and what is due next.
func (w *world) compareAll() {
	t := w.t
	t.Helper()
	var got []string
	it, err := w.s.List(Root(Keys), true)
	if err != nil {
		t.Fatal(err)
	}
	for it.Next() {
		if it.Item().Kind != Leave && len(it.Item().Path) > 1 {
			got = append(got, string(it.Item().Path))
		}
		if w.rnd.IntN(20) == 0 {
			it.Pause()
		}
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	var want []string
	for name := range w.m.nodes {
		if !hiddenBelow(Root(Keys), Path{Keys, name}) {
			want = append(want, name)
		}
		n, _, err := w.s.Get(Path{Keys, name})
		if err != nil || fmt.Sprint(n) != fmt.Sprint(w.m.nodes[name]) {
			t.Fatalf("Get(%q) = %+v, %v; want %+v", name, n, err, w.m.nodes[name])
		}
	}
	// Names in order means: element by element.
	slices.SortFunc(want, func(a, b string) int { return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")) })
	if !slices.Equal(got, want) {
		t.Fatalf("listing:\n got %q\nwant %q", got, want)
	}
	if got, want := w.s.Bytes(), w.m.bytes(); got != want {
		t.Fatalf("Bytes = %d, want %d", got, want)
	}
	past := &w.s.hub.mu.history
	for i := past.oldest(w.m.index); i <= w.m.index && i > 0; i++ {
		if got, want := describe(past.at(i), nil), describe(w.m.events[i-1], nil); got != want {
			t.Fatalf("history at %d:\n got %s\nwant %s", i, got, want)
		}
	}
	next, ok, err := w.s.NextExpiry()
	if err != nil {
		t.Fatal(err)
	}
	if want, due := w.m.next(); due && (!ok || next > want) {
		t.Fatalf("NextExpiry = %v, %v, which is later than %v", next, ok, want)
	}
}
