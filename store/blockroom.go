package store

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// blockRoom keeps a part of the block cache empty as long as little is on disk.
// A small tree is served by rows; but of a large one the filters and indexes of
// its tables alone take a few bytes for each key, and are asked with each read
// of what has no row.
type blockRoom struct {
	cache  *pebble.Cache
	spare  int64        // bytes that may be kept empty
	blocks []func()     // each gives back blockStep of them
	kept   atomic.Int64 // bytes that are; read by anybody
}

const (
	blockStep = 1 << 20
	blockFrom = 32 << 20 // bytes on disk from which on blocks get more room
	blockPart = 12       // the part of what is beyond that is worth its memory
)

// fit gives blocks the room that is right for so many bytes on disk. Only who
// holds the turn may call it.
func (b *blockRoom) fit(disk int64) {
	want := int((b.spare - max(0, disk-blockFrom)/blockPart) / blockStep)
	for len(b.blocks) < want {
		b.blocks = append(b.blocks, b.cache.Reserve(blockStep))
	}
	for n := len(b.blocks); n > max(want, 0); n-- {
		b.blocks[n-1]()
		b.blocks = b.blocks[:n-1]
	}
	b.kept.Store(int64(len(b.blocks)) * blockStep)
}

// release gives everything back.
func (b *blockRoom) release() {
	b.spare = 0
	b.fit(0)
}
