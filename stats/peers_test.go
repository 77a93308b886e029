package stats

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// shownOfPeers are the names of what is shown of any peer.
func shownOfPeers(t *testing.T, m *Member) []string {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	for _, c := range m.Peers.collectors() {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	return names
}

func TestPeersAreShownUntilTheyLeave(t *testing.T) {
	m := New(Config{ID: "1"})
	if got := shownOfPeers(t, m); len(got) != 0 {
		t.Errorf("without peers: %v", got)
	}
	p := m.Peers.Peer("2")
	p.Sent(100)
	p.Received(50)
	p.SendFailed(2)
	p.ReceiveFailed()
	p.Probed(time.Millisecond, -time.Second)
	p.Active(true)
	want := []string{
		"etcd_network_active_peers", "etcd_network_peer_received_bytes_total", "etcd_network_peer_received_failures_total",
		"etcd_network_peer_round_trip_time_seconds", "etcd_network_peer_sent_bytes_total", "etcd_network_peer_sent_failures_total",
		"etcd_network_snapshot_receive_failures", "etcd_network_snapshot_receive_inflights_total",
		"etcd_network_snapshot_receive_success", "etcd_network_snapshot_receive_total_duration_seconds",
		"etcd_network_snapshot_send_failures", "etcd_network_snapshot_send_inflights_total",
		"etcd_network_snapshot_send_success", "etcd_network_snapshot_send_total_duration_seconds",
		"keytree_peer_clock_difference_seconds", "keytree_snapshot_received_bytes_total", "keytree_snapshot_sent_bytes_total",
	}
	if got := shownOfPeers(t, m); !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	m.Peers.Forget("2")
	p.Sent(1) // it still holds its counters
	if got := shownOfPeers(t, m); len(got) != 0 {
		t.Errorf("after it left: %v", got)
	}
}
