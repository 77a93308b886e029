package store

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// nodeCache keeps the records of recently used nodes, so that a hot read or
// the check of a parent directory does not reach Pebble. It is bounded in
// bytes; what has not been read for a while goes first. Removing this file's
// cache changes no answer, only speed (TestNodeCacheChangesNoAnswer).
//
// Who finds a record takes no lock and, unless it is the first in a while,
// writes nothing: readers of one key do not meet (BenchmarkGetOneParallel).
// Each shard is a table of chains whose links are atomic, changed under the
// shard's mutex only. A reader on a chain that is being changed may see what
// was there before, which was true when it set out, or come off the chain and
// find nothing, which sends it to Pebble.
//
// A reader that missed notes the shard's generation, reads Pebble, and puts
// what it found only if the generation is unchanged. Apply raises the
// generation whenever it changes a shard, so a reader can never put back what
// Apply has replaced.
type nodeCache struct {
	seed   maphash.Seed
	limit  int64       // bytes in a shard; 0: the cache is off
	full   atomic.Bool // entries have been dropped for others
	shards [cacheShards]cacheShard
}

const (
	cacheShards = 64

	// cacheEntryCost is what an entry takes beside its path and value: itself,
	// the record and its share of the table.
	cacheEntryCost = int64(unsafe.Sizeof(record{})) + int64(unsafe.Sizeof(cacheEntry{})) + 16
)

type cacheShard struct {
	table      atomic.Pointer[cacheTable] // never nil
	generation atomic.Uint64              // raised by Apply, with mu held

	mu struct {
		sync.Mutex
		entries int
		bytes   int64
		hand    int // the chain from which the next entry may go
	}
	_ [64]byte // keeps neighbours off each other's cache line
}

// cacheTable holds chains of entries, a power of two of them.
type cacheTable []atomic.Pointer[cacheEntry]

// cacheEntry is a path with its record. Path and hash never change; the other
// fields are written with the shard's mutex held, but for used, which readers
// set.
type cacheEntry struct {
	path   Path
	record atomic.Pointer[record]
	next   atomic.Pointer[cacheEntry]
	hash   uint32
	used   atomic.Bool // since the hand came by
}

func newNodeCache(limit int64) *nodeCache {
	c := &nodeCache{seed: maphash.MakeSeed(), limit: limit / cacheShards}
	for i := range c.shards {
		c.shards[i].table.Store(newCacheTable(8))
	}
	return c
}

func newCacheTable(chains int) *cacheTable {
	t := make(cacheTable, chains)
	return &t
}

func (t *cacheTable) chain(hash uint32) *atomic.Pointer[cacheEntry] {
	return &(*t)[int(hash)&(len(*t)-1)]
}

// shard is where p belongs, and its hash there.
func (c *nodeCache) shard(p Path) (*cacheShard, uint32) {
	h := maphash.String(c.seed, p.name)
	return &c.shards[h%cacheShards], uint32(h >> 32)
}

// find is the entry of p in s, or nil.
func (s *cacheShard) find(p Path, hash uint32) *cacheEntry {
	for e := s.table.Load().chain(hash).Load(); e != nil; e = e.next.Load() {
		if e.hash == hash && e.path == p {
			return e
		}
	}
	return nil
}

