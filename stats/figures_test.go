package stats

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// shown are the metrics of a collector as lines: name{label="value"} number.
func shown(t *testing.T, all ...prometheus.Collector) (lines []string) {
	t.Helper()
	r := prometheus.NewPedanticRegistry() // it compares what is collected with what was described
	for _, c := range all {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			lines = append(lines, fmt.Sprintf("%s{%s} %v", f.GetName(), strings.Join(labels, ","), value))
		}
	}
	return lines
}

func mustShow(t *testing.T, lines []string, want ...string) {
	t.Helper()
	for _, line := range want {
		if !slices.Contains(lines, line) {
			t.Errorf("%s is not among\n%s", line, strings.Join(lines, "\n"))
		}
	}
}

func mustNotShow(t *testing.T, lines []string, names ...string) {
	t.Helper()
	for _, name := range names {
		if slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, name) }) {
			t.Errorf("%s is among\n%s", name, strings.Join(lines, "\n"))
		}
	}
}

func TestFiguresAreShownAsTheyAreTaken(t *testing.T) {
	f := Figures{
		Polls: 3, Streams: 4, Cleared: 5, OldestIndex: 6, NewestIndex: 7, HistoryAge: 8, HistoryCapacity: 1000,
		OldestPosition: 9, NewestPosition: 10, Term: 11,
		BlockCache: BlockCache{Bytes: 12, Limit: 13, Hits: 14, Misses: 15},
		NodeCaches: []NodeCache{{"near", 16, 17, math.NaN(), math.NaN()}, {"rows", 18, 19, 20, 21}},
		Engines:    []Engine{{Name: "tree", DiskBytes: 22}, {Name: "log", DiskBytes: 23, StalledSeconds: 0.5}},
		Disks:      []Disk{{"tree", 24, 25}},
	}
	lines := shown(t, newFigured(func() Figures { return f }))
	mustShow(t, lines,
		`keytree_watches{kind="poll"} 3`, `keytree_watches{kind="stream"} 4`, `keytree_watches_cleared_total{} 5`,
		`keytree_history_oldest_index{} 6`, `keytree_history_newest_index{} 7`, `keytree_history_age_seconds{} 8`, `keytree_history_capacity_events{} 1000`,
		`keytree_log_oldest_position{} 9`, `keytree_log_newest_position{} 10`, `keytree_log_term{} 11`,
		`keytree_block_cache_bytes{} 12`, `keytree_block_cache_limit_bytes{} 13`, `keytree_block_cache_hits_total{} 14`, `keytree_block_cache_misses_total{} 15`,
		`keytree_node_cache_bytes{cache="near"} 16`, `keytree_node_cache_limit_bytes{cache="rows"} 19`,
		`keytree_node_cache_hits_total{cache="rows"} 20`, `keytree_node_cache_misses_total{cache="rows"} 21`,
		`keytree_engine_disk_bytes{engine="tree"} 22`, `keytree_engine_disk_bytes{engine="log"} 23`, `keytree_engine_write_stall_seconds_total{engine="log"} 0.5`,
		`keytree_disk_free_bytes{engine="tree"} 24`, `keytree_disk_size_bytes{engine="tree"} 25`)

	f = Figures{HistoryAge: math.NaN()}
	lines = shown(t, newFigured(func() Figures { return f }))
	mustShow(t, lines, `keytree_watches{kind="poll"} 0`)
	mustNotShow(t, lines, "keytree_history_age_seconds", "keytree_engine", "keytree_disk", "keytree_node_cache")
}

func TestSnapshotsAreCountedByPeerAndDirection(t *testing.T) {
	m := New(Config{ID: "1"})
	p := m.Peers.Peer("2")
	p.SnapshotsOut.Begin()
	p.SnapshotsOut.Begin()
	p.SnapshotsOut.Moved(1000)
	p.SnapshotsIn.Begin()
	p.SnapshotsIn.Moved(10)
	p.SnapshotsIn.End(false, time.Second)
	p.SnapshotsOut.End(true, 3*time.Second)
	mustShow(t, shown(t, m.Peers.collectors()...),
		`etcd_network_snapshot_send_inflights_total{To="2"} 1`, `etcd_network_snapshot_send_success{To="2"} 1`,
		`etcd_network_snapshot_send_failures{To="2"} 0`, `etcd_network_snapshot_send_total_duration_seconds{To="2"} 1`,
		`keytree_snapshot_sent_bytes_total{To="2"} 1000`, `keytree_snapshot_received_bytes_total{From="2"} 10`,
		`etcd_network_snapshot_receive_inflights_total{From="2"} 0`, `etcd_network_snapshot_receive_success{From="2"} 0`,
		`etcd_network_snapshot_receive_failures{From="2"} 1`, `etcd_network_snapshot_receive_total_duration_seconds{From="2"} 0`)
}

func TestTheLogsTimesAreCounted(t *testing.T) {
	l := newLog()
	l.Applied(time.Millisecond)
	l.Ended(20 * time.Millisecond)
	l.Ended(-time.Millisecond) // two clocks differ by that much
	mustShow(t, shown(t, l.collectors()...), `keytree_apply_duration_seconds{} 1`, `keytree_expiry_lag_seconds{} 2`)
}

func TestTheBuildIsNamed(t *testing.T) {
	lines := shown(t, NewBuild("1.2.3"))
	if len(lines) != 1 || !strings.HasPrefix(lines[0], `keytree_build_info{goversion="go1.`) ||
		!strings.Contains(lines[0], `,revision="`) || !strings.HasSuffix(lines[0], `,version="1.2.3"} 1`) {
		t.Errorf("got %v", lines)
	}
}
