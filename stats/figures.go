package stats

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
)

// Figures are numbers of the tree, of the log and of what they lie on, as they
// are when somebody reads /metrics. Sizes are in bytes, times in seconds. A
// number that is not known is NaN, and is not shown.
type Figures struct {
	Polls, Streams float64 // watches open now: for one event, for all
	Cleared        float64 // watches refused because the history had lost what they asked for

	OldestIndex, NewestIndex float64 // of the events kept
	HistoryAge               float64 // of the oldest
	HistoryCapacity          float64 // events

	OldestPosition, NewestPosition float64 // of the entries on disk
	Term                           float64

	BlockCache BlockCache
	NodeCaches []NodeCache
	Engines    []Engine
	Disks      []Disk
}

// BlockCache is the cache of blocks that both engines share.
type BlockCache struct{ Bytes, Limit, Hits, Misses float64 }

// NodeCache is one of the caches of nodes before the tree's engine.
type NodeCache struct {
	Name                       string
	Bytes, Limit, Hits, Misses float64
}

// Engine is one of the two databases, that of the tree or that of the log.
type Engine struct {
	Name string

	DiskBytes, WALBytes, MemtableBytes       float64
	Memtables, Tables, L0Tables, L0Sublevels float64
	ReadAmplification                        float64
	Compacting, CompactionDebt               float64

	// These count from the start.
	Flushes, Compactions, CompactionSeconds float64
	WALWritten, Written                     float64 // bytes
	Stalls, StalledSeconds                  float64
}

// Disk is where an engine is.
type Disk struct {
	Name        string // the engine's
	Free, Total float64
}

// figure is how one number of a T is shown.
type figure[T any] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func(*T) float64
}

func gauge[T any](name, help string, read func(*T) float64, labels ...string) figure[T] {
	return figure[T]{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue, read}
}

func counter[T any](name, help string, read func(*T) float64, labels ...string) figure[T] {
	return figure[T]{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue, read}
}

// show hands on what is known of of.
func show[T any](to chan<- prometheus.Metric, all []figure[T], of *T, labels ...string) {
	for _, one := range all {
		if v := one.read(of); !math.IsNaN(v) {
			to <- prometheus.MustNewConstMetric(one.desc, one.kind, v, labels...)
		}
	}
}

func describe[T any](to chan<- *prometheus.Desc, all []figure[T]) {
	for _, one := range all {
		to <- one.desc
	}
}

// figured shows Figures as metrics.
type figured struct {
	take   func() Figures
	member []figure[Figures]
	blocks []figure[BlockCache]
	nodes  []figure[NodeCache]
	engine []figure[Engine]
	disk   []figure[Disk]
}

func newFigured(take func() Figures) *figured {
	return &figured{take, memberFigures(), blockFigures(), nodeFigures(), engineFigures(), diskFigures()}
}

// Describe implements prometheus.Collector.
func (c *figured) Describe(to chan<- *prometheus.Desc) {
	to <- watchesDesc
	describe(to, c.member)
	describe(to, c.blocks)
	describe(to, c.nodes)
	describe(to, c.engine)
	describe(to, c.disk)
}

// Collect implements prometheus.Collector.
func (c *figured) Collect(to chan<- prometheus.Metric) {
	f := c.take()
	to <- prometheus.MustNewConstMetric(watchesDesc, prometheus.GaugeValue, f.Polls, "poll")
	to <- prometheus.MustNewConstMetric(watchesDesc, prometheus.GaugeValue, f.Streams, "stream")
	show(to, c.member, &f)
	show(to, c.blocks, &f.BlockCache)
	for i := range f.NodeCaches {
		show(to, c.nodes, &f.NodeCaches[i], f.NodeCaches[i].Name)
	}
	for i := range f.Engines {
		show(to, c.engine, &f.Engines[i], f.Engines[i].Name)
	}
	for i := range f.Disks {
		show(to, c.disk, &f.Disks[i], f.Disks[i].Name)
	}
}

var watchesDesc = prometheus.NewDesc("keytree_watches",
	"Watches open now, by kind: poll waits for one event, stream gets all of them; a count.", []string{"kind"}, nil)

func memberFigures() []figure[Figures] {
	return []figure[Figures]{
		counter("keytree_watches_cleared_total",
			"Watches refused with error 401 because the history no longer had the index they asked for; a count.",
			func(f *Figures) float64 { return f.Cleared }),
		gauge("keytree_history_oldest_index", "Index of the oldest event that is kept: a watch can resume from here on.",
			func(f *Figures) float64 { return f.OldestIndex }),
		gauge("keytree_history_newest_index", "Index of the newest event: the X-Etcd-Index of this member.",
			func(f *Figures) float64 { return f.NewestIndex }),
		gauge("keytree_history_capacity_events", "Events that are kept at most, see --watch-history; a count.",
			func(f *Figures) float64 { return f.HistoryCapacity }),
		gauge("keytree_history_age_seconds", "Age of the oldest event that is kept, in seconds: for so long a watcher may be away.",
			func(f *Figures) float64 { return f.HistoryAge }),
		gauge("keytree_log_oldest_position", "Position of the oldest entry of the log on disk.",
			func(f *Figures) float64 { return f.OldestPosition }),
		gauge("keytree_log_newest_position", "Position of the newest entry of the log on disk.",
			func(f *Figures) float64 { return f.NewestPosition }),
		gauge("keytree_log_term", "The term of raft: the number of the election that counts.",
			func(f *Figures) float64 { return f.Term }),
	}
}

func blockFigures() []figure[BlockCache] {
	return []figure[BlockCache]{
		gauge("keytree_block_cache_bytes", "Size, in bytes, of the blocks in the cache that both engines share.",
			func(c *BlockCache) float64 { return c.Bytes }),
		gauge("keytree_block_cache_limit_bytes", "Size, in bytes, that cache and memtables may have together.",
			func(c *BlockCache) float64 { return c.Limit }),
		counter("keytree_block_cache_hits_total", "Blocks that were found in the cache; a count.",
			func(c *BlockCache) float64 { return c.Hits }),
		counter("keytree_block_cache_misses_total", "Blocks that had to be read from disk, or from the system's cache of it; a count.",
			func(c *BlockCache) float64 { return c.Misses }),
	}
}

func nodeFigures() []figure[NodeCache] {
	return []figure[NodeCache]{
		gauge("keytree_node_cache_bytes", "Size, in bytes, of the nodes in a cache before the tree's engine: near holds what is read often, rows much of the rest.",
			func(c *NodeCache) float64 { return c.Bytes }, "cache"),
		gauge("keytree_node_cache_limit_bytes", "Size, in bytes, that the cache may have.",
			func(c *NodeCache) float64 { return c.Limit }, "cache"),
		counter("keytree_node_cache_hits_total", "Nodes that were not in the near cache and were found among the rows; a count.",
			func(c *NodeCache) float64 { return c.Hits }, "cache"),
		counter("keytree_node_cache_misses_total", "Nodes that were in no cache and were read from the engine; a count.",
			func(c *NodeCache) float64 { return c.Misses }, "cache"),
	}
}

func diskFigures() []figure[Disk] {
	return []figure[Disk]{
		gauge("keytree_disk_free_bytes", "Free space, in bytes, that the member may use where the engine is.",
			func(d *Disk) float64 { return d.Free }, "engine"),
		gauge("keytree_disk_size_bytes", "Size, in bytes, of the file system where the engine is.",
			func(d *Disk) float64 { return d.Total }, "engine"),
	}
}
