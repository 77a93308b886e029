package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// drop is why a request, or an attempt at one, came to nothing.
type drop string

const (
	zeroEndpoints drop = "zero_endpoints"          // of a request
	failedSending drop = "failed_sending_request"  // of an attempt at one endpoint
	failedAnswer  drop = "failed_getting_response" // of a request, after all attempts
)

// counters are the numbers of requests that were to be forwarded, under
// etcd's names.
type counters struct {
	requests, answers, drops *prometheus.CounterVec
	durations                *prometheus.HistogramVec
}

func newCounters() *counters {
	return &counters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_proxy_requests_total",
			Help: "Requests that were to be handed to a member; a count.",
		}, []string{"method"}),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_proxy_handled_total",
			Help: "Requests that a member has answered, whatever it said; a count.",
		}, []string{"method", "code"}),
		drops: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "etcd_proxy_dropped_total",
			Help: "Requests nobody was there for or nobody answered, and (failed_sending_request) attempts that failed at one member; a count.",
		}, []string{"method", "proxying_error"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "etcd_proxy_handling_duration_seconds",
			Help:    "How long, in seconds, it took until a member's answer began, watches not counted.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13),
		}, []string{"method"}),
	}
}

func (c *counters) register(r prometheus.Registerer) error {
	for _, one := range []prometheus.Collector{
		c.requests, c.answers, c.drops, c.durations,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := r.Register(one); err != nil {
			return err
		}
	}
	return nil
}

// register shows how much is shared.
func (f *fanout) register(r prometheus.Registerer) error {
	watches := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keytree_proxy_shared_watches",
		Help: "Watches of members that clients share; a count.",
	}, func() float64 { n, _ := f.numbers(); return float64(n) })
	clients := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keytree_proxy_shared_clients",
		Help: "Clients that watch through keytree_proxy_shared_watches; a count.",
	}, func() float64 { _, n := f.numbers(); return float64(n) })
	return errors.Join(r.Register(watches), r.Register(clients))
}

func (c *counters) began(method string) { c.requests.WithLabelValues(label(method)).Inc() }

func (c *counters) dropped(method string, why drop) {
	c.drops.WithLabelValues(label(method), string(why)).Inc()
}

func (c *counters) handled(r *http.Request, status int, took time.Duration) {
	c.answers.WithLabelValues(label(r.Method), strconv.Itoa(status)).Inc()
	if !isWatch(r) {
		c.durations.WithLabelValues(label(r.Method)).Observe(took.Seconds())
	}
}

// label is the method as a label. Those that clients make up are one: each
// label costs memory for ever.
func label(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch:
		return method
	}
	return "other"
}
