package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Batch is a run of commands with the position they bring the tree to. The
// position never goes back from batch to batch. Note is the caller's and is
// stored with it. How commands are spread over batches changes nothing but
// speed.
type Batch struct {
	Position uint64
	Note     []byte
	Commands []Command
}

// Result is what became of one command: an event, or a refusal in Err (always
// an *Error). A transaction has one event for each of its operations instead.
// A sweep has neither; it makes any number of events. Index is the store's
// index after the command.
type Result struct {
	Event  *Event
	Events []*Event // of a transaction
	Index  Index
	Err    error
}

// Apply changes the tree by the commands of b, in order, and returns one
// result for each; they are the caller's until the next Apply. An error means
// that the disk failed: nothing of b was applied, and the store must not be
// used further.
//
// Effects come in this order: all of b is committed, the node cache follows,
// the version of the Auth space changes, the index is published, watchers are
// woken, Apply returns.
func (s *Store) Apply(b Batch) ([]Result, error) {
	t := s.begin()
	defer t.release()
	for i := range b.Commands {
		c := &b.Commands[i]
		r := Result{}
		if c.Op == Transact {
			r.Events, r.Err = t.transact(c)
		} else {
			r.Event, r.Err = t.do(c)
		}
		if t.failed != nil {
			return nil, fmt.Errorf("apply up to position %d: %w", b.Position, t.failed)
		}
		r.Index = t.index
		t.results = append(t.results, r)
		if c.Path.space == Auth {
			t.auth++
		}
	}
	if err := t.commit(b.Position, b.Note); err != nil {
		return nil, fmt.Errorf("commit at position %d: %w", b.Position, err)
	}
	return t.results, nil
}

// do carries out one command that is no transaction. The error is a refusal,
// and then the command has left no trace; a failure of the disk is noted in
// t.failed instead.
func (t *txn) do(c *Command) (*Event, error) {
	t.now = c.Now
	switch c.Op {
	case Set:
		return t.set(c)
	case Create, CreateInOrder:
		return t.create(c)
	case Update:
		return t.update(c)
	case Delete:
		return t.remove(c)
	case CompareAndSwap:
		return t.compareAndSwap(c)
	case CompareAndDelete:
		return t.compareAndDelete(c)
	case Sweep:
		t.sweep(c)
		return nil, nil
	}
	panic(fmt.Sprintf("store: unknown %v", c.Op))
}

// set makes or replaces the node at c.Path. A key may become an empty
// directory; a directory is never replaced.
func (t *txn) set(c *Command) (*Event, error) {
	if c.Path.IsRoot() {
		return nil, t.refuse(CodeRootReadOnly, "/")
	}
	prev, err := t.lookup(c.Path)
	if err != nil {
		return nil, err
	}
	value := c.Value
	switch {
	case prev == nil && c.Refresh:
		return nil, t.missing(c.Path)
	case prev != nil && prev.dir:
		return nil, t.refuse(CodeNotFile, c.Path.name)
	case c.Refresh:
		value = prev.value
	}
	return t.place(c, ActionSet, c.Path, value, prev)
}

// create makes a node where there must be none. In order, it makes a child of
// c.Path named by the index the event will have.
func (t *txn) create(c *Command) (*Event, error) {
	p := c.Path
	if c.Op == CreateInOrder {
		p = p.Child(orderedName(t.index + 1))
		if t.isFree(p) {
			if err := t.above(p); err != nil {
				return nil, err
			}
			return t.place(c, ActionCreate, p, c.Value, nil)
		}
	}
	if p.IsRoot() {
		return nil, t.refuse(CodeRootReadOnly, "/")
	}
	prev, err := t.lookup(p)
	if err != nil {
		return nil, err
	}
	if prev != nil {
		return nil, t.refuse(CodeKeyExists, p.name)
	}
	return t.place(c, ActionCreate, p, c.Value, nil)
}

// place puts a new node at p, with the directories it needs, in place of
// prev.
func (t *txn) place(c *Command, a Action, p Path, value string, prev *record) (*Event, error) {
	t.index++
	if prev == nil {
		t.makeParents(p)
	}
	r := &record{created: t.index, modified: t.index, dir: c.Dir, expiry: c.expiry()}
	if r.expiry < oldestExpiry {
		r.expiry = Never
	}
	if !c.Dir {
		r.value = value
	}
	t.put(p, r, prev)
	return t.event(a, p, r, prev, c.Refresh), nil
}

// oldestExpiry is 2000-01-01. A new node that would end before it, because
// its lifetime overflowed, is permanent (recorded: ttl_01).
const oldestExpiry Expiry = 946684800e9

// expiry is the end of life that c asks for.
func (c *Command) expiry() Expiry {
	if !c.Expires {
		return Never
	}
	e := Expiry(c.Now) + Expiry(c.TTL)
	if e == Never {
		e++
	}
	return e
}

// update changes the value or the lifetime of a node that must exist. Of a
// directory only the lifetime; its modifiedIndex stays as it is, although the
// event shows the new one (recorded: keys_10).
func (t *txn) update(c *Command) (*Event, error) {
	prev, err := t.existing(c.Path)
	if err != nil {
		return nil, err
	}
	if prev.dir && c.Value != "" {
		return nil, t.refuse(CodeNotFile, c.Path.name)
	}
	return t.change(c, ActionUpdate, prev), nil
}

func (t *txn) compareAndSwap(c *Command) (*Event, error) {
	prev, err := t.existing(c.Path)
	if err != nil {
		return nil, err
	}
	if prev.dir {
		return nil, t.refuse(CodeNotFile, c.Path.name)
	}
	if cause := prev.difference(c.PrevValue, c.PrevIndex); cause != "" {
		return nil, t.refuse(CodeCompareFailed, cause)
	}
	return t.change(c, ActionCompareAndSwap, prev), nil
}

