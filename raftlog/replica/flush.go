package replica

import (
	"context"
	"time"
)

// flushPause is how long the tree must have stood still to be flushed. The
// store flushes by itself while much is written; what is left when writes
// cease would otherwise be replayed by the next start, and keep the log from
// being truncated.
const flushPause = time.Second

// flushWhenQuiet flushes the tree once after each time of writing.
func (r *Replica) flushWhenQuiet(ctx context.Context) {
	ticker := time.NewTicker(flushPause)
	defer ticker.Stop()
	flushed, last := uint64(0), uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		position, _ := r.tree.Cursor()
		if position == last && position != flushed {
			if err := r.tree.FlushSoon(); err != nil {
				r.config.Logger.Warn("flushing the tree failed", "error", err)
				continue
			}
			flushed = position
		}
		last = position
	}
}
