package store

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// NodeBytes is what a node counts for in Bytes beside its path and its value:
// about what its key, its record and their place in a table take on disk
// before compression.
const NodeBytes = 64

// Bytes is how much the keys take: for every key and directory of the Keys
// space the length of its path and its value, and NodeBytes. It is this
// member's own bookkeeping, no part of the tree, and exact once Apply has
// returned. Without Options.CountBytes it is zero. It may be called from any
// goroutine.
func (s *Store) Bytes() int64 { return s.bytes.Load() }

// bytesOf is what the node at p counts for with a value that long. The other
// spaces are not counted.
func bytesOf(p Path, value int) int64 {
	if p.space != Keys {
		return 0
	}
	return int64(NodeBytes + len(p.name) + value)
}

// countBytes is what Bytes should be, by looking at every node.
func (s *Store) countBytes() (bytes int64, err error) {
	if !s.opts.CountBytes {
		return 0, nil
	}
	prefix := appendDirPrefix(nil, Root(Keys))
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: with(prefix, sepName), UpperBound: with(prefix, sepDir+1)})
	if err != nil {
		return 0, err
	}
	var name []byte
	for it.First(); it.Valid() && err == nil; it.Next() {
		named := false
		if name, named = appendNodePath(name[:0], it.Key()); !named {
			err = errBadRecord
			break
		}
		var value []byte
		var h recordHead
		if value, err = it.ValueAndErr(); err == nil {
			h, err = parseRecord(value)
		}
		bytes += int64(NodeBytes + len(name) + len(h.value))
	}
	return bytes, errors.Join(err, it.Close())
}
