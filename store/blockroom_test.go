package store

import (
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
