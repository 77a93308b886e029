package replica

import "testing"

// The engine takes what memtables need from the cache: two of each, when one
// waits to be used again. What is left must do for blocks.
func TestMemtablesLeaveRoomForBlocks(t *testing.T) {
	for mb := int64(4); mb <= 1024; mb++ {
		c := Config{CacheBytes: mb << 20}.withDefaults()
		tree, log := c.memtables()
		if left := c.CacheBytes - 2*(tree+log); left < c.CacheBytes/20 || log < 256<<10 || tree > plentyOfMemtable {
			t.Errorf("of %d MiB: memtables of %d and %d bytes, which leaves %d", mb, tree, log, left)
		}
		if mb<<20 >= PlentyOfCache && tree != plentyOfMemtable {
			t.Errorf("of %d MiB: a memtable of %d bytes", mb, tree)
		}
	}
}
