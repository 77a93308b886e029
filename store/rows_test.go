package store

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// A row that is found is what was put last, and none is found that was taken
// away, whatever has been dropped, moved and forgotten meanwhile.
func TestRowsAreWhatWasPutLast(t *testing.T) {
	for _, limit := range []int64{40 << 10, 256 << 10, 4 << 20} {
		c, rnd := newRowCache(limit, 0), rand.New(rand.NewPCG(uint64(limit), 5))
		known := map[Path]*record{}
		var paths []Path
		for i := range 3000 {
			paths = append(paths, ParsePath(Space(i%2), fmt.Sprintf("/%d/%d", i%7, i)))
		}
		found := 0
		for i := range 200_000 {
			p := paths[rnd.IntN(len(paths))]
			switch {
			case i%50_000 == 49_999:
				c.reset()
				clear(known)
			case i%9_000 == 8_999:
				dir := ParsePath(Keys, fmt.Sprintf("/%d", rnd.IntN(7)))
				c.clear(dir)
				for p := range known {
					if p.Under(dir) {
						delete(known, p)
					}
				}
			case i%10 == 0:
				c.set(p, nil)
				delete(known, p)
			case i%3 == 0:
				r := &record{created: Index(rnd.IntN(i + 1)), modified: Index(i), value: strings.Repeat("v", rnd.IntN(200))}
				if i%2 == 0 {
					r.expiry = Expiry(i)
				}
				c.set(p, r)
				known[p] = r
			default:
				r, _, generation := c.get(p)
				want := known[p]
				switch {
				case r == nil && want != nil:
					c.offer(p, want, generation)
				case r != nil && (want == nil || *r != *want):
					t.Fatalf("%d bytes, step %d: %s is %v, want %v", limit, i, p, r, want)
				case r != nil:
					found++
				}
			}
		}
		if found < 1000 {
			t.Errorf("%d bytes: only %d rows were found", limit, found)
		}
		checkRows(t, c)
	}
}

// The same while rows move from room to room, of which each is too small for
// all of them, and the memory of the former is given back.
func TestRowsStayWhatTheyAreOnTheirWay(t *testing.T) {
	c, rnd := newRowCache(8<<20, 0), rand.New(rand.NewPCG(8, 9))
	paths := make([]Path, 60_000)
	for i := range paths {
		paths[i] = ParsePath(Keys, fmt.Sprintf("/%d/%d", i%7, i))
	}
	modified, found, rooms := make([]Index, len(paths)), 0, []int64{5 << 20, 8 << 20, 6 << 20}
	for i := range 600_000 {
		k := rnd.IntN(len(paths))
		if i%60_000 == 59_999 {
			c = c.succeed(rooms[i/60_000%len(rooms)])
		}
		if i%2 == 0 {
			modified[k] = Index(i)
			c.set(paths[k], &record{modified: Index(i), value: strings.Repeat("v", 50+k%150)})
			continue
		}
		if r, _, _ := c.get(paths[k]); r != nil {
			found++
			if r.modified != modified[k] || len(r.value) != 50+k%150 {
				t.Fatalf("step %d: %s is at %d with %d bytes, not %d", i, paths[k].name, r.modified, len(r.value), modified[k])
			}
		}
	}
	if found < 100_000 {
		t.Errorf("only %d rows were found", found)
	}
	checkRows(t, c)
}

// checkRows makes sure that each row that is not forgotten can be found, and
// that nothing else is on a chain.
func checkRows(t *testing.T, c *rowCache) {
	t.Helper()
	for i := range c.shards {
		s, rows, linked := &c.shards[i], 0, 0
		s.each(func(at int) {
			row := s.row(at)
			if row[rowFlags]&rowForgotten != 0 {
				return
			}
			rows++
			if got := s.find(rowPath(row), s.hash(row)); got != at {
				t.Errorf("shard %d: the row at %d is found at %d", i, at, got)
			}
		})
		for at := 0; at < len(s.chains); at += 4 {
			for link := s.chains[at : at+4]; link[0]|link[1]|link[2]|link[3] != 0; linked++ {
				next := (int(link[0]) | int(link[1])<<8 | int(link[2])<<16 | int(link[3])<<24 - 1) * rowAlign
				link = s.ring[next : next+4]
			}
		}
		if rows != linked {
			t.Errorf("shard %d has %d rows, and %d on its chains", i, rows, linked)
		}
	}
}

