package store

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

func TestBlocksGetRoomAsTheTreeGrows(t *testing.T) {
	const mb = 1 << 20
	cache := pebble.NewCache(100 * mb)
	defer cache.Unref()
	b := blockRoom{cache: cache, spare: 60 * mb}
	for i, step := range []struct{ disk, kept int64 }{
		{0, 60}, {32, 60}, {32 + 12, 59}, {32 + 13, 58}, {32 + 240, 40}, {32 + 120, 50}, {32 + 720, 0}, {1 << 20, 0}, {10, 60},
	} {
		if b.fit(step.disk * mb); b.kept.Load() != step.kept*mb {
			t.Errorf("step %d: of %d MiB on disk %d MiB are kept, want %d", i, step.disk, b.kept.Load()/mb, step.kept)
		}
	}
	if b.release(); b.kept.Load() != 0 {
		t.Errorf("%d bytes are kept for ever", b.kept.Load())
	}
	own := blockRoom{}
	if own.fit(1 << 40); own.kept.Load() != 0 {
		t.Error("a store keeps something of no cache")
	}
}

// What is kept of a cache is really not used.
func TestBlocksKeepToTheirRoom(t *testing.T) {
	const mb = 1 << 20
	cached := func(spare int64) int64 {
		cache := pebble.NewCache(32 * mb)
		defer cache.Unref()
		s, err := Open(t.TempDir(), Options{Cache: cache, CacheSpare: spare, MemTableBytes: 1 * mb})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		for i := range 80 {
			commands := make([]Command, 100)
			for k := range commands {
				commands[k] = Command{Op: Set, Path: ParsePath(Keys, fmt.Sprintf("/a/%d", i*100+k)), Value: strings.Repeat("v", 1000), Now: 1}
			}
			applyNext(t, s, commands)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		// Tables that are compacted meanwhile would take their blocks along.
		if err := s.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false); err != nil {
			t.Fatal(err)
		}
		l, err := s.List(ParsePath(Keys, "/a"), false)
		if err != nil {
			t.Fatal(err)
		}
		for l.Next() {
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		m, _, _ := s.Engine()
		return m.BlockCache.Size
	}
	if all, few := cached(0), cached(28*mb); all < 7*mb || few > 4*mb {
		t.Errorf("of 8 MB, %d bytes are cached in all of the room, and %d in 4 MiB", all, few)
	}
}
