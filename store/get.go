package store

import (
	"errors"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
)

// Get is the node at p, without children. A node that is not there is refused
// with CodeKeyNotFound and the first element missing, one below a key with
// CodeNotDir and that key.
//
// The index was current when Get looked, or is the node's own if that is
// newer: a watch from the next index can repeat what was read, but never
// misses anything. It never goes back from one read to a later one.
func (s *Store) Get(p Path) (Node, Index, error) {
	index := s.Index()
	if p.IsRoot() {
		return Node{Path: p, Dir: true}, index, nil
	}
	r, err := s.load(p)
	if err != nil {
		return Node{}, index, err
	}
	if r == nil {
		if err := s.awaitCommitted(); err != nil {
			return Node{}, index, err
		}
		return Node{}, index, s.notFound(p, index)
	}
	s.await(r.modified)
	return r.node(p), max(index, r.modified), nil
}

// await returns once index is published. It is only called with an index that
// a committed batch brought, in the moments until Apply has published it; a
// reader that did not wait could answer a later read with a lower index.
func (s *Store) await(index Index) {
	for s.Index() < index {
		runtime.Gosched()
	}
}

// awaitCommitted returns once all is published that Pebble shows now. A node
// that is gone has no index to await, and who saw it gone must not find an
// older state elsewhere: a transaction is seen whole, or not at all.
func (s *Store) awaitCommitted() error {
	if !s.committing.Load() {
		return nil
	}
	c, err := readCursor(s.db)
	if err != nil {
		return err
	}
	for s.committing.Load() && s.Index() < c.index {
		runtime.Gosched()
	}
	return nil
}

// notFound is the refusal of a path that has no node.
func (s *Store) notFound(p Path, index Index) error {
	for up := p.Parent(); !up.IsRoot(); up = up.Parent() {
		r, err := s.load(up)
		if err != nil {
			return err
		}
		if r != nil {
			if !r.dir {
				return &Error{Code: CodeNotDir, Cause: up.name, Index: index}
			}
			break
		}
		p = up
	}
	return &Error{Code: CodeKeyNotFound, Cause: p.name, Index: index}
}

// load is the record of the node at p as committed, or nil if there is none.
// It must not be changed.
func (s *Store) load(p Path) (*record, error) {
	r, generation := s.cache.get(p)
	if r != nil {
		return r, nil
	}
	r, err := s.read(p)
	if r != nil {
		s.cache.offer(p, r, generation)
	}
	return r, err
}

// peek is load that leaves the cache as it is.
func (s *Store) peek(p Path) (*record, error) {
	if r := s.cache.peek(p); r != nil {
		return r, nil
	}
	return s.read(p)
}

// read is what Pebble has at p, or nil.
func (s *Store) read(p Path) (r *record, err error) {
	var room [128]byte
	v, closer, err := s.db.Get(appendNodeKey(room[:0], p))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	h, err := parseRecord(v)
	if err == nil {
		r = h.record()
	}
	if cerr := closer.Close(); err == nil {
		err = cerr
	}
	return r, err
}