// What is read now and then stays while other things come and go.
func TestRowsKeepWhatIsRead(t *testing.T) {
	c := newRowCache(256<<10, 0)
	hot := ParsePath(Keys, "/hot")
	c.set(hot, &record{value: "v"})
	for i := range 50_000 {
		c.set(ParsePath(Keys, fmt.Sprintf("/cold/%d", i)), &record{})
		if r, _, _ := c.get(hot); r == nil {
			t.Fatalf("it is gone after %d others", i)
		}
	}
}

// A reader that missed must not put back what Apply has replaced since.
func TestRowsRefuseWhatIsOutdated(t *testing.T) {
	c, p := newRowCache(1<<20, 0), ParsePath(Keys, "/a")
	_, _, generation := c.get(p)
	c.set(p, &record{modified: 2})
	c.set(p, nil)
	c.offer(p, &record{modified: 1}, generation)
	if r, _, _ := c.get(p); r != nil {
		t.Errorf("there is a row of %d", r.modified)
	}
}

// While one applies and others read, the two caches together never show what
// is older than what the last Apply has replaced. What it is just replacing
// may still be seen by a reader that others have overtaken: those wait until
// the index is published.
func TestCachesNeverGoBack(t *testing.T) {
	c := newCaches(256<<10, 2<<20)
	paths := make([]Path, 500)
	for i := range paths {
		paths[i] = ParsePath(Keys, fmt.Sprintf("/%d/%d", i%7, i))
	}
	stop := readUntilStopped(t, paths, 1, func(k int) *record {
		r, _ := c.get(paths[k])
		return r
	})
	versions := make([]Index, len(paths))
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 60_000 {
		if i%1000 == 0 { // the rows begin anew, larger or smaller
			c.fit(blockShare + int64(i%2000)<<10)
		}
		k := rnd.IntN(len(paths))
		versions[k]++
		c.set(paths[k], &record{created: Index(k), modified: versions[k]})
		if r, _ := c.get(paths[k]); r != nil && r.modified != versions[k] {
			t.Fatalf("%s is at %d, not %d", paths[k].name, r.modified, versions[k])
		}
	}
	stop()
}

// Rows move to their new room, whichever is used first: nothing is read again.
func TestRowsMoveToTheirNewRoom(t *testing.T) {
	const keys = 10_000
	path := func(k int) Path { return ParsePath(Keys, fmt.Sprintf("/a/%d", k)) }
	c := newCaches(2<<20, 32<<20)
	for k := range keys {
		c.rows.Load().set(path(k), &record{created: Index(k), modified: 1})
	}
	c.fit(blockShare + 8<<20)
	rows := c.rows.Load()
	for k := range keys {
		if k%3 == 0 {
			rows.set(path(k), &record{created: Index(k), modified: 2})
			continue
		}
		if r, _, _ := rows.get(path(k)); r == nil || r.created != Index(k) || r.modified != 1 {
			t.Fatalf("key %d: %+v", k, r)
		}
	}
	for i := range rows.shards {
		if rows.shards[i].before != nil {
			t.Fatalf("shard %d has not moved", i)
		}
	}
	for k := range keys {
		if r, _, _ := rows.get(path(k)); r == nil || r.created != Index(k) || (r.modified == 2) != (k%3 == 0) {
			t.Fatalf("key %d after the move: %+v", k, r)
		}
	}
}

// A room that is a little too small is not left before all rows are in it, but
// one that is much too small is.
func TestRowsAreNotLostToASecondMove(t *testing.T) {
	const keys = 10_000
	path := func(k int) Path { return ParsePath(Keys, fmt.Sprintf("/a/%d", k)) }
	c := newCaches(2<<20, 64<<20)
	for k := range keys {
		c.set(path(k), &record{created: Index(k), modified: 1})
	}
	c.fit(blockShare + 8<<20)
	first := c.rows.Load()
	if c.fit(blockShare + 12<<20); c.rows.Load() != first {
		t.Fatal("the rows move again before they have moved")
	}
	for k := range keys {
		if r := c.peek(path(k)); r == nil {
			t.Fatalf("key %d is lost", k)
		}
	}
	if c.fit(blockShare + 12<<20); c.rows.Load() == first {
		t.Fatal("the rows have moved and get no more room")
	}
	second := c.rows.Load()
	if c.fit(blockShare + 40<<20); c.rows.Load() == second {
		t.Fatal("the rows get no more room, though they need far more")
	}
}

