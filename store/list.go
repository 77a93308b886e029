package store

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// ItemKind says what an Item of a Listing stands for.
type ItemKind byte

const (
	Leaf  ItemKind = iota // a key
	Enter                 // a directory begins: its children follow
	Leave                 // the directory ends; the fields of its Enter again
)

// Item is one step through a Listing. Path and Value are lent: they change
// with the next step. From a Leaf to a Leaf that comes next, what is before
// Base stays the same.
type Item struct {
	Kind              ItemKind
	Path              []byte // the cleaned name, as Path.String has it
	Base              int    // where the last element of Path begins
	Value             []byte
	Dir               bool
	Created, Modified Index
	Expiry            Expiry
}

// Listing walks a node and what is beneath it, depth first, names in order,
// hidden children left out. All of it is one moment of the tree. It belongs
// to one goroutine and must be closed. Its memory does not depend on how much
// it walks.
type Listing struct {
	s         *Store
	view      *pebble.Snapshot
	it        *pebble.Iterator
	recursive bool
	index     Index
	err       error
	item      Item

	open   []openDir
	path   []byte // of the innermost open directory; the root's is empty
	prefix []byte // its P of key.go
	child  []byte // key of the child visited last in it, unless placed; empty: none yet
	placed bool   // it stands on that child
}

// openDir is a directory between its Enter and its Leave.
type openDir struct {
	path, prefix      int  // lengths, of itself
	listed            bool // its children are wanted
	created, modified Index
	expiry            Expiry
}

// List begins a walk through the node at p: with recursive, through all
// beneath it, otherwise through its direct children only. It refuses as Get
// does.
func (s *Store) List(p Path, recursive bool) (*Listing, error) {
	l := &Listing{s: s, view: s.db.NewSnapshot(), recursive: recursive}
	if err := l.begin(p); err != nil {
		_ = l.Close() // nothing was read from it yet
		return nil, err
	}
	return l, nil
}

