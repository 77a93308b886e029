package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestNodeCacheChangesNoAnswer(t *testing.T) {
	var answers [3]strings.Builder
	for i, size := range []int64{-1, 40 << 10, 1 << 20} { // none, one that evicts, one that need not
		s, err := Open("tree", Options{FS: vfs.NewMem(), NodeCacheBytes: size})
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, rnd: rand.New(rand.NewPCG(7, 7)), s: s, now: epoch.UnixNano()}
		w.m.nodes = map[string]Node{}
		for i := range 200 {
			w.names = append(w.names, fmt.Sprintf("/d/%d", i), fmt.Sprintf("/e/%d/f", i))
		}
		for range 5000 {
			w.apply([]Command{w.command()})
			n, index, err := s.Get(ParsePath(Keys, w.names[w.rnd.IntN(len(w.names))]))
			fmt.Fprintln(&answers[i], n, index, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range answers {
		if answers[i].String() != answers[0].String() {
			t.Errorf("with node cache %d the answers differ", i)
		}
	}
}

func TestNodeCacheStaysWithinItsBytes(t *testing.T) {
	c := newNodeCache(64 << 10)
	for i := range 10_000 {
		c.set(ParsePath(Keys, fmt.Sprintf("/%d", i)), &record{value: strings.Repeat("v", i%300)})
	}
	total := int64(0)
	for i := range c.shards {
		bytes := int64(0)
		s, entries := &c.shards[i], 0
		table := *s.table.Load()
		for j := range table {
			for e := table[j].Load(); e != nil; e = e.next.Load() {
				bytes += entryCost(e.path, e.record.Load())
				entries++
			}
		}
		if bytes != s.mu.bytes || entries != s.mu.entries {
			t.Fatalf("a shard counts %d entries of %d bytes and holds %d of %d", s.mu.entries, s.mu.bytes, entries, bytes)
		}
		total += bytes
	}
	if total > 64<<10 || total < 32<<10 {
		t.Errorf("%d bytes are cached, of 64 KiB", total)
	}
}

// What is read now and then stays while other things come and go.
func TestNodeCacheKeepsWhatIsRead(t *testing.T) {
	c := newNodeCache(256 << 10)
	hot := ParsePath(Keys, "/hot")
	c.set(hot, &record{value: "v"})
	for i := range 50_000 {
		c.set(ParsePath(Keys, fmt.Sprintf("/cold/%d", i)), &record{})
		if r, _ := c.get(hot); r == nil {
			t.Fatalf("it is gone after %d others", i)
		}
	}
}

// A path may be a part of a whole request, and lent: the cache must neither
// keep that alive nor rely on it.
func TestNodeCacheKeepsNamesOfItsOwn(t *testing.T) {
	c := newNodeCache(1 << 20)
	p := ParsePath(Keys, "/a/name")
	c.set(p, &record{})
	s, hash := c.shard(p)
	if e := s.find(p, hash); e == nil || unsafe.StringData(e.path.name) == unsafe.StringData(p.name) {
		t.Error("the entry has the name that it was given")
	}
}

// Readers see one of the records that were there while they looked, whatever
// is put, dropped and moved to a larger table meanwhile.
func TestNodeCacheIsReadWhileItChanges(t *testing.T) {
	c := newNodeCache(128 << 10)
	paths := make([]Path, 2000)
	for i := range paths {
		paths[i] = ParsePath(Keys, fmt.Sprintf("/%d/%d", i%7, i))
	}
	stop := readUntilStopped(t, paths, 0, func(k int) *record {
		r, generation := c.get(paths[k])
		if r == nil { // one that Apply would refuse to take
			c.offer(paths[k], &record{created: Index(k), modified: 1 << 60}, generation-1)
		} else if r.modified == 1<<60 {
			t.Errorf("%s: what was offered too late is there", paths[k].name)
		}
		return r
	})
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 40_000 {
		k := rnd.IntN(len(paths))
		switch {
		case i%15_000 == 14_999:
			c.reset()
		case i%4_000 == 3_999:
			c.clear(ParsePath(Keys, "/3"))
		case i%10 == 0:
			c.set(paths[k], nil)
		default:
			c.set(paths[k], &record{created: Index(k), modified: Index(i)})
		}
	}
	stop()
}

// readUntilStopped has goroutines read keys at random, the k-th of which was
// made at k, and demands that none of them goes back by more than slack.
func readUntilStopped(t *testing.T, paths []Path, slack Index, get func(k int) *record) (stop func()) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	for i := range 3 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			newest := make([]Index, len(paths))
			for {
				select {
				case <-done:
					return
				default:
				}
				k := rnd.IntN(len(paths))
				r := get(k)
				if r == nil {
					continue
				}
				if r.created != Index(k) || r.modified+slack < newest[k] {
					t.Errorf("%s: a record of key %d at %d, after %d", paths[k].name, r.created, r.modified, newest[k])
					return
				}
				newest[k] = max(newest[k], r.modified)
			}
		})
	}
	return func() {
		close(done)
		wg.Wait()
	}
}
