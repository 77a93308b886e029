package store

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
	"runtime"
	"sync"
	"unsafe"
)

// rowCache keeps many more records than nodeCache does in the same memory, at
// the price of a lock and a copy for who finds one: a row is the path and the
// encoded record, and lies outside Go's heap, where it neither is walked by the
// collector nor makes it wait until there is twice as much. Removing it changes
// no answer (TestNodeCacheChangesNoAnswer), only what a read of a node costs
// that was not read lately (BenchmarkGetCold).
//
// The rows of a shard lie in a ring, the oldest of them at tail. New ones are
// written at head and take the room of the oldest, but for those that were
// read meanwhile, which move to head, a few at a time.
//
//	next(4)   the next row of the chain, as chains has it
//	size(3)   of the row, in bytes; the next one begins at a multiple of 4
//	name(2)   the length of the path's name
//	mark(1)   of the hash of the path
//	space(1)
//	flags(1)  bit 0: read since it was written, bit 1: forgotten
//	name, record
type rowCache struct {
	seed  maphash.Seed
	limit int64  // bytes
	epoch uint64 // sets its generations apart from those of others

	hits, misses uint64 // of those before it, for Figures

	shards [cacheShards]rowShard
}

type rowShard struct {
	mu sync.Mutex // guards all, and what the slices hold

	seed maphash.Seed // the cache's

	generation uint64 // raised by Apply; see nodeCache
	ring       []byte
	chains     []byte // the first row of each chain: its offset in the ring / rowAlign + 1, or 0, in 4 bytes
	head, tail int
	end        int  // of the rows from tail on, once head has wrapped
	wrapped    bool // head is not above tail: rows lie in [tail, end) and [0, head)
	full       bool // rows have been dropped for others
	hits       uint
	misses     uint
	before     *rowShard // whose rows s takes over, or nil
	leaving    bool      // for another shard: takes no rows
	held       int       // where it begins to hold memory that it does not need, see discard
	_          [48]byte  // makes three cache lines
}

const (
	rowFlags    = 11
	rowHeader   = 12
	rowTypical  = 96 // bytes; there is a chain for each so many
	rowAlign    = 4
	rowMost     = 1<<24 - 1 // bytes
	rowNameMost = 1<<16 - 1

	rowRead      = 1 << 0
	rowForgotten = 1 << 1

	// Where much more is read than fits, most of what comes in goes before
	// anybody asks for it again. So only each rowAdmit-th read that missed
	// leaves a row in a full shard, and each rowPromote-th that found one
	// brings the record to the near cache, if that is full. What is read often
	// gets there soon.
	rowAdmit   = 4
	rowPromote = 16

	rowMoves = 2 // rows moved for the sake of one that comes in
)

// newRowCache makes an empty cache. A generation of one epoch is none of
// another, as long as there are fewer than 2^40 changes in between.
func newRowCache(limit int64, epoch uint64) *rowCache {
	c := &rowCache{seed: maphash.MakeSeed(), limit: limit, epoch: epoch}
	for i := range c.shards {
		c.shards[i].generation, c.shards[i].seed = epoch<<40, c.seed
	}
	per := int(max(limit, 0)) / cacheShards
	chains := 0
	if per >= 4*rowTypical {
		chains = 4 << (bits.Len(uint(per/rowTypical)) - 1)
	}
	ring := max(per-chains, 0) &^ (rowAlign - 1)
	if chains == 0 || ring == 0 {
		return c // off: there is no chain to look into
	}
	room, release := mapMemory(cacheShards * (chains + ring))
	if release != nil {
		runtime.AddCleanup(c, func(room []byte) { release(room) }, room)
	}
	for i := range c.shards {
		s := &c.shards[i]
		s.chains, room = room[:chains:chains], room[chains:]
		s.ring, room = room[:ring:ring], room[ring:]
	}
	return c
}

