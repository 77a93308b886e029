package store

// rowsPerTurn is how many rows a shard takes over from the one before it with
// each row that is asked for or set: as many as cost no more than that.
const rowsPerTurn = 4

// succeed makes a cache of another size that takes over what c knows, a few
// rows at a time. What c itself had not taken over yet is lost. Only who holds
// the turn may call it; readers may still hold c, which takes nothing any more.
func (c *rowCache) succeed(limit int64) *rowCache {
	next := newRowCache(limit, c.epoch+1)
	next.seed = c.seed // so a shard has one shard before it
	for i := range c.shards {
		s, after := &c.shards[i], &next.shards[i]
		after.seed = c.seed
		s.mu.Lock()
		s.before, s.leaving, s.held = nil, true, s.tail
		s.mu.Unlock()
		if len(s.chains) > 0 && len(after.chains) > 0 {
			after.before = s
		}
	}
	return next
}

// moving says whether there are rows that c has not taken over yet.
func (c *rowCache) moving() bool {
	for i := range c.shards {
		if c.shards[i].moving() {
			return true
		}
	}
	return false
}

func (s *rowShard) moving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.before == nil {
		return false
	}
	s.before.mu.Lock()
	defer s.before.mu.Unlock()
	return s.before.wrapped || s.before.tail < s.before.head
}

// The following need s.mu held. They take s.before.mu besides, always in this
// order.

// fetch takes the row of p over, and returns its offset, or -1 if it is not
// known before s either.
func (s *rowShard) fetch(p Path, hash uint32) int {
	if s.before == nil {
		return -1
	}
	s.before.mu.Lock()
	if at := s.before.find(p, hash); at >= 0 {
		s.adopt(s.before.row(at))
		s.before.forget(at)
	}
	s.before.mu.Unlock()
	s.settle()
	return s.find(p, hash)
}

// renounce has what is known of p before s forgotten: Apply replaces it.
func (s *rowShard) renounce(p Path, hash uint32) {
	if s.before == nil {
		return
	}
	s.before.mu.Lock()
	s.before.generation++
	if at := s.before.find(p, hash); at >= 0 {
		s.before.forget(at)
	}
	s.before.mu.Unlock()
	s.settle()
}

// settle takes over the oldest rows. When there are none left, s.before is let
// go, and its memory once all shards have done so.
func (s *rowShard) settle() {
	b := s.before
	b.mu.Lock()
	defer b.mu.Unlock()
	for range rowsPerTurn {
		at, found := b.shift()
		if !found {
			forgetMemory(b.ring)
			forgetMemory(b.chains)
			s.before = nil
			return
		}
		if b.ring[at+rowFlags]&rowForgotten == 0 {
			s.adopt(b.row(at))
			b.forget(at)
		}
	}
	b.discard()
}

// discardStep is how many bytes of rows that have been taken over may go on
// taking memory.
const discardStep = 64 << 10

// discard gives back the memory of the rows that have been taken over: of those
// from held to tail, as s is leaving.
func (s *rowShard) discard() {
	if s.tail < s.held { // it has gone round
		forgetMemory(s.ring[s.held:])
		s.held = 0
	}
	if s.tail-s.held >= discardStep {
		s.held += forgetMemory(s.ring[s.held:s.tail])
	}
}

// adopt copies a row of another shard, unless s knows its path.
func (s *rowShard) adopt(row []byte) {
	hash := s.hash(row)
	if len(row) > len(s.ring)/4 || s.find(rowPath(row), hash) >= 0 {
		return
	}
	at := s.reserve(alignRow(len(row)))
	copy(s.ring[at:], row)
	s.enter(at, hash)
}

// shift takes the oldest row off the ring and returns its offset. It is still
// on its chain, and there as long as nothing is put.
func (s *rowShard) shift() (at int, found bool) {
	if s.wrapped && s.tail == s.end {
		s.wrapped, s.tail = false, 0
	}
	if !s.wrapped && s.tail == s.head {
		return 0, false
	}
	at = s.tail
	s.tail += alignRow(len(s.row(at)))
	return at, true
}
