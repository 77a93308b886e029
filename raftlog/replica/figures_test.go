package replica

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
)

// mustMeasure gathers what /metrics shows of m: the numbers by name and labels, of histograms their counts and sums.
func (m *running) mustMeasure(t *testing.T) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := m.Stats().Register(registry); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			name := f.GetName()
			for _, label := range one.GetLabel() {
				name += " " + label.GetValue()
			}
			if h := one.GetHistogram(); h != nil {
				all[name+" count"], all[name+" sum"] = float64(h.GetSampleCount()), h.GetSampleSum()
				continue
			}
			all[name] = one.GetGauge().GetValue() + one.GetCounter().GetValue()
		}
	}
	return all
}

func TestMetricsTellWhereTheMemberStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := config(vfs.NewMem())
		c.HistoryLength = 10
		m := mustRun(t, c)
		defer m.mustStop(t)
		for i := range 20 {
			m.mustDo(t, set("/k/"+strconv.Itoa(i), strings.Repeat("v", 1000)))
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		w := mustStream(t, m)
		defer w.Close()
		got := m.mustMeasure(t)
		index := float64(m.index(t))
		for name, want := range map[string]float64{
			"keytree_watches stream": 1, "keytree_watches poll": 0, "keytree_events_total": index,
			"keytree_history_newest_index": index, "keytree_history_oldest_index": index - 9, "keytree_history_capacity_events": 10,
			"keytree_history_age_seconds": 70, "keytree_log_term": 2,
			"keytree_log_newest_position": got["etcd_server_proposals_committed_total"], "keytree_log_oldest_position": 2,
			"keytree_engine_write_stalls_total tree": 0, "keytree_block_cache_limit_bytes": PlentyOfCache,
		} {
			if v, found := got[name]; !found || v != want {
				t.Errorf("%s is %v, want %v", name, v, want)
			}
		}
		for name, least := range map[string]float64{
			"keytree_apply_duration_seconds count": 20, "keytree_engine_wal_written_bytes_total log": 20_000, "keytree_engine_wal_bytes log": 20_000,
			"keytree_engine_disk_bytes tree": 1000, "keytree_engine_flushes_total tree": 1, "keytree_engine_written_bytes_total tree": 1000,
			"keytree_engine_memtable_bytes log": 1, "keytree_engine_tables tree": 1, "keytree_node_cache_bytes rows": 20_000,
		} {
			if v := got[name]; v < least {
				t.Errorf("%s is %v, want %v at least", name, v, least)
			}
		}
		for _, name := range []string{"keytree_disk_free_bytes tree", "keytree_engine_wal_bytes tree"} {
			if v, found := got[name]; found {
				t.Errorf("%s is %v: a disk in memory has no size, and the tree no write-ahead log", name, v)
			}
		}
	})
}

// What a restart replays ended long before: it is not late.
func TestTheLagOfExpiriesIsThatOfTheMemberThatLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		m := mustRun(t, config(fs))
		const keys = 600
		for i := range keys {
			c := set(fmt.Sprintf("/k/%d", i), "v")
			c.Expires, c.TTL = true, time.Minute
			m.mustDo(t, c)
		}
		time.Sleep(time.Minute + 100*time.Millisecond) // the last sweeps are in the log, and that they are committed is not
		got := m.mustMeasure(t)
		if n, sum := got["keytree_expiry_lag_seconds count"], got["keytree_expiry_lag_seconds sum"]; n != keys || sum < 0 || sum > keys*0.1 {
			t.Errorf("%v nodes ended, %v s late together, want %d", n, sum, keys)
		}
		clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0})
		m.mustStop(t)

		time.Sleep(time.Hour)
		m = mustRun(t, config(clone))
		defer m.mustStop(t)
		got = m.mustMeasure(t)
		if n, ended := got["keytree_expiry_lag_seconds count"], got["etcd_debugging_store_expires_total"]; n != 0 || ended != keys {
			t.Errorf("of %v nodes whose end was replayed, %v count as late", ended, n)
		}
	})
}
