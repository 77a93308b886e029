package store

import (
	"bytes"
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// PageOptions say what a Page shows. Dir is required; a Limit or a Look that is
// not above zero is none.
type PageOptions struct {
	Dir       Path   // the directory, which is itself not shown
	Beginning string // of the names of its children; hidden ones are left out unless it is hidden itself
	Recursive bool   // with all that is beneath them
	Contains  string // only nodes whose last element has it
	After     string // what Rest of the page before has said; empty: from the beginning
	Limit     int    // show so many nodes
	Look      int    // look at so many nodes, shown or not
}

// Page is a walk through a piece of what is beneath a directory, depth first,
// names in order, a directory before what is in it. All of it is one moment of
// the tree. What one page costs does not depend on what lies before or behind
// it: it begins where the one before has ended, wherever that is by now. A node
// that stands all the time from the first page to the last is shown once.
//
// It belongs to one goroutine and must be closed.
type Page struct {
	s     *Store
	o     PageOptions
	view  *pebble.Snapshot
	it    *pebble.Iterator
	index Index
	err   error
	item  Item

	begin  []byte  // o.Beginning, escaped
	open   []depth // directories that are walked, from o.Dir inwards
	path   []byte  // of the innermost one; the root's is empty
	prefix []byte  // its P of key.go
	from   []byte  // the key to go on from in it, unless placed
	placed bool    // the iterator stands on the node visited last

	shown, looked int
	last          []byte // what was looked at last, relative to o.Dir
	ended, more   bool
}

// depth is how far path and prefix of a directory reach.
type depth struct{ path, prefix int }

// Page begins a walk. A directory that is not there is refused as Get does, a
// key in its place with CodeNotDir.
func (s *Store) Page(o PageOptions) (*Page, error) {
	o.Limit, o.Look = unbounded(o.Limit), unbounded(o.Look)
	p := &Page{s: s, o: o, view: s.db.NewSnapshot(), begin: appendEscaped(nil, o.Beginning)}
	if err := p.start(); err != nil {
		_ = p.Close() // nothing was read from it yet
		return nil, err
	}
	return p, nil
}

// start finds the directory, and in it the place to begin at.
func (p *Page) start() error {
	c, err := readCursor(p.view)
	if err != nil {
		return err
	}
	p.index = c.index
	p.s.await(c.index)
	if err := p.findDir(); err != nil {
		return err
	}
	if !p.o.Dir.IsRoot() {
		p.path = append(p.path, p.o.Dir.name...)
	}
	p.prefix = appendDirPrefix(nil, p.o.Dir)
	p.enter()
	if p.o.After == "" {
		p.from = append(p.from, p.begin...)
		return nil
	}
	// What stands at After may have become a directory: what is in it comes next.
	for name := range strings.SplitSeq(p.o.After, "/") {
		p.path = append(append(p.path, '/'), name...)
		p.prefix = appendEscaped(append(p.prefix, sepDir), name)
		p.enter()
	}
	return nil
}

// findDir makes sure that there is a directory.
func (p *Page) findDir() error {
	dir := p.o.Dir
	if dir.IsRoot() {
		return nil
	}
	v, closer, err := p.view.Get(appendNodeKey(nil, dir))
	if errors.Is(err, pebble.ErrNotFound) {
		return p.s.notFound(dir, p.index)
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	h, err := parseRecord(v)
	if err == nil && !h.dir {
		err = &Error{Code: CodeNotDir, Cause: dir.name, Index: p.index}
	}
	return err
}

// Index is the store's index at the moment the page shows.
func (p *Page) Index() Index { return p.index }

// Item is the node that Next went to: a Leaf, or a directory's Enter.
func (p *Page) Item() *Item { return &p.item }

// Err is the disk's failure that ended the walk, or nil.
func (p *Page) Err() error { return p.err }

// Rest is where the next page begins, once Next has reported false; more is
// false if there is nothing left for one.
func (p *Page) Rest() (after string, more bool) { return string(p.last), p.more }

// Next goes to the next node that is shown, and reports whether there is one
// on this page.
func (p *Page) Next() bool {
	for !p.ended {
		full := p.shown == p.o.Limit || p.looked == p.o.Look
		found := p.step()
		p.ended = full || !found
		p.more = full && found
		if p.ended {
			break
		}
		p.looked++
		p.last = append(p.last[:0], p.item.Path[p.open[0].path+1:]...)
		if p.o.Contains == "" || bytes.Contains(p.item.Path[p.item.Base:], []byte(p.o.Contains)) {
			p.shown++
			return true
		}
	}
	return false
}

// step makes the next node the item.
func (p *Page) step() bool {
	for p.err == nil && len(p.open) > 0 {
		if !p.advance() {
			if p.err == nil {
				p.leave()
			}
			continue
		}
		name := p.it.Key()[len(p.prefix)+1:]
		if len(name) > 0 && name[0] == '_' && (len(p.open) > 1 || !bytes.HasPrefix(p.begin, name[:1])) {
			// All that is hidden stands together: nobody walks through it.
			p.from = append(append(append(p.from[:0], p.prefix...), sepName), '_'+1)
			p.placed = false
			continue
		}
		return p.take(name)
	}
	return false
}

// take makes the node that the iterator stands on the item.
func (p *Page) take(name []byte) bool {
	h, err := parseRecord(p.it.Value())
	if err != nil {
		p.err = err
		return false
	}
	at := len(p.path)
	p.path = appendUnescaped(append(p.path, '/'), name)
	p.item.set(&h)
	p.item.Path, p.item.Base = p.path, at+1
	if !h.dir || !p.o.Recursive {
		p.path = p.path[:at]
		return true
	}
	p.prefix = append(append(p.prefix, sepDir), name...)
	p.enter()
	return true
}

// enter makes the directory that path and prefix name the innermost one.
func (p *Page) enter() {
	p.open = append(p.open, depth{len(p.path), len(p.prefix)})
	p.from, p.placed = append(append(p.from[:0], p.prefix...), sepName), false
}

// leave goes on behind the innermost directory, in its parent.
func (p *Page) leave() {
	d := p.open[len(p.open)-1]
	p.open = p.open[:len(p.open)-1]
	if len(p.open) == 0 {
		return
	}
	parent := p.open[len(p.open)-1]
	p.from = append(append(p.from[:0], p.prefix[:d.prefix]...), 0)
	p.from[parent.prefix] = sepName
	p.placed = false
	p.path, p.prefix = p.path[:parent.path], p.prefix[:parent.prefix]
}

// advance puts the iterator on the next child of the innermost directory, and
// reports false if that has no more.
func (p *Page) advance() bool {
	if p.it == nil && !p.resume() {
		return false
	}
	var found bool
	if p.placed {
		found = p.it.Next()
	} else {
		found = p.it.SeekGE(p.from)
		p.placed = true
	}
	if !found {
		p.err = p.it.Error()
		return false
	}
	key := p.it.Key()
	if len(key) <= len(p.prefix) || key[len(p.prefix)] != sepName || !bytes.HasPrefix(key, p.prefix) {
		return false
	}
	return len(p.open) > 1 || bytes.HasPrefix(key[len(p.prefix)+1:], p.begin)
}

// resume opens an iterator on the view, bounded by the directory.
func (p *Page) resume() bool {
	end := byte(sepDir)
	if p.o.Recursive {
		end = sepDir + 1
	}
	top := p.prefix[:p.open[0].prefix]
	p.it, p.err = p.view.NewIter(&pebble.IterOptions{LowerBound: with(top, sepName), UpperBound: with(top, end)})
	p.placed = false
	return p.err == nil
}

// Pause gives the disk's resources back until the next call of Next, and with
// them the item's Value. Call it before waiting for a slow reader.
func (p *Page) Pause() {
	if p.it == nil {
		return
	}
	if p.placed && p.it.Valid() {
		p.from = append(append(p.from[:0], p.it.Key()...), 0)
	}
	if err := p.it.Close(); p.err == nil {
		p.err = err
	}
	p.it, p.placed = nil, false
}

// Close ends the walk.
func (p *Page) Close() error {
	p.Pause()
	if err := p.view.Close(); p.err == nil {
		p.err = err
	}
	return p.err
}