// change gives the node prev at c.Path a new value and lifetime.
func (t *txn) change(c *Command, a Action, prev *record) *Event {
	t.index++
	r := *prev
	r.expiry = c.expiry()
	if !r.dir {
		r.modified = t.index
		if !c.Refresh {
			r.value = c.Value
		}
	}
	t.put(c.Path, &r, prev)
	e := t.event(a, c.Path, &r, prev, c.Refresh)
	e.Node.Modified = t.index
	return e
}

func (t *txn) compareAndDelete(c *Command) (*Event, error) {
	if c.Path.IsRoot() {
		return nil, t.refuse(CodeNotFile, "")
	}
	prev, err := t.existing(c.Path)
	if err != nil {
		return nil, err
	}
	if prev.dir {
		return nil, t.refuse(CodeNotFile, c.Path.name)
	}
	if cause := prev.difference(c.PrevValue, c.PrevIndex); cause != "" {
		return nil, t.refuse(CodeCompareFailed, cause)
	}
	t.index++
	t.drop(c.Path, prev)
	return t.removal(ActionCompareAndDelete, c.Path, prev), nil
}

// difference names what of r is not as expected; "" if nothing is.
func (r *record) difference(prevValue string, prevIndex Index) string {
	cause := ""
	if prevValue != "" && prevValue != r.value {
		cause = "[" + prevValue + " != " + r.value + "]"
	}
	if prevIndex != 0 && prevIndex != r.modified {
		if cause != "" {
			cause += " "
		}
		cause += fmt.Sprintf("[%d != %d]", prevIndex, r.modified)
	}
	return cause
}

func (t *txn) remove(c *Command) (*Event, error) {
	prev, err := t.existing(c.Path)
	if err != nil {
		return nil, err
	}
	if prev.dir && !c.Recursive {
		if !c.Dir {
			return nil, t.refuse(CodeNotFile, c.Path.name)
		}
		if t.hasChildren(c.Path) {
			return nil, t.refuse(CodeDirNotEmpty, c.Path.name)
		}
	}
	t.index++
	return t.take(ActionDelete, c.Path, prev), nil
}

// take removes the node prev at p with all beneath it.
func (t *txn) take(a Action, p Path, prev *record) *Event {
	e := t.removal(a, p, prev)
	if prev.dir {
		e.fallen = t.watchedBeneath(p)
		t.dropBeneath(p)
	}
	t.drop(p, prev)
	return e
}

// watchedBeneath finds out which of the paths under dir that somebody watches
// have a node.
func (t *txn) watchedBeneath(dir Path) *fallen {
	paths, asOf := t.s.hub.watchedUnder(dir)
	f := &fallen{asOf: asOf, paths: make(map[Path]bool, len(paths))}
	for _, p := range paths {
		if t.get(p) != nil {
			f.paths[p] = true
		}
	}
	return f
}

// event records what became of the node at p.
func (t *txn) event(a Action, p Path, r, prev *record, refresh bool) *Event {
	if prev == nil {
		return t.note(&Event{Action: a, Node: r.node(p), Index: t.index, Now: t.now, Refresh: refresh})
	}
	e := &replacement{Event{Action: a, Node: r.node(p), Index: t.index, Now: t.now, Refresh: refresh}, prev.node(p)}
	e.Prev = &e.prev
	return t.note(&e.Event)
}

// replacement is an event with room for what was there before.
type replacement struct {
	Event
	prev Node
}

// removal records that the node at p is gone.
func (t *txn) removal(a Action, p Path, prev *record) *Event {
	gone := Node{Path: p, Dir: prev.dir, Created: prev.created, Modified: t.index}
	e := &replacement{Event{Action: a, Node: gone, Index: t.index, Now: t.now}, prev.node(p)}
	e.Prev = &e.prev
	return t.note(&e.Event)
}

// existing is the node at p, which must be there and not be the root.
func (t *txn) existing(p Path) (*record, error) {
	if p.IsRoot() {
		return nil, t.refuse(CodeRootReadOnly, "/")
	}
	r, err := t.lookup(p)
	if err == nil && r == nil {
		err = t.missing(p)
	}
	return r, err
}

func (t *txn) refuse(c Code, cause string) error {
	return &Error{Code: c, Cause: cause, Index: t.index}
}

// commit writes the batch and makes it visible.
func (t *txn) commit(position uint64, note []byte) error {
	s := t.s
	s.turn.Lock()
	defer s.turn.Unlock()
	if position < s.at.position {
		panic(fmt.Sprintf("store: position went back from %d to %d", s.at.position, position))
	}
	c := cursor{position: position, index: t.index, note: note}
	t.scratch = appendCursor(t.scratch[:0], c)
	if err := t.b.Set(cursorKey, t.scratch, nil); err != nil {
		return err
	}
	if err := s.makeRoom(t); err != nil {
		return err
	}
	s.turn.memtable.add(int64(t.b.Len()), int64(t.b.Count()))
	s.committing.Store(true)
	defer s.committing.Store(false)
	if err := errors.Join(t.b.Commit(pebble.NoSync), s.Failure()); err != nil {
		return err
	}
	for _, dir := range t.cleared {
		s.cache.clear(dir)
	}
	for p, r := range t.nodes {
		s.cache.set(p, r)
	}
	if s.opts.CountBytes {
		s.bytes.Add(t.bytes)
	}
	s.auth.Add(t.auth)
	s.index.Store(uint64(t.index))
	s.hub.publish(t.events)
	s.moveTo(c)
	s.flushAtTimes()
	t.soonest()
	return nil
}
