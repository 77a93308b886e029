package store

import (
	"bytes"
	"path"
	"reflect"
	"testing"
)

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"", "/", "//a/../b/", "/a/./b", "/.", "/..", "/...", "a/b", "/a\x00", "/_/", "/a/."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p := ParsePath(Keys, raw)
		if want := path.Clean("/" + raw); p.String() != want {
			t.Fatalf("ParsePath(%q) = %q, want %q", raw, p, want)
		}
		if p.IsRoot() {
			return
		}
		if back, ok := nodePath(appendNodeKey(nil, p)); !ok || back != p {
			t.Fatalf("%q does not survive its key: %q", p, back)
		}
		if p.Parent().Child(p.Base()) != p {
			t.Fatalf("%q is not a child of its parent", p)
		}
	})
}

func FuzzCommand(f *testing.F) {
	for _, c := range []Command{
		{Op: Set, Path: ParsePath(Keys, "/a"), Value: "v", Expires: true, TTL: 5},
		{Op: CompareAndSwap, Path: ParsePath(Cluster, "/a/b"), PrevValue: "x", PrevIndex: 7, Refresh: true},
		{Op: Sweep, Limit: 9},
		{Op: Sweep, Limit: 500, Bytes: 1 << 20},
		{Op: Transact, Path: Root(Auth), Transaction: &Transaction{}},
		{Op: Transact, Path: Root(Keys), Transaction: &Transaction{
			Compares:   []Compare{{Path: ParsePath(Keys, "/a"), PrevValue: "1", PrevIndex: 2}, {Path: Root(Keys), Missing: true}},
			Operations: []Command{set("/a", "2"), {Op: Delete, Path: ParsePath(Keys, "/d"), Recursive: true}},
		}},
	} {
		b, _ := c.AppendBinary(nil)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c Command
		if c.UnmarshalBinary(b) != nil {
			return
		}
		again, err := c.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		var d Command
		if err := d.UnmarshalBinary(again); err != nil || !reflect.DeepEqual(d, c) {
			t.Fatalf("%+v became %+v: %v", c, d, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add((&record{created: 3, modified: 9, expiry: 77, value: "v"}).append(nil))
	f.Add((&record{created: 3, modified: 3, dir: true}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseRecord(b)
		if err != nil {
			return
		}
		r := h.record()
		again := r.append(nil)
		if len(again) != r.size() {
			t.Fatalf("size says %d, append made %d", r.size(), len(again))
		}
		if g, err := parseRecord(again); err != nil || *g.record() != *r {
			t.Fatalf("%+v became %+v: %v", r, g, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	n := Node{Path: ParsePath(Keys, "/a"), Value: "v", Created: 1, Modified: 2}
	f.Add((&Event{Action: ActionSet, Node: n, Prev: &n, Index: 2, Now: 5, Refresh: true}).append(nil))
	f.Add((&Event{Action: ActionExpire, Node: n, Index: 2}).append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEvent(b)
		if err != nil {
			return
		}
		again, err := parseEvent(e.append(nil))
		if err != nil || describe(again, nil) != describe(e, nil) {
			t.Fatalf("%s became %s: %v", describe(e, nil), describe(again, nil), err)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(appendCursor(nil, cursor{5, 6, []byte("note")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCursor(b)
		if err != nil {
			return
		}
		d, err := parseCursor(appendCursor(nil, c))
		if err != nil || d.position != c.position || d.index != c.index || !bytes.Equal(d.note, c.note) {
			t.Fatalf("%+v became %+v: %v", c, d, err)
		}
	})
}

func FuzzCaptureStream(f *testing.F) {
	s := mustOpen(f)
	mustApply(f, s, Command{Op: Set, Path: ParsePath(Keys, "/a/b"), Value: "v"})
	c, err := s.Capture()
	if err != nil {
		f.Fatal(err)
	}
	var stream bytes.Buffer
	if _, err := c.WriteTo(&stream); err != nil {
		f.Fatal(err)
	}
	if err := c.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(stream.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := bytes.Equal(b, stream.Bytes())
		err := readStream(bytes.NewReader(b), func(key, value []byte) error { return nil })
		if whole && err != nil {
			t.Fatalf("a whole stream was refused: %v", err)
		}
	})
}
