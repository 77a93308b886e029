package main

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/tlsfiles/certtest"
)

const metricsPage = "docs/metrics.md"

// family is a metric as /metrics shows it.
type family struct {
	name, kind, help string
	labels           []string
}

// families are those on pages, by name.
type families map[string]*family

var labelName = regexp.MustCompile(`[{,]([A-Za-z_]+)="`)

// read adds what is on a page, which has the samples of a metric behind its
// TYPE.
func (all families) read(t *testing.T, page string) {
	t.Helper()
	f := &family{}
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		if said, is := strings.CutPrefix(line, "# HELP "); is {
			name, help, _ := strings.Cut(said, " ")
			if f = all[name]; f == nil {
				f = &family{name: name, help: help}
				all[name] = f
			}
			continue
		}
		if said, is := strings.CutPrefix(line, "# TYPE "); is {
			name, kind, _ := strings.Cut(said, " ")
			if name != f.name {
				t.Errorf("%s has no help text", name)
			}
			f.kind = kind
			continue
		}
		for _, m := range labelName.FindAllStringSubmatch(line, -1) {
			if m[1] != "le" && m[1] != "quantile" && !slices.Contains(f.labels, m[1]) {
				f.labels = append(f.labels, m[1])
			}
		}
	}
}

// mustMeasure reads the pages of a cluster that has met with everything there
// is a metric for, and of a proxy before it.
func mustMeasure(t *testing.T) families {
	t.Helper()
	places := newPlaces(t, "n0", "n1", "n2", "p")
	all, p := places[:3], places[3]
	var servers []*server
	for _, m := range all {
		servers = append(servers, m.mustLaunch("--initial-cluster", list(all...), "--auto-tls", "--watch-history", "5",
			"--listen-metrics-urls", "https://"+freeAddress(t), "--quota-bytes", "1000000", "--audit-log", m.dir+".audit"))
	}
	for _, s := range servers {
		s.mustSay("ready to serve client requests")
	}
	for range 10 {
		servers[0].mustPut("/k", "v")
	}
	pages := families{}
	proxy := p.mustProxy("--proxy", "on", "--proxy-fanout", "--initial-cluster", list(all...))
	for _, s := range append(servers, proxy) {
		s.mustHave("/k", "v")
		s.mustGet("/none")
		pages.read(t, s.mustGetPage("/metrics"))
	}
	if !strings.Contains(proxy.mustGetPage("/metrics"), "\nkeytree_build_info{") {
		t.Error("the proxy does not say which program it is")
	}
	for _, s := range servers {
		s.kill()
	}
	if !within(t, 10*time.Second, func() bool {
		proxy.mustGet("/k")
		return strings.Contains(proxy.mustGetPage("/metrics"), "\netcd_proxy_dropped_total{")
	}) {
		t.Error("a proxy whose members are gone drops nothing")
	}
	pages.read(t, proxy.mustGetPage("/metrics"))
	maps.DeleteFunc(pages, func(name string, _ *family) bool {
		return strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "promhttp_")
	})
	return pages
}

// metricGroups are the sections of the page; the longest prefix counts.
var metricGroups = []struct {
	title    string
	prefixes []string
}{
	{"Requests on keys", []string{"etcd_http_", "etcd_debugging_store_reads", "etcd_debugging_store_writes", "keytree_quota_"}},
	{"Watches and history", []string{"keytree_watches", "keytree_history_", "keytree_events_", "etcd_debugging_store_watch"}},
	{"Cluster and log", []string{"etcd_server_", "etcd_cluster_", "etcd_disk_wal_", "keytree_apply_", "keytree_log_"}},
	{"Peers", []string{"etcd_network_", "keytree_peer_", "keytree_snapshot_"}},
	{"Lifetimes", []string{"etcd_debugging_store_expires", "keytree_expiry_"}},
	{"Engines, caches and disks", []string{"keytree_engine_", "keytree_block_cache_", "keytree_node_cache_", "keytree_disk_"}},
	{"Security", []string{"keytree_auth_", "keytree_audit_", "keytree_tls_"}},
	{"Process", []string{"os_fd_", "keytree_build_", "etcd_server_health", "etcd_server_version", "etcd_server_id"}},
	{"Proxy", []string{"etcd_proxy_", "keytree_proxy_"}},
}

func groupOf(name string) string {
	title, longest := "", 0
	for _, g := range metricGroups {
		for _, prefix := range g.prefixes {
			if strings.HasPrefix(name, prefix) && len(prefix) > longest {
				title, longest = g.title, len(prefix)
			}
		}
	}
	return title
}

// olderNames are what dashboards for 2.3 call what 3.4 has renamed.
var olderNames = map[string]string{
	"etcd_http_successful_duration_seconds":     "etcd_http_successful_duration_second",
	"etcd_disk_wal_fsync_duration_seconds":      "etcd_wal_fsync_durations_seconds",
	"etcd_server_proposals_failed_total":        "etcd_server_proposal_failed_total",
	"etcd_server_proposals_pending":             "etcd_server_pending_proposal_total",
	"os_fd_used":                                "etcd_server_file_descriptors_used_total",
	"etcd_debugging_store_reads_total":          "etcd_store_reads_total",
	"etcd_debugging_store_writes_total":         "etcd_store_writes_total",
	"etcd_debugging_store_expires_total":        "etcd_store_expires_total",
	"etcd_debugging_store_watch_requests_total": "etcd_store_watch_requests_total",
	"etcd_debugging_store_watchers":             "etcd_store_watchers",
	"etcd_http_received_total":                  "etcd_http_received_total",
	"etcd_http_failed_total":                    "etcd_http_failed_total",
	"etcd_proxy_requests_total":                 "etcd_proxy_requests_total",
	"etcd_proxy_handled_total":                  "etcd_proxy_handled_total",
	"etcd_proxy_dropped_total":                  "etcd_proxy_dropped_total",
	"etcd_proxy_handling_duration_seconds":      "etcd_proxy_handling_duration_seconds",
}

