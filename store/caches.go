package store

import "sync/atomic"

// caches are what stands before Pebble: a near one for what is read often, and
// rows for as much of the rest as fits. Apply changes the rows first: who takes
// a generation of the near cache finds rows that are at least as new.
//
// The more there is on disk, the more rows are worth their memory: fit makes
// room for as many as there are beyond what Pebble keeps in memory itself.
type caches struct {
	near        *nodeCache
	rows        atomic.Pointer[rowCache] // never nil
	least, most int64                    // bytes of rows
}

// nearShare is the part of the caches' bytes that the near one has. Its
// entries take three times the memory of a row, the collector's share included.
const nearShare = 24

func newCaches(limit, most int64) *caches {
	limit = max(limit, 0)
	near := limit / nearShare
	c := &caches{near: newNodeCache(near), least: limit - near, most: most - near}
	c.rows.Store(newRowCache(c.least, 0))
	return c
}

const (
	// Pebble keeps so much of what is on disk in memory itself.
	blockShare = 8 << 20

	// Rows move when their room changes, so it changes in large steps.
	roomierBy, tighterBy = 1.25, 3
	hasteBy              = 2 // that much too small, room changes while rows still move
)

// fit gives rows the room that is right for so many bytes on disk. Only who
// holds the turn may call it.
func (c *caches) fit(disk int64) {
	now := c.rows.Load()
	want := max(c.least, min(c.most, (disk-blockShare)/2*3)) // on disk they are compressed
	switch {
	case want == now.limit:
		return
	case want < now.limit:
		if now.limit < tighterBy*want {
			return
		}
	case float64(want) < roomierBy*float64(now.limit):
		return
	case want < hasteBy*now.limit && now.moving():
		return // what has not moved yet would be lost
	}
	next, before := now.succeed(want), now.figures()
	next.hits, next.misses = before.Hits, before.Misses
	c.rows.Store(next)
}

// get returns the record at p, or nil and the generation to hand to offer.
func (c *caches) get(p Path) (*record, uint64) {
	r, generation := c.near.get(p)
	if r != nil {
		return r, 0
	}
	r, near, missed := c.rows.Load().get(p)
	if r != nil && (near || !c.near.full.Load()) {
		c.near.offer(p, r, generation)
	}
	return r, missed
}

// peek returns the record at p, or nil, and leaves the near cache as it is.
func (c *caches) peek(p Path) *record {
	r, _ := c.near.get(p)
	if r == nil {
		r, _, _ = c.rows.Load().get(p)
	}
	return r
}

// offer takes what was read from Pebble, unless Apply has changed something
// since get returned generation.
func (c *caches) offer(p Path, r *record, generation uint64) {
	c.rows.Load().offer(p, r, generation)
}

// set replaces what is known of p; a nil record means there is no node.
// Only Apply may call it.
func (c *caches) set(p Path, r *record) {
	c.rows.Load().set(p, r)
	c.near.replace(p, r)
}

// clear forgets everything beneath dir. Only Apply may call it.
func (c *caches) clear(dir Path) {
	c.rows.Load().clear(dir)
	c.near.clear(dir)
}

// reset forgets everything. Only the goroutine that applies may call it.
func (c *caches) reset() {
	c.rows.Load().reset()
	c.near.reset()
}