// begin makes the node at p the first item.
func (l *Listing) begin(p Path) error {
	c, err := readCursor(l.view)
	if err != nil {
		return err
	}
	l.index = c.index
	l.s.await(c.index)
	if p.IsRoot() {
		l.item = Item{Kind: Enter, Path: []byte(p.name), Base: len(p.name), Dir: true}
		l.prefix = appendDirPrefix(nil, p)
		return nil
	}
	v, closer, err := l.view.Get(appendNodeKey(nil, p))
	if errors.Is(err, pebble.ErrNotFound) {
		return l.s.notFound(p, l.index)
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	h, err := parseRecord(v)
	if err != nil {
		return err
	}
	l.path = append(l.path, p.name...)
	l.prefix = appendDirPrefix(nil, p)
	l.item.set(&h)
	l.item.Path, l.item.Base = l.path, len(p.name)-len(p.Base())
	l.item.Value = bytes.Clone(h.value)
	return nil
}

// set makes i what h says, at the path it has.
func (i *Item) set(h *recordHead) {
	i.Kind, i.Dir = Leaf, h.dir
	if h.dir {
		i.Kind = Enter
	}
	i.Value, i.Created, i.Modified, i.Expiry = h.value, h.created, h.modified, h.expiry
}

// Index is the store's index at the moment the listing shows.
func (l *Listing) Index() Index { return l.index }

// Item is the step that Next went to.
func (l *Listing) Item() *Item { return &l.item }

// Err is the disk's failure that ended the walk, or nil.
func (l *Listing) Err() error { return l.err }

// Next goes one step on and reports whether there was one.
func (l *Listing) Next() bool {
	switch {
	case l.err != nil:
		return false
	case l.open == nil: // the first step is ready since begin
		l.open = make([]openDir, 0, 4)
		if l.item.Kind == Enter {
			l.push(true)
		}
		return true
	case len(l.open) == 0:
		return false
	}
	if l.open[len(l.open)-1].listed && l.nextChild() {
		return true
	}
	if l.err != nil {
		return false
	}
	l.pop()
	return true
}

// push opens the directory that is the present item.
func (l *Listing) push(listed bool) {
	l.open = append(l.open, openDir{
		path: len(l.path), prefix: len(l.prefix), listed: listed,
		created: l.item.Created, modified: l.item.Modified, expiry: l.item.Expiry,
	})
}

// pop closes the innermost directory and makes its parent the innermost.
func (l *Listing) pop() {
	d := l.open[len(l.open)-1]
	l.open = l.open[:len(l.open)-1]
	name := l.path[:d.path]
	if len(name) == 0 {
		name = []byte("/")
	}
	l.item = Item{
		Kind: Leave, Path: name, Base: bytes.LastIndexByte(name, '/') + 1, Dir: true,
		Created: d.created, Modified: d.modified, Expiry: d.expiry,
	}
	if len(l.open) == 0 {
		return
	}
	parent := l.open[len(l.open)-1]
	l.child = append(l.child[:0], l.prefix[:d.prefix]...)
	l.child[parent.prefix] = sepName
	l.placed = l.placed && !d.listed
	l.path = l.path[:parent.path]
	l.prefix = l.prefix[:parent.prefix]
}

// nextChild goes to the next visible child of the innermost directory.
func (l *Listing) nextChild() bool {
	for l.advance() {
		l.placed = true
		name := l.it.Key()[len(l.prefix)+1:]
		if len(name) > 0 && name[0] == '_' {
			continue
		}
		h, err := parseRecord(l.it.Value())
		if err != nil {
			l.err = err
			return false
		}
		at := len(l.path)
		l.path = appendUnescaped(append(l.path, '/'), name)
		l.item.set(&h)
		l.item.Path, l.item.Base = l.path, at+1
		if !h.dir {
			l.path = l.path[:at]
			return true
		}
		l.prefix = append(append(l.prefix, sepDir), name...)
		l.push(l.recursive)
		if l.recursive {
			l.child, l.placed = l.child[:0], false
		}
		return true
	}
	return false
}

// advance puts the iterator on the next child, and reports false if the
// innermost directory has no more.
func (l *Listing) advance() bool {
	if l.it == nil && !l.resume() {
		return false
	}
	var found bool
	switch {
	case l.placed:
		found = l.it.Next()
	case len(l.child) > 0:
		l.child = append(l.child, 0)
		found = l.it.SeekGE(l.child)
	default:
		l.prefix = append(l.prefix, sepName)
		found = l.it.SeekGE(l.prefix)
		l.prefix = l.prefix[:len(l.prefix)-1]
	}
	if !found {
		l.err = l.it.Error()
		return false
	}
	if !l.recursive {
		return true // the iterator's bounds are those of the only directory that is walked
	}
	key := l.it.Key()
	return len(key) > len(l.prefix) && key[len(l.prefix)] == sepName && bytes.HasPrefix(key, l.prefix)
}

// resume opens an iterator on the view, bounded by the topmost directory.
func (l *Listing) resume() bool {
	end := byte(sepDir)
	if l.recursive {
		end = sepDir + 1
	}
	top := l.prefix[:l.open[0].prefix]
	l.it, l.err = l.view.NewIter(&pebble.IterOptions{LowerBound: with(top, sepName), UpperBound: with(top, end)})
	l.placed = false
	return l.err == nil
}

// Pause gives the disk's resources back until the next call of Next, and with
// them the present item's Value. Call it before waiting for a slow reader.
func (l *Listing) Pause() {
	if l.it == nil {
		return
	}
	if l.placed {
		l.child = append(l.child[:0], l.it.Key()...)
	}
	if err := l.it.Close(); l.err == nil {
		l.err = err
	}
	l.it, l.placed = nil, false
}

// Close ends the walk.
func (l *Listing) Close() error {
	l.Pause()
	if err := l.view.Close(); l.err == nil {
		l.err = err
	}
	return l.err
}