// What is removed, alone, with its directory or with all others, does not come
// back from where the rows were, also not by a reader that still looks there.
func TestWhatIsGoneDoesNotMove(t *testing.T) {
	p, inside := ParsePath(Keys, "/a"), ParsePath(Keys, "/d/a")
	for name, remove := range map[string]func(*caches){
		"set":   func(c *caches) { c.set(p, nil); c.set(inside, nil) },
		"clear": func(c *caches) { c.clear(ParsePath(Keys, "/d")); c.clear(ParsePath(Keys, "/")) },
		"reset": func(c *caches) { c.reset() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCaches(2<<20, 32<<20)
			c.set(inside, &record{modified: 1})
			reader := c.rows.Load()
			_, _, generation := reader.get(p)
			c.fit(blockShare + 8<<20)
			remove(c)
			reader.offer(p, &record{modified: 1}, generation)
			for _, p := range []Path{p, inside} {
				if r, _ := c.get(p); r != nil {
					t.Errorf("%s is there at %d", p.name, r.modified)
				}
			}
		})
	}
}

// Who missed before the rows began anew has nothing to offer to the new ones.
func TestRowsRefuseWhatWasReadForOthers(t *testing.T) {
	c, p := newCaches(256<<10, 16<<20), ParsePath(Keys, "/a")
	_, generation := c.get(p)
	c.set(p, nil)
	c.fit(blockShare + 8<<20)
	c.offer(p, &record{modified: 1}, generation)
	if r, _ := c.get(p); r != nil {
		t.Errorf("there is a row of %d", r.modified)
	}
	_, generation = c.get(p)
	c.offer(p, &record{modified: 3}, generation)
	if r, _ := c.get(p); r == nil || r.modified != 3 {
		t.Errorf("what was read since is not there: %v", r)
	}
}

// The memory of rooms that are left is given back, and so nothing is to come in
// any more.
func TestRowsThatLeaveTakeNothing(t *testing.T) {
	c, p := newRowCache(1<<20, 0), ParsePath(Keys, "/a")
	c.succeed(2 << 20)
	_, _, generation := c.get(p)
	c.offer(p, &record{modified: 1}, generation)
	if r, _, _ := c.get(p); r != nil {
		t.Errorf("there is a row of %d", r.modified)
	}
}

func TestRowsFollowWhatIsOnDiskInLargeSteps(t *testing.T) {
	const mb = 1 << 20
	c := newCaches(24*mb, 401*mb)
	for i, step := range []struct{ disk, rows int64 }{
		{0, 23}, {8, 23}, {8 + 18, 23}, {8 + 20, 30}, {8 + 24, 30}, {8 + 26, 39}, {8 + 220, 330}, {1000, 330}, {2000, 330},
		{8 + 76, 330}, {8 + 72, 108}, {1000, 400}, // no more than may be
		{0, 23}, {0, 23},
	} {
		before := c.rows.Load()
		c.fit(step.disk * mb)
		after := c.rows.Load()
		if after.limit != step.rows*mb {
			t.Fatalf("step %d: %d MiB of rows, want %d", i, after.limit/mb, step.rows)
		}
		if after != before && after.limit == before.limit {
			t.Errorf("step %d: the rows move for nothing", i)
		}
	}
	off := newCaches(-1, 0)
	rows := off.rows.Load()
	if off.fit(1000 * mb); off.rows.Load() != rows || rows.limit != 0 {
		t.Error("a cache that is off has grown")
	}
}

// BenchmarkGetCold reads keys at random of which far more are there than the
// near cache holds, without rows and with them.
func BenchmarkGetCold(b *testing.B) {
	const keys = 200_000
	for _, rows := range []int64{0, 12 << 20} {
		blocks := pebble.NewCache(16 << 20)
		s, err := Open(b.TempDir(), Options{Cache: blocks, NodeCacheBytes: 2 << 20, MemTableBytes: 2 << 20})
		if err != nil {
			b.Fatal(err)
		}
		s.cache.rows.Store(newRowCache(rows, 0))
		rnd := rand.New(rand.NewPCG(2, 3))
		paths := make([]Path, keys)
		cmds := make([]Command, 0, 1000)
		for i := range paths {
			paths[i] = benchPath(i)
			cmds = append(cmds, Command{Op: Set, Path: paths[i], Value: randomValue(rnd)[:64], Now: 1})
			if len(cmds) == cap(cmds) {
				applyNext(b, s, cmds)
				cmds = cmds[:0]
			}
		}
		if err := s.Flush(); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		b.Run(fmt.Sprintf("rows=%dMiB", rows>>20), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.Get(paths[rnd.IntN(keys)]); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		blocks.Unref()
	}
}
