package stats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// snapshotVectors count the snapshots that go one way, by the peer at the
// other end.
type snapshotVectors struct {
	done, failed, bytes *prometheus.CounterVec
	underWay            *prometheus.GaugeVec
	took                *prometheus.HistogramVec
}

func newSnapshotsSent() *snapshotVectors {
	return newSnapshotVectors("send", "To", prometheus.CounterOpts{
		Name: "keytree_snapshot_sent_bytes_total",
		Help: "Size, in bytes, of what was sent of snapshots to a peer.",
	}, [...]string{
		"Snapshots that a peer has taken; a count.",
		"Snapshots that a peer did not get whole or did not take; a count.",
		"Snapshots on their way to a peer; a count.",
		"How long, in seconds, it took to send a snapshot that a peer has taken.",
	})
}

func newSnapshotsReceived() *snapshotVectors {
	return newSnapshotVectors("receive", "From", prometheus.CounterOpts{
		Name: "keytree_snapshot_received_bytes_total",
		Help: "Size, in bytes, of what came of snapshots from a peer.",
	}, [...]string{
		"Snapshots of a peer that came whole; a count.",
		"Snapshots of a peer that did not come whole; a count.",
		"Snapshots on their way from a peer; a count.",
		"How long, in seconds, it took to receive a snapshot that came whole.",
	})
}

func newSnapshotVectors(way, label string, bytes prometheus.CounterOpts, help [4]string) *snapshotVectors {
	name, labels := "etcd_network_snapshot_"+way, []string{label}
	return &snapshotVectors{
		done:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: name + "_success", Help: help[0]}, labels),
		failed:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: name + "_failures", Help: help[1]}, labels),
		underWay: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name + "_inflights_total", Help: help[2]}, labels),
		bytes:    prometheus.NewCounterVec(bytes, labels),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    name + "_total_duration_seconds",
			Help:    help[3],
			Buckets: prometheus.ExponentialBuckets(0.1, 2, 10),
		}, labels),
	}
}

func (v *snapshotVectors) of(id string) *Snapshots {
	return &Snapshots{
		done:     v.done.WithLabelValues(id),
		failed:   v.failed.WithLabelValues(id),
		bytes:    v.bytes.WithLabelValues(id),
		underWay: v.underWay.WithLabelValues(id),
		took:     v.took.WithLabelValues(id),
	}
}

func (v *snapshotVectors) forget(id string) {
	v.done.DeleteLabelValues(id)
	v.failed.DeleteLabelValues(id)
	v.bytes.DeleteLabelValues(id)
	v.underWay.DeleteLabelValues(id)
	v.took.DeleteLabelValues(id)
}

func (v *snapshotVectors) collectors() []prometheus.Collector {
	return []prometheus.Collector{v.done, v.failed, v.bytes, v.underWay, v.took}
}

// Snapshots counts those that go one way between this member and a peer.
type Snapshots struct {
	done, failed, bytes prometheus.Counter
	underWay            prometheus.Gauge
	took                prometheus.Observer
}

// Begin notes a snapshot that sets out. End must follow.
func (s *Snapshots) Begin() { s.underWay.Inc() }

// Moved counts bytes of it.
func (s *Snapshots) Moved(bytes int) { s.bytes.Add(float64(bytes)) }

// End notes that it is over, and whether all of it has arrived, within d.
func (s *Snapshots) End(arrived bool, d time.Duration) {
	s.underWay.Dec()
	if !arrived {
		s.failed.Inc()
		return
	}
	s.done.Inc()
	s.took.Observe(d.Seconds())
}
