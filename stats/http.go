package stats

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Request is a kind of request on /v2/keys, as the metrics label it. A quorum
// read is told apart from a plain one.
type Request byte

const (
	GET Request = iota
	QGET
	HEAD
	PUT
	POST
	DELETE
	requests
)

var requestLabels = [requests]string{"GET", "QGET", "HEAD", "PUT", "POST", "DELETE"}

func (r Request) String() string { return requestLabels[r] }

// requestOf is the kind of request that a label names.
func requestOf(label string) (Request, bool) {
	for r := range requests {
		if requestLabels[r] == label {
			return r, true
		}
	}
	return 0, false
}

const (
	receivedName  = "etcd_http_received_total"
	failedName    = "etcd_http_failed_total"
	durationsName = "etcd_http_successful_duration_seconds"
)

// HTTP counts the requests on /v2/keys. Watches and requests that were not
// understood or not permitted are left out, as in etcd.
type HTTP struct {
	received, failed *prometheus.CounterVec
	durations        *prometheus.HistogramVec

	// The children of received and durations, looked up once: the vectors'
	// own lookup costs more than the counting.
	receivedBy  [requests]prometheus.Counter
	durationsBy [requests]prometheus.Observer
}

func newHTTP() *HTTP {
	h := &HTTP{
		received: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: receivedName,
			Help: "Requests on /v2/keys that were understood and permitted, watches not counted; a count.",
		}, []string{"method"}),
		failed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: failedName,
			Help: "Requests on /v2/keys that were refused or failed, watches included; a count.",
		}, []string{"method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    durationsName,
			Help:    "How long, in seconds, the successful requests on /v2/keys took, watches not counted.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13),
		}, []string{"method"}),
	}
	for r := range requests {
		h.receivedBy[r] = h.received.WithLabelValues(r.String())
		h.durationsBy[r] = h.durations.WithLabelValues(r.String())
	}
	return h
}

// Received counts a request that is going to be carried out.
func (h *HTTP) Received(r Request) { h.receivedBy[r].Inc() }

// Succeeded counts a request that was carried out within d.
func (h *HTTP) Succeeded(r Request, d time.Duration) { h.durationsBy[r].Observe(d.Seconds()) }

// Failed counts a request that was answered with an error status.
func (h *HTTP) Failed(r Request, status int) {
	h.failed.WithLabelValues(r.String(), http.StatusText(status)).Inc()
}

func (h *HTTP) collectors() []prometheus.Collector {
	return []prometheus.Collector{h.received, h.failed, h.durations}
}