const metricsHead = `# Metrics

This page is made from what a running cluster shows: after a change run ` + "`go test -run UpToDate -update .`" + `

Every member shows them at ` + "`/metrics`" + ` on its client URLs, and on those of ` + "`--listen-metrics-urls`" + `, in the text format of Prometheus. What
means the same as in etcd has etcd's name, type and labels, so that dashboards and alerts for etcd's v2 API go on working; the rest begins with
` + "`keytree_`" + `. The column "etcd" says whether etcd 3.4 has the metric, and what 2.3 called it if that was something else.
[monitoring/](monitoring) has a dashboard, alerts and a configuration of Prometheus made of these.

Counters count from the start of the process. A position is a place in the log, an index what clients know as X-Etcd-Index. Of a histogram there
are ` + "`_bucket`, `_sum` and `_count`" + `. Some are there only if there is something to tell: those of the quota with ` + "`--quota-bytes`" + `, of the audit log with
` + "`--audit-log`" + `, of certificates with TLS, of peers where there are others, of a proxy at a proxy.
`

const metricsTail = `
## Go and the process

` + "`go_*` and `process_*`" + ` are those of the Prometheus library for Go, as in etcd: goroutines, memory and its collection, CPU time, resident
memory, open files, start time.
`

func TestTheMetricsPageIsUpToDate(t *testing.T) {
	all := mustMeasure(t)
	var b strings.Builder
	b.WriteString(metricsHead)
	names := slices.Sorted(maps.Keys(all))
	for _, g := range metricGroups {
		fmt.Fprintf(&b, "\n## %s\n\n| name | type | labels | meaning | etcd |\n|---|---|---|---|---|\n", g.title)
		for _, name := range names {
			if groupOf(name) == g.title {
				b.WriteString(all[name].row())
			}
		}
	}
	b.WriteString(metricsTail)
	for _, name := range names {
		if groupOf(name) == "" {
			t.Errorf("%s belongs to no section of %s", name, metricsPage)
		}
		all[name].mustBeClear(t)
	}
	for name := range olderNames {
		if all[name] == nil {
			t.Errorf("%s is gone", name)
		}
	}
	mustBeUpToDate(t, metricsPage, b.String())
}

func (f *family) row() string {
	etcd := "no"
	if strings.HasPrefix(f.name, "etcd_") || strings.HasPrefix(f.name, "os_") {
		etcd = "yes"
	}
	if older := olderNames[f.name]; older != "" && older != f.name {
		etcd += "; 2.3: `" + older + "`"
	}
	labels := slices.Sorted(slices.Values(f.labels))
	for i, l := range labels {
		labels[i] = "`" + l + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", f.name, f.kind, strings.Join(labels, ", "), strings.ReplaceAll(f.help, "|", `\|`), etcd)
}

// mustBeClear looks for what a help text has to say: what the number is, and
// in which unit.
func (f *family) mustBeClear(t *testing.T) {
	t.Helper()
	unit := "count"
	switch {
	case strings.Contains(f.name, "_seconds"):
		unit = "seconds"
	case strings.Contains(f.name, "_bytes"):
		unit = "bytes"
	case strings.HasSuffix(f.name, "_index"):
		unit = "Index"
	case strings.HasSuffix(f.name, "_position"), strings.HasSuffix(f.name, "_committed_total"), strings.HasSuffix(f.name, "_applied_total"):
		unit = "osition"
	case strings.HasSuffix(f.name, "_term"):
		unit = "term"
	case f.kind == "gauge" && regexp.MustCompile(`^(1 if|Always 1)`).MatchString(f.help):
		unit = ""
	}
	if !strings.Contains(f.help, unit) || !strings.HasSuffix(f.help, ".") || len(f.help) < 20 {
		t.Errorf("%s: %q does not say what it is, or not in which unit (%s)", f.name, f.help, cmp.Or(unit, "none"))
	}
	if counts := strings.HasSuffix(f.name, "_total"); counts != (f.kind == "counter") && strings.HasPrefix(f.name, "keytree_") {
		t.Errorf("%s is a %s", f.name, f.kind)
	}
}

func TestAMemberShowsItsTrends(t *testing.T) {
	s := mustStart(t, "")
	s.mustPut("/k", "v")
	if got := s.mustGetPage("/keytree/v1/trends"); !strings.HasPrefix(got, `{"every":5,"samples":[{"time":"20`) {
		t.Errorf("got %s", got)
	}
}

func TestAMemberShowsWhenItsCertificatesExpire(t *testing.T) {
	c, plain := newCertificates(t), "http://"+freeAddress(t)
	ends := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	args := append(c.flags("", c.ca.Issue(certtest.Leaf{Until: ends})), "--listen-metrics-urls", plain)
	newPlace(t, "n0").secured("client").mustServe(args...)
	const name = "\nkeytree_tls_certificate_expiry_timestamp_seconds"
	page := mustFetch(t, plain+"/metrics")
	_, rest, _ := strings.Cut(page, name+`{side="client"} `)
	var got float64
	if _, err := fmt.Sscan(rest, &got); err != nil || int64(got) != ends.Unix() {
		t.Errorf("the clients' certificate expires at %v (%v), want %d", got, err, ends.Unix())
	}
	if strings.Contains(page, name+`{side="peer"}`) {
		t.Error("a side without TLS has a certificate")
	}
}
