package store

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// resident is how many bytes of room take memory.
func resident(t *testing.T, room []byte) (bytes int) {
	t.Helper()
	page := os.Getpagesize()
	start := uintptr(unsafe.Pointer(&room[0])) &^ uintptr(page-1)
	pages := make([]byte, (uintptr(len(room))+uintptr(page)-1)/uintptr(page))
	if _, _, e := syscall.Syscall(syscall.SYS_MINCORE, start, uintptr(len(room)), uintptr(unsafe.Pointer(&pages[0]))); e != 0 {
		t.Fatal(e)
	}
	for _, p := range pages {
		bytes += int(p&1) * page
	}
	return bytes
}

// Rows on their way take no memory in both places.
func TestRowsLeaveNoMemoryBehind(t *testing.T) {
	const keys = 400_000
	path := func(k int) Path { return ParsePath(Keys, fmt.Sprintf("/a/%d", k)) }
	c := newRowCache(32<<20, 0)
	taken := func(c *rowCache) (bytes int) {
		for i := range c.shards {
			bytes += resident(t, c.shards[i].ring)
		}
		return bytes
	}
	for k := range keys {
		c.set(path(k), &record{created: 1, modified: Index(k), value: "a value of some length, which none of the others has"})
	}
	before := taken(c)
	if before < 28<<20 {
		t.Fatalf("the rows take %d bytes", before)
	}
	next := c.succeed(64 << 20)
	for k := range keys {
		next.get(path(k))
		if k%30_000 == 0 {
			// A step for each shard may be left, and there is a page at both ends.
			if both, most := taken(c)+taken(next), before+cacheShards*(discardStep+4*os.Getpagesize()); both > most {
				t.Fatalf("after %d reads the rows take %d bytes in both places, with %d before", k, both, before)
			}
		}
	}
	for k := range keys / 10 { // reads of what has no row see to what has not moved
		next.get(path(-k))
	}
	if left := taken(c); left > cacheShards*3*os.Getpagesize() {
		t.Errorf("%d bytes are left behind", left)
	}
}