// shard is where p belongs, and its hash there.
func (c *rowCache) shard(p Path) (*rowShard, uint32) {
	h := maphash.String(c.seed, p.name)
	return &c.shards[h%cacheShards], shardHash(h)
}

// shardHash is the part of a hash that a shard goes by.
func shardHash(h uint64) uint32 { return uint32(h >> 32) }

// get returns the record at p and whether it should come nearer, or nil and
// the generation to hand to offer.
func (c *rowCache) get(p Path) (r *record, near bool, generation uint64) {
	s, hash := c.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(p, hash)
	if at < 0 {
		at = s.fetch(p, hash)
	}
	if at < 0 {
		return nil, false, s.generation
	}
	row := s.row(at)
	h, err := parseRecord(row[rowHeader+len(p.name):])
	if err != nil {
		panic("store: a row in memory is damaged")
	}
	row[rowFlags] |= rowRead
	s.hits++
	return h.record(), s.hits%rowPromote == 0, 0
}

// offer puts r unless Apply has changed the shard since generation.
func (c *rowCache) offer(p Path, r *record, generation uint64) {
	s, hash := c.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.misses++
	if s.generation == generation && !s.leaving && (!s.full || s.misses%rowAdmit == 0) {
		s.put(p, hash, r)
	}
}

// set replaces what is known of p; a nil record means there is no node.
// Only Apply may call it.
func (c *rowCache) set(p Path, r *record) {
	s, hash := c.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.renounce(p, hash)
	if r != nil {
		s.put(p, hash, r)
	} else if at := s.find(p, hash); at >= 0 {
		s.forget(at)
	}
}

// clear forgets everything beneath dir. Only Apply may call it.
func (c *rowCache) clear(dir Path) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.clear(dir)
		if s.before != nil {
			s.before.mu.Lock()
			s.before.clear(dir)
			s.before.mu.Unlock()
		}
		s.mu.Unlock()
	}
}

// reset forgets everything. Only the goroutine that applies may call it.
func (c *rowCache) reset() {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.generation++
		s.before = nil
		clear(s.chains)
		s.head, s.tail, s.wrapped, s.full = 0, 0, false, false
		s.mu.Unlock()
	}
}

// The following need s.mu held.

// row is the row at an offset.
func (s *rowShard) row(at int) []byte {
	h := s.ring[at+4 : at+7]
	return s.ring[at : at+(int(h[0])|int(h[1])<<8|int(h[2])<<16)]
}

func setRowSize(row []byte, n int) { row[4], row[5], row[6] = byte(n), byte(n>>8), byte(n>>16) }

// rowPath is the path of a row, as long as the row stays where it is.
func rowPath(row []byte) Path {
	return Path{Space(row[10]), unsafe.String(&row[rowHeader], rowName(row))}
}

func rowName(row []byte) int { return int(binary.LittleEndian.Uint16(row[7:])) }

func rowMark(hash uint32) byte { return byte(hash >> 24) }

// hash is that of a row's path.
func (s *rowShard) hash(row []byte) uint32 {
	return shardHash(maphash.Bytes(s.seed, row[rowHeader:][:rowName(row)]))
}

// alignRow is the room that a row of size bytes takes.
func alignRow(size int) int { return (size + rowAlign - 1) &^ (rowAlign - 1) }

// clear forgets everything beneath dir.
func (s *rowShard) clear(dir Path) {
	s.generation++
	s.each(func(at int) {
		if row := s.row(at); row[rowFlags]&rowForgotten == 0 && rowPath(row).Under(dir) {
			s.forget(at)
		}
	})
}

// each visits all rows, the oldest first. The visitor may forget them.
func (s *rowShard) each(visit func(at int)) {
	at := s.tail
	if s.wrapped {
		for ; at < s.end; at += alignRow(len(s.row(at))) {
			visit(at)
		}
		at = 0
	}
	for ; at < s.head; at += alignRow(len(s.row(at))) {
		visit(at)
	}
}

// chain is where the chain of hash begins.
func (s *rowShard) chain(hash uint32) []byte {
	return s.chains[4*(int(hash)&(len(s.chains)/4-1)):][:4]
}

