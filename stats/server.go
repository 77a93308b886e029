package stats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Log counts what the replicated log does.
type Log struct {
	fsync         prometheus.Histogram
	apply         prometheus.Histogram
	lag           prometheus.Histogram
	leaderChanges prometheus.Counter
	failed        prometheus.Counter
}

func newLog() *Log {
	return &Log{
		fsync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "etcd_disk_wal_fsync_duration_seconds",
			Help:    "How long, in seconds, it took to make a batch of log entries durable.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		apply: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "keytree_apply_duration_seconds",
			Help:    "How long, in seconds, the tree took to apply a batch of committed entries.",
			Buckets: prometheus.ExponentialBuckets(0.000016, 4, 10),
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "keytree_expiry_lag_seconds",
			Help:    "How long, in seconds, nodes have outlived their end of life; counted by the leader, which has them removed.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		leaderChanges: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_server_leader_changes_seen_total",
			Help: "How often this member saw another leader; a count.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_server_proposals_failed_total",
			Help: "Proposals this member gave up on: their clients were told 300; a count.",
		}),
	}
}

// Synced notes that a write to the log became durable within d.
func (l *Log) Synced(d time.Duration) { l.fsync.Observe(d.Seconds()) }

// Applied notes that the tree took d to apply a batch.
func (l *Log) Applied(d time.Duration) { l.apply.Observe(d.Seconds()) }

// Ended notes that a node was removed so long after its end of life.
func (l *Log) Ended(late time.Duration) { l.lag.Observe(max(0, late.Seconds())) }

// LeaderChanged notes that the member follows somebody new.
func (l *Log) LeaderChanged() { l.leaderChanges.Inc() }

// ProposalFailed notes a proposal nobody waits for any more.
func (l *Log) ProposalFailed() { l.failed.Inc() }

func (l *Log) collectors() []prometheus.Collector {
	return []prometheus.Collector{l.fsync, l.apply, l.lag, l.leaderChanges, l.failed}
}

// Sources are the numbers that others hold; each is asked when somebody reads
// /metrics. A nil source leaves its metric out.
type Sources struct {
	HasLeader, IsLeader, IsLearner func() bool
	Committed, Applied             func() uint64  // positions in the log
	Pending                        func() int     // proposals waiting for their result
	Watchers                       func() int     // watches open now
	SlowWatches                    func() uint64  // watches ended because their readers were too slow
	Events                         func() uint64  // made so far
	Figures                        func() Figures // of what the member stands on
	ClusterVersion                 func() string  // such as "3.4"; empty while undecided
	ServerVersion                  string
	ServerID                       string
}

// sourced shows Sources and the store's counters as metrics.
type sourced struct {
	sources Sources
	store   *Store
	metrics []sourcedMetric
}

type sourcedMetric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() (value float64, labels []string)
}

func newSourced(s Sources, store *Store) *sourced {
	c := &sourced{sources: s, store: store}
	c.flag("etcd_server_has_leader", "1 if this member knows a leader, else 0.", s.HasLeader)
	c.flag("etcd_server_is_learner", "1 if this member does not vote, else 0.", s.IsLearner)
	c.flag("etcd_server_is_leader", "1 if this member leads, else 0.", s.IsLeader)
	c.position("etcd_server_proposals_committed_total", "The newest committed position of the log.", s.Committed)
	c.position("etcd_server_proposals_applied_total", "The newest position of the log that the tree has applied.", s.Applied)
	c.level("etcd_server_proposals_pending", "Proposals waiting for their result; a count.", s.Pending)
	c.level("etcd_debugging_store_watchers", "Watches open now; a count.", s.Watchers)
	c.total("keytree_watches_slow_total", "Watches that were ended because their clients were too slow; a count.", s.SlowWatches)
	c.total("keytree_events_total", "Events that this member has made known since its start, those of a replay included; a count.", s.Events)
	c.label("etcd_server_version", "server_version", "Always 1: the label is the etcd version this member is compatible with.",
		func() string { return s.ServerVersion })
	c.label("etcd_cluster_version", "cluster_version", "Always 1: the label is the etcd version the cluster is compatible with, once it is decided.", s.ClusterVersion)
	c.label("etcd_server_id", "server_id", "Always 1: the label is the member's identity.", func() string { return s.ServerID })

	c.total("etcd_debugging_store_expires_total", "Nodes that were removed at their end of life; a count.", store.expired.Load)
	c.total("etcd_debugging_store_watch_requests_total", "Watches asked for; a count.", store.watches.Load)
	c.action("etcd_debugging_store_reads_total", "Successful reads of the tree; a count.", "get", Get)
	c.action("etcd_debugging_store_reads_total", "Successful reads of the tree; a count.", "getRecursive", GetRecursive)
	for _, w := range writes {
		c.action("etcd_debugging_store_writes_total", "Successful writes to the tree; a count.", w.label, w.op)
	}
	return c
}

func (c *sourced) add(desc *prometheus.Desc, kind prometheus.ValueType, read func() (float64, []string)) {
	c.metrics = append(c.metrics, sourcedMetric{desc, kind, read})
}

func (c *sourced) flag(name, help string, read func() bool) {
	if read == nil {
		return
	}
	c.add(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, func() (float64, []string) {
		if read() {
			return 1, nil
		}
		return 0, nil
	})
}

// position is a gauge although its name says total: what it shows jumps
// forward when a member is sent a snapshot.
func (c *sourced) position(name, help string, read func() uint64) {
	if read == nil {
		return
	}
	c.add(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue,
		func() (float64, []string) { return float64(read()), nil })
}

func (c *sourced) level(name, help string, read func() int) {
	if read == nil {
		return
	}
	c.add(prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue,
		func() (float64, []string) { return float64(read()), nil })
}

func (c *sourced) total(name, help string, read func() uint64) {
	if read == nil {
		return
	}
	c.add(prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue,
		func() (float64, []string) { return float64(read()), nil })
}

// label is a gauge that is always 1 and tells a text in its label; an empty
// text leaves it out.
func (c *sourced) label(name, label, help string, read func() string) {
	if read == nil {
		return
	}
	c.add(prometheus.NewDesc(name, help, []string{label}, nil), prometheus.GaugeValue, func() (float64, []string) {
		if text := read(); text != "" {
			return 1, []string{text}
		}
		return 0, nil
	})
}

func (c *sourced) action(name, help, action string, o Op) {
	c.add(prometheus.NewDesc(name, help, []string{"action"}, nil), prometheus.CounterValue,
		func() (float64, []string) { return float64(c.store.Done(o)), []string{action} })
}

// Describe implements prometheus.Collector.
func (c *sourced) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *sourced) Collect(to chan<- prometheus.Metric) {
	for _, m := range c.metrics {
		value, labels := m.read()
		if metric, err := prometheus.NewConstMetric(m.desc, m.kind, value, labels...); err == nil {
			to <- metric // else a label without its text: nothing to show yet
		}
	}
}
