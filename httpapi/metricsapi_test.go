package httpapi

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// metricsBench is a lone member whose metrics listener is spoken to.
func metricsBench(t *testing.T) (member, metrics *bench) {
	t.Helper()
	var config Config
	member = newBench(t, func(c *Config) { config = *c })
	other := newBenchOn(t, nil, func(http.Handler) http.Handler { return NewMetricsHandler(config) })
	return member, other
}

// The answers are those of etcd's listener for metrics.
func TestAMetricsListenerKnowsMetricsAndHealthOnly(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		_, m := metricsBench(t)
		for target, status := range map[string]int{
			"GET /health": 200, "HEAD /health": 405, "POST /health": 405, "OPTIONS /health": 405, "GET //health": 301, "GET /health/": 404,
			"GET /metrics": 200, "HEAD /metrics": 200, "POST /metrics": 200, "OPTIONS /metrics": 200, "GET /x/../metrics": 301,
			"GET /": 404, "GET /version": 404, "GET /v2/keys": 404, "PUT /v2/keys/a": 404, "OPTIONS /nowhere": 404, "PUT /config/local/log": 404,
			"GET /debug/vars": 404, "CONNECT /v2/keys//a": 404,
		} {
			method, path, _ := strings.Cut(target, " ")
			if a := m.do(method, path, ""); a.status != status || len(a.headers["Access-Control-Allow-Origin"]) != 0 {
				t.Errorf("%s: got %v, want %d", target, a, status)
			}
		}
		m.get("/nowhere").want(t, 404, "404 page not found")
	})
}

func TestAMetricsListenerAnswersAsTheClientPortDoes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, m := metricsBench(t)
		compare := func(target string) {
			synctest.Wait() // what the last request has set going is in the numbers
			want, got := b.get(target), m.get(target)
			want.body, got.body = process.ReplaceAllString(want.body, ""), process.ReplaceAllString(got.body, "")
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s\n got %v\nwant %v", target, got, want)
			}
		}
		compare("/metrics")
		compare("/health")
		b.put("/v2/keys/a", "value=1")
		compare("/metrics")
		b.cluster.lost.Store(true)
		compare("/health")
		if a := m.get("/health"); a.status != 503 {
			t.Errorf("without a leader: %v", a)
		}
	})
}

// process are the metrics that differ from one moment to the next.
var process = regexp.MustCompile(`(?m)^(go|process|os)_.*\n`)

// A body that nobody wants and that does not come holds no connection, also
// on the listeners that clients do not use.
func TestASlowBodyIsCutOnEveryListener(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		b, m := metricsBench(t)
		for name, dial := range map[string]func() *wireConn{
			"metrics": m.dial,
			"peers":   func() *wireConn { return b.dialTo(" peer port") },
		} {
			c := dial()
			start := time.Now()
			_ = c.SetReadDeadline(start.Add(time.Hour)) // a pipe has deadlines
			c.sendRaw("GET /members HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nvalue=")
			got := c.rest()
			if took := time.Since(start); !strings.HasPrefix(got, "HTTP/1.1 ") || took > bodyTime+time.Second {
				t.Errorf("%s: got %q after %v", name, got, took)
			}
			c.Close()
		}
	})
}
