package stats

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var start = time.Date(2026, 11, 21, 7, 46, 46, 348432911, time.UTC)

func TestStoreShowsItsCountersInOrder(t *testing.T) {
	var s Store
	for i, o := range []Op{Get, GetRecursive, Set, Delete, Update, Create, CompareAndSwap, CompareAndDelete} {
		for range i + 1 {
			s.Count(o, true)
		}
		s.Count(o, false)
	}
	s.Expired(3)
	want := `{"getsSuccess":3,"getsFail":2,"setsSuccess":3,"setsFail":1,"deleteSuccess":4,"deleteFail":1,"updateSuccess":5,"updateFail":1,` +
		`"createSuccess":6,"createFail":1,"compareAndSwapSuccess":7,"compareAndSwapFail":1,"compareAndDeleteSuccess":8,"compareAndDeleteFail":1,` +
		`"expireCount":3,"watchers":2}`
	if got := string(s.AppendJSON(nil, 2)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSelfOfASingleMemberIsAsEtcdShowsIt(t *testing.T) {
	s := newSelf("node1", "69b38ac7138de88d", start)
	s.Became(Leading, "69b38ac7138de88d", start.Add(900934555))
	want := `{"name":"node1","id":"69b38ac7138de88d","state":"StateLeader","startTime":"2026-11-21T07:46:46.348432911Z",` +
		`"leaderInfo":{"leader":"69b38ac7138de88d","uptime":"55.641068ms","startTime":"2026-11-21T07:46:47.249367466Z"},` +
		`"recvAppendRequestCnt":0,"sendAppendRequestCnt":0}`
	if got := string(s.AppendJSON(nil, start.Add(900934555+55641068))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestALeaderWhoStaysKeepsItsUptime(t *testing.T) {
	s := newSelf("a", "1", start)
	s.Became(Following, "2", start)
	s.Became(Following, "2", start.Add(time.Hour))
	if got := string(s.AppendJSON(nil, start.Add(2*time.Hour))); !strings.Contains(got, `"leader":"2","uptime":"2h0m0s"`) {
		t.Errorf("got %s", got)
	}
	s.Became(Electing, "", start.Add(3*time.Hour))
	if got := string(s.AppendJSON(nil, start.Add(3*time.Hour))); !strings.Contains(got, `"state":"StateCandidate"`) {
		t.Errorf("got %s", got)
	}
}

func TestRatesLookAtTheLastMessagesOnly(t *testing.T) {
	var r rate
	if messages, bytes := r.perSecond(start); messages != 0 || bytes != 0 {
		t.Errorf("without messages: %v, %v", messages, bytes)
	}
	at := start
	for range 500 {
		at = at.Add(10 * time.Millisecond)
		r.add(100, at)
	}
	messages, bytes := r.perSecond(at)
	if messages < 100 || messages > 101 || bytes < 10_000 || bytes > 10_100 { // 200 of them in 1.99 s
		t.Errorf("got %v messages and %v bytes a second", messages, bytes)
	}
	if r.total != 500 {
		t.Errorf("total is %d", r.total)
	}
	if messages, bytes := r.perSecond(at.Add(1001 * time.Millisecond)); messages != 0 || bytes != 0 {
		t.Errorf("after a silent second: %v, %v", messages, bytes)
	}
}

func TestAppendMessagesAreShownWithTheirRates(t *testing.T) {
	s := newSelf("a", "1", start)
	s.SentAppend(50, start)
	s.SentAppend(50, start.Add(time.Second))
	s.ReceivedAppend(10, start)
	got := string(s.AppendJSON(nil, start.Add(time.Second)))
	if want := `"recvAppendRequestCnt":1,"sendAppendRequestCnt":2,"sendPkgRate":2,"sendBandwidthRate":100}`; !strings.HasSuffix(got, want) {
		t.Errorf("got %s, want ...%s", got, want)
	}
}

func TestLeaderShowsItsFollowersInOrder(t *testing.T) {
	l := newLeader()
	if got, want := string(l.AppendJSON(nil, "ab")), `{"leader":"ab","followers":{}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	l.Missed("f2")
	l.Reached("f1", time.Millisecond)
	l.Reached("f1", 3*time.Millisecond)
	l.Reached("gone", time.Second)
	l.Forget("gone")
	want := `{"leader":"ab","followers":{` +
		`"f1":{"latency":{"current":3,"average":2,"standardDeviation":1,"minimum":1,"maximum":3},"counts":{"fail":0,"success":2}},` +
		`"f2":{"latency":{"current":0,"average":0,"standardDeviation":0,"minimum":9223372036854776000,"maximum":0},"counts":{"fail":1,"success":0}}}}`
	if got := string(l.AppendJSON(nil, "ab")); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	l.Reset()
	if got, want := string(l.AppendJSON(nil, "ab")), `{"leader":"ab","followers":{}}`; got != want {
		t.Errorf("after a reset: got %s, want %s", got, want)
	}
}

// The names that alerts and dashboards use are there from the start, and two
// members of one process do not meet.
func TestMetricsHaveEtcdsNames(t *testing.T) {
	yes := func() bool { return true }
	at := func() uint64 { return 42 }
	m := New(Config{Name: "a", ID: "1", Start: start, Sources: Sources{
		HasLeader: yes, IsLeader: yes, IsLearner: yes, Committed: at, Applied: at,
		Pending: func() int { return 1 }, Watchers: func() int { return 2 },
		Events: at, SlowWatches: at, Figures: func() Figures { return Figures{} },
		ClusterVersion: func() string { return "" }, ServerVersion: "3.4.23", ServerID: "1",
	}})
	m.Log.Synced(time.Millisecond)
	r := prometheus.NewPedanticRegistry()
	if err := m.Register(r); err != nil {
		t.Fatal(err)
	}
	if err := New(Config{}).Register(prometheus.NewRegistry()); err != nil {
		t.Fatal(err)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, f := range families {
		found[f.GetName()] = true
	}
	for _, name := range []string{
		"etcd_http_received_total", "etcd_http_successful_duration_seconds", "etcd_disk_wal_fsync_duration_seconds",
		"etcd_server_has_leader", "etcd_server_is_leader", "etcd_server_is_learner", "etcd_server_leader_changes_seen_total",
		"etcd_server_proposals_committed_total", "etcd_server_proposals_applied_total",
		"etcd_server_proposals_pending", "etcd_server_proposals_failed_total",
		"etcd_debugging_store_reads_total", "etcd_debugging_store_writes_total", "etcd_debugging_store_expires_total",
		"etcd_debugging_store_watch_requests_total", "etcd_debugging_store_watchers",
		"etcd_server_version", "etcd_server_id", "etcd_server_health_success", "etcd_server_health_failures",
		"keytree_events_total", "keytree_watches_slow_total", "keytree_watches", "keytree_apply_duration_seconds", "keytree_expiry_lag_seconds",
		"go_goroutines",
	} {
		if !found[name] {
			t.Errorf("%s is missing", name)
		}
	}
	if found["etcd_cluster_version"] {
		t.Error("an undecided cluster version is shown")
	}
}

func BenchmarkCounting(b *testing.B) {
	m := New(Config{})
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			m.HTTP.Received(GET)
			m.Store.Count(Get, true)
			m.HTTP.Succeeded(GET, 100*time.Microsecond)
		}
	})
}

// BenchmarkApplied is what a batch pays for its time being taken.
func BenchmarkApplied(b *testing.B) {
	l := newLog()
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		l.Applied(time.Since(began))
	}
}
