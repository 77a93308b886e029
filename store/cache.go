package store

import (
	"hash/maphash"
	"sync"
	"unsafe"
)

// nodeCache keeps the records of recently used nodes, so that a hot read or
// the check of a parent directory does not reach Pebble. It is bounded in
// bytes; what goes when it is full is left to chance. Removing this file's
// cache changes no answer, only speed (TestNodeCacheChangesNoAnswer).
//
// A reader that missed notes the shard's generation, reads Pebble, and puts
// what it found only if the generation is unchanged. Apply raises the
// generation whenever it changes a shard, so a reader can never put back what
// Apply has replaced.
type nodeCache struct {
	seed   maphash.Seed
	limit  int64 // bytes in a shard; 0: the cache is off
	shards [cacheShards]cacheShard
}

const (
	cacheShards = 64

	// cacheEntryCost is what an entry takes beside its path and value: the
	// record and its share of the map.
	cacheEntryCost = int64(unsafe.Sizeof(record{})) + int64(unsafe.Sizeof(Path{})) + 24
)

type cacheShard struct {
	mu struct {
		sync.RWMutex
		nodes      map[Path]*record
		bytes      int64
		generation uint64
	}
	_ [64]byte // keeps neighbours off each other's cache line
}

func newNodeCache(limit int64) *nodeCache {
	c := &nodeCache{seed: maphash.MakeSeed(), limit: limit / cacheShards}
	for i := range c.shards {
		c.shards[i].mu.nodes = map[Path]*record{}
	}
	return c
}

func (c *nodeCache) shard(p Path) *cacheShard {
	return &c.shards[maphash.String(c.seed, p.name)%cacheShards]
}

// get returns the record at p, or nil and the generation to hand to offer.
func (c *nodeCache) get(p Path) (*record, uint64) {
	s := c.shard(p)
	s.mu.RLock()
	r, generation := s.mu.nodes[p], s.mu.generation
	s.mu.RUnlock()
	return r, generation
}

// offer puts r unless Apply has changed the shard since generation.
func (c *nodeCache) offer(p Path, r *record, generation uint64) {
	s := c.shard(p)
	s.mu.Lock()
	if s.mu.generation == generation {
		s.put(p, r, c.limit)
	}
	s.mu.Unlock()
}

// set replaces what is known of p; a nil record means there is no node.
// Only Apply may call it.
func (c *nodeCache) set(p Path, r *record) {
	s := c.shard(p)
	s.mu.Lock()
	s.mu.generation++
	if r == nil {
		s.drop(p)
	} else {
		s.put(p, r, c.limit)
	}
	s.mu.Unlock()
}

// clear forgets everything beneath dir. Only Apply may call it.
func (c *nodeCache) clear(dir Path) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.mu.generation++
		for p := range s.mu.nodes {
			if p.Under(dir) {
				s.drop(p)
			}
		}
		s.mu.Unlock()
	}
}

// reset forgets everything. Only the goroutine that applies may call it.
func (c *nodeCache) reset() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.mu.generation++
		s.mu.bytes = 0
		s.mu.nodes = map[Path]*record{}
		s.mu.Unlock()
	}
}

func entryCost(p Path, r *record) int64 {
	return cacheEntryCost + int64(len(p.name)+len(r.value))
}

// put stores r and makes room for it. s.mu must be held.
func (s *cacheShard) put(p Path, r *record, limit int64) {
	s.drop(p)
	cost := entryCost(p, r)
	if cost > limit/4 {
		return
	}
	for q := range s.mu.nodes { // in random order
		if s.mu.bytes+cost <= limit {
			break
		}
		s.drop(q)
	}
	s.mu.nodes[p] = r
	s.mu.bytes += cost
}

// drop forgets p. s.mu must be held.
func (s *cacheShard) drop(p Path) {
	if r, ok := s.mu.nodes[p]; ok {
		s.mu.bytes -= entryCost(p, r)
		delete(s.mu.nodes, p)
	}
}
