package replica

import (
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"keytree/stats"
	"keytree/store"
)

// The names of the engines, and of the caches before the tree's.
const (
	treeEngine = "tree"
	logEngine  = "log"
	nearCache  = "near"
	rowsCache  = "rows"
)

// figures are what /metrics shows of the tree, of the log and of their disks.
func (r *Replica) figures() stats.Figures {
	s, t := r.log.Status(), r.tree.Figures()
	tree, log := pebbled(r.tree.Engine()), pebbled(r.log.Engine())
	f := stats.Figures{
		Polls:           float64(t.Polls),
		Streams:         float64(t.Streams),
		Cleared:         float64(t.Cleared),
		OldestIndex:     float64(t.Oldest),
		NewestIndex:     float64(t.Newest),
		HistoryAge:      math.NaN(),
		HistoryCapacity: float64(t.HistoryCapacity),
		OldestPosition:  float64(s.FirstPosition),
		NewestPosition:  float64(s.LastPosition),
		Term:            float64(s.Term),
		BlockCache:      blockCache(tree.Metrics, r.config.CacheMost-t.CacheKept), // both engines have the same one
		NodeCaches:      []stats.NodeCache{nodeCache(nearCache, t.Near), nodeCache(rowsCache, t.Rows)},
		Engines:         []stats.Engine{tree.engine(treeEngine), log.engine(logEngine)},
		Disks:           r.disks(),
	}
	if t.OldestAt > 0 { // the founding has no time
		f.HistoryAge = max(0, time.Duration(r.Now()-t.OldestAt).Seconds())
	}
	return f
}

// disks are those whose file systems say how full they are.
func (r *Replica) disks() (all []stats.Disk) {
	for _, at := range []struct{ name, dir string }{{treeEngine, r.treeDir()}, {logEngine, r.logDir()}} {
		if usage, err := r.fs.GetDiskUsage(at.dir); err == nil {
			all = append(all, stats.Disk{Name: at.name, Free: float64(usage.AvailBytes), Total: float64(usage.TotalBytes)})
		}
	}
	return all
}

// nodeCache is what is known of a node cache; in the near one nothing is counted.
func nodeCache(name string, c store.CacheFigures) stats.NodeCache {
	n := stats.NodeCache{Name: name, Bytes: float64(c.Bytes), Limit: float64(c.Limit), Hits: float64(c.Hits), Misses: float64(c.Misses)}
	if name == nearCache {
		n.Hits, n.Misses = math.NaN(), math.NaN()
	}
	return n
}

func blockCache(m *pebble.Metrics, limit int64) stats.BlockCache {
	c := m.BlockCache
	return stats.BlockCache{Bytes: float64(c.Size), Limit: float64(limit), Hits: float64(c.Hits), Misses: float64(c.Misses)}
}

// engineSays is what an engine says of itself.
type engineSays struct {
	*pebble.Metrics
	stalls  uint64
	stalled time.Duration
}

func pebbled(m *pebble.Metrics, stalls uint64, stalled time.Duration) engineSays {
	return engineSays{m, stalls, stalled}
}

func (m engineSays) engine(name string) stats.Engine {
	e := stats.Engine{
		Name:              name,
		DiskBytes:         float64(max(m.DiskSpaceUsage(), m.DiskSpaceUsage()-m.WAL.PhysicalSize+m.WAL.Size)),
		WALBytes:          float64(m.WAL.Size),
		WALWritten:        float64(m.WAL.BytesWritten),
		MemtableBytes:     float64(m.MemTable.Size),
		Memtables:         float64(m.MemTable.Count),
		L0Tables:          float64(m.Levels[0].TablesCount),
		L0Sublevels:       float64(m.Levels[0].Sublevels),
		ReadAmplification: float64(m.ReadAmp()),
		Flushes:           float64(m.Flush.Count),
		Compactions:       float64(m.Compact.Count),
		Compacting:        float64(m.Compact.NumInProgress),
		CompactionDebt:    float64(m.Compact.EstimatedDebt),
		CompactionSeconds: m.Compact.Duration.Seconds(),
		Stalls:            float64(m.stalls),
		StalledSeconds:    m.stalled.Seconds(),
	}
	if name == treeEngine { // it has no write-ahead log
		e.WALBytes, e.WALWritten = math.NaN(), math.NaN()
	}
	for i := range m.Levels {
		e.Tables += float64(m.Levels[i].TablesCount)
		e.Written += float64(m.Levels[i].TableBytesFlushed + m.Levels[i].TableBytesCompacted)
	}
	return e
}
