package stats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Peers counts what passes between this member and each other one.
type Peers struct {
	self string

	sent, received             *prometheus.CounterVec
	sentFailed, receivedFailed *prometheus.CounterVec
	roundTrip                  *prometheus.HistogramVec
	clock, active              *prometheus.GaugeVec
	snapshotsOut, snapshotsIn  *snapshotVectors
}

func newPeers(self string) *Peers {
	counter := func(name, label, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	return &Peers{
		self:           self,
		sent:           counter("etcd_network_peer_sent_bytes_total", "To", "Size, in bytes, of what was sent to a peer, snapshots included."),
		received:       counter("etcd_network_peer_received_bytes_total", "From", "Size, in bytes, of what came from a peer, snapshots included."),
		sentFailed:     counter("etcd_network_peer_sent_failures_total", "To", "Messages and snapshots that were not sent to a peer, or not whole; a count."),
		receivedFailed: counter("etcd_network_peer_received_failures_total", "From", "Messages and snapshots of a peer that did not come whole or were not taken; a count."),
		roundTrip: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "etcd_network_peer_round_trip_time_seconds",
			Help:    "How long, in seconds, a peer took to answer a probe.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 16),
		}, []string{"To"}),
		clock: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "keytree_peer_clock_difference_seconds",
			Help: "How far, in seconds, a peer's clock is ahead of this member's; negative if it is behind.",
		}, []string{"To"}),
		active: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "etcd_network_active_peers",
			Help: "1 if messages can pass both ways between this member and a peer, else 0.",
		}, []string{"Local", "Remote"}),
		snapshotsOut: newSnapshotsSent(),
		snapshotsIn:  newSnapshotsReceived(),
	}
}

// Peer is the counters of one peer. They stand at zero until it is counted
// for, and again after Forget.
func (p *Peers) Peer(id string) *Peer {
	return &Peer{
		sent:           p.sent.WithLabelValues(id),
		received:       p.received.WithLabelValues(id),
		sentFailed:     p.sentFailed.WithLabelValues(id),
		receivedFailed: p.receivedFailed.WithLabelValues(id),
		roundTrip:      p.roundTrip.WithLabelValues(id),
		clock:          p.clock.WithLabelValues(id),
		active:         p.active.WithLabelValues(p.self, id),
		SnapshotsOut:   p.snapshotsOut.of(id),
		SnapshotsIn:    p.snapshotsIn.of(id),
	}
}

// Forget drops what is shown of a peer that left the cluster. What is counted
// on its Peer afterwards is not shown.
func (p *Peers) Forget(id string) {
	for _, c := range []*prometheus.CounterVec{p.sent, p.received, p.sentFailed, p.receivedFailed} {
		c.DeleteLabelValues(id)
	}
	p.roundTrip.DeleteLabelValues(id)
	p.clock.DeleteLabelValues(id)
	p.active.DeleteLabelValues(p.self, id)
	p.snapshotsOut.forget(id)
	p.snapshotsIn.forget(id)
}

func (p *Peers) collectors() []prometheus.Collector {
	all := []prometheus.Collector{p.sent, p.received, p.sentFailed, p.receivedFailed, p.roundTrip, p.clock, p.active}
	return append(append(all, p.snapshotsOut.collectors()...), p.snapshotsIn.collectors()...)
}

// Peer counts what passes between this member and one other.
type Peer struct {
	sent, received             prometheus.Counter
	sentFailed, receivedFailed prometheus.Counter
	roundTrip                  prometheus.Observer
	clock, active              prometheus.Gauge

	SnapshotsOut, SnapshotsIn *Snapshots
}

// Sent counts bytes that left for the peer.
func (p *Peer) Sent(bytes int) { p.sent.Add(float64(bytes)) }

// Received counts bytes that came from the peer.
func (p *Peer) Received(bytes int) { p.received.Add(float64(bytes)) }

// SendFailed counts messages, or a snapshot, that the peer did not get.
func (p *Peer) SendFailed(n int) { p.sentFailed.Add(float64(n)) }

// ReceiveFailed counts a message, or a snapshot, that was not taken from the peer.
func (p *Peer) ReceiveFailed() { p.receivedFailed.Inc() }

// Probed notes that the peer answered within d and that its clock is ahead of
// ours, or behind if negative.
func (p *Peer) Probed(d, ahead time.Duration) {
	p.roundTrip.Observe(d.Seconds())
	p.clock.Set(ahead.Seconds())
}

// Active notes whether messages can pass both ways.
func (p *Peer) Active(yes bool) {
	if yes {
		p.active.Set(1)
	} else {
		p.active.Set(0)
	}
}