// get returns the record at p, or nil and the generation to hand to offer.
func (c *nodeCache) get(p Path) (*record, uint64) {
	s, hash := c.shard(p)
	e := s.find(p, hash)
	if e == nil {
		return nil, s.generation.Load()
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.record.Load(), 0
}

// offer puts r unless Apply has changed the shard since generation.
func (c *nodeCache) offer(p Path, r *record, generation uint64) {
	s, hash := c.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.generation.Load() == generation && s.put(p, hash, r, c.limit) && !c.full.Load() {
		c.full.Store(true)
	}
}

// replace is set that makes no entry where there is none.
// Only Apply may call it.
func (c *nodeCache) replace(p Path, r *record) {
	s, hash := c.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation.Add(1)
	switch e := s.find(p, hash); {
	case e == nil:
	case r == nil:
		s.drop(e)
	default:
		s.put(p, hash, r, c.limit)
	}
}

// set replaces what is known of p; a nil record means there is no node.
// Only Apply may call it.
func (c *nodeCache) set(p Path, r *record) {
	s, hash := c.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation.Add(1)
	if r == nil {
		s.drop(s.find(p, hash))
	} else {
		s.put(p, hash, r, c.limit)
	}
}

// clear forgets everything beneath dir. Only Apply may call it.
func (c *nodeCache) clear(dir Path) {
	for i := range c.shards {
		c.shards[i].forget(func(p Path) bool { return p.Under(dir) })
	}
}

// reset forgets everything. Only the goroutine that applies may call it.
func (c *nodeCache) reset() {
	for i := range c.shards {
		c.shards[i].forget(func(Path) bool { return true })
	}
	c.full.Store(false)
}

// forget drops what is chosen.
func (s *cacheShard) forget(chosen func(Path) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation.Add(1)
	table := *s.table.Load()
	for i := range table {
		for e := table[i].Load(); e != nil; e = e.next.Load() {
			if chosen(e.path) {
				s.drop(e)
			}
		}
	}
}

func entryCost(p Path, r *record) int64 {
	return cacheEntryCost + int64(len(p.name)+len(r.value))
}

// put stores r and makes room for it; full says that it took another's.
// s.mu must be held.
func (s *cacheShard) put(p Path, hash uint32, r *record, limit int64) (full bool) {
	e, cost := s.find(p, hash), entryCost(p, r)
	if cost > limit/4 {
		s.drop(e)
		return false
	}
	if e != nil {
		s.mu.bytes += cost - entryCost(p, e.record.Load())
		e.record.Store(r)
		e.used.Store(true) // it is the last that may go for the room it needs
		return s.shrink(limit)
	}
	full = s.shrink(limit - cost)
	// A name of its own: p's may be a part of something longer, such as a request.
	e = &cacheEntry{path: Path{p.space, strings.Clone(p.name)}, hash: hash}
	e.record.Store(r)
	s.grow()
	chain := s.table.Load().chain(hash)
	e.next.Store(chain.Load())
	chain.Store(e)
	s.mu.entries++
	s.mu.bytes += cost
	return full
}

// shrink drops entries until no more than limit bytes are held: those that
// were not used since the hand came by last. It reports whether there was one
// to go. s.mu must be held.
func (s *cacheShard) shrink(limit int64) (full bool) {
	table := *s.table.Load()
	full = s.mu.bytes > limit
	for ; s.mu.bytes > limit; s.mu.hand++ {
		for e := table[s.mu.hand&(len(table)-1)].Load(); e != nil && s.mu.bytes > limit; e = e.next.Load() {
			if e.used.Load() {
				e.used.Store(false)
			} else {
				s.drop(e)
			}
		}
	}
	return full
}

// grow makes room for one more entry in the table: chains hold one entry on
// the average. s.mu must be held.
func (s *cacheShard) grow() {
	old := *s.table.Load()
	if s.mu.entries < len(old) {
		return
	}
	table := newCacheTable(2 * len(old))
	for i := range old {
		for e := old[i].Load(); e != nil; {
			next, chain := e.next.Load(), table.chain(e.hash)
			e.next.Store(chain.Load()) // takes readers of the old chain along
			chain.Store(e)
			e = next
		}
	}
	s.table.Store(table)
}

// drop forgets e, an entry or nil. Who stands on it can go on from there.
// s.mu must be held.
func (s *cacheShard) drop(e *cacheEntry) {
	if e == nil {
		return
	}
	link := s.table.Load().chain(e.hash)
	for link.Load() != e {
		link = &link.Load().next
	}
	link.Store(e.next.Load())
	s.mu.entries--
	s.mu.bytes -= entryCost(e.path, e.record.Load())
}
