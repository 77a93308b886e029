package store

// caches are what stands before Pebble: a near one for what is read often, and
// rows for as much of the rest as fits. Apply changes the rows first: who takes
// a generation of the near cache finds rows that are at least as new.
type caches struct {
	near *nodeCache
	rows *rowCache
}

// nearShare is the part of the caches' bytes that the near one has. Its
// entries take three times the memory of a row, the collector's share included.
const nearShare = 8

func newCaches(limit int64) *caches {
	limit = max(limit, 0)
	near := limit / nearShare
	return &caches{near: newNodeCache(near), rows: newRowCache(limit - near)}
}

// get returns the record at p, or nil and the generation to hand to offer.
func (c *caches) get(p Path) (*record, uint64) {
	r, generation := c.near.get(p)
	if r != nil {
		return r, 0
	}
	r, near, missed := c.rows.get(p)
	if r != nil && (near || !c.near.full.Load()) {
		c.near.offer(p, r, generation)
	}
	return r, missed
}

// peek returns the record at p, or nil, and leaves the near cache as it is.
func (c *caches) peek(p Path) *record {
	r, _ := c.near.get(p)
	if r == nil {
		r, _, _ = c.rows.get(p)
	}
	return r
}

// offer takes what was read from Pebble, unless Apply has changed something
// since get returned generation.
func (c *caches) offer(p Path, r *record, generation uint64) { c.rows.offer(p, r, generation) }

// set replaces what is known of p; a nil record means there is no node.
// Only Apply may call it.
func (c *caches) set(p Path, r *record) {
	c.rows.set(p, r)
	c.near.replace(p, r)
}

// clear forgets everything beneath dir. Only Apply may call it.
func (c *caches) clear(dir Path) {
	c.rows.clear(dir)
	c.near.clear(dir)
}

// reset forgets everything. Only the goroutine that applies may call it.
func (c *caches) reset() {
	c.rows.reset()
	c.near.reset()
}