// find is the offset of the row of p, or -1.
func (s *rowShard) find(p Path, hash uint32) int {
	if len(s.chains) == 0 {
		return -1
	}
	mark := rowMark(hash)
	for link := binary.LittleEndian.Uint32(s.chain(hash)); link != 0; {
		at := int(link-1) * rowAlign
		row := s.ring[at:]
		if row[9] == mark && Space(row[10]) == p.space && string(row[rowHeader:][:rowName(row)]) == p.name {
			return at
		}
		link = binary.LittleEndian.Uint32(row)
	}
	return -1
}

// put stores r, in the place of what is known of p if it takes the same room.
func (s *rowShard) put(p Path, hash uint32, r *record) {
	size := rowHeader + len(p.name) + r.size()
	at := s.find(p, hash)
	if at >= 0 {
		row := s.row(at)
		if alignRow(len(row)) == alignRow(size) {
			setRowSize(row, size)
			r.append(s.ring[at+rowHeader+len(p.name) : at+rowHeader+len(p.name)])
			return
		}
		s.forget(at)
	}
	if size > min(len(s.ring)/4, rowMost) || len(p.name) > rowNameMost {
		return
	}
	at = s.reserve(alignRow(size))
	row := s.ring[at : at+size]
	setRowSize(row, size)
	binary.LittleEndian.PutUint16(row[7:], uint16(len(p.name)))
	row[9], row[10], row[rowFlags] = rowMark(hash), byte(p.space), 0
	copy(row[rowHeader:], p.name)
	r.append(row[rowHeader+len(p.name) : rowHeader+len(p.name)])
	s.enter(at, hash)
}

// enter puts the row at an offset on its chain.
func (s *rowShard) enter(at int, hash uint32) {
	chain := s.chain(hash)
	copy(s.ring[at:at+4], chain)
	s.link(chain, at)
}

func (s *rowShard) link(from []byte, at int) {
	binary.LittleEndian.PutUint32(from, uint32(at/rowAlign+1))
}

// reserve makes room for n bytes, which are not more than a quarter of the ring.
func (s *rowShard) reserve(n int) (at int) {
	for moves := rowMoves; ; {
		switch {
		case s.wrapped && s.tail == s.end:
			s.wrapped, s.tail = false, 0
		case s.wrapped && s.head+n <= s.tail, !s.wrapped && s.head+n <= len(s.ring):
			at = s.head
			s.head += n
			return at
		case s.wrapped:
			s.full = true
			if s.dropOldest(moves > 0) {
				moves--
			}
		default:
			s.end, s.head, s.wrapped = s.head, 0, true
		}
	}
}

// dropOldest takes the oldest row away, or moves it to head if it was read and
// that may be. The ring must have wrapped.
func (s *rowShard) dropOldest(move bool) (moved bool) {
	at := s.tail
	row := s.row(at)
	n := alignRow(len(row))
	s.tail += n
	switch {
	case row[rowFlags]&rowForgotten != 0:
		return false
	case !move || row[rowFlags]&rowRead == 0:
		s.forget(at)
		return false
	}
	row[rowFlags] &^= rowRead
	s.link(s.linkTo(at), s.head)
	copy(s.ring[s.head:s.head+n], s.ring[at:at+n])
	s.head += n
	return true
}

// linkTo is the link by which the row at an offset is found.
func (s *rowShard) linkTo(at int) []byte {
	link := s.chain(s.hash(s.ring[at:]))
	for {
		next := int(binary.LittleEndian.Uint32(link)-1) * rowAlign
		if next == at {
			return link
		}
		link = s.ring[next : next+4]
	}
}

// forget takes the row at an offset off its chain. Its room is free when the
// rows before it are gone.
func (s *rowShard) forget(at int) {
	copy(s.linkTo(at), s.ring[at:at+4])
	s.ring[at+rowFlags] |= rowForgotten
}
