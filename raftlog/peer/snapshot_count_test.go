package peer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"keytree/stats"
)

func TestSnapshotsAreCountedOnBothSides(t *testing.T) {
	a, b := startPair(t, Config{})
	broken := errors.New("the disk is gone")
	if err := sendSnapshot(t, a, b, body{n: 300_000}); err != nil {
		t.Fatal(err)
	}
	if err := sendSnapshot(t, a, b, body{300_000, broken}); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	b.awaitNoSnapshot()
	for _, tt := range []struct {
		of   *node
		want []string
	}{
		{a, []string{`send_success{To="b"} 1`, `send_failures{To="b"} 1`, `send_inflights_total{To="b"} 0`, `send_total_duration_seconds{To="b"} 1`}},
		{b, []string{`receive_success{From="a"} 1`, `receive_failures{From="a"} 1`, `receive_inflights_total{From="a"} 0`, `receive_total_duration_seconds{From="a"} 1`}},
	} {
		got := metrics(t, tt.of.stats)
		for _, want := range tt.want {
			if !strings.Contains(got, "etcd_network_snapshot_"+want+"\n") {
				t.Errorf("%s is not among\n%s", want, got)
			}
		}
	}
	for name, counters := range map[string]*stats.Member{`keytree_snapshot_sent_bytes_total{To="b"} `: a.stats, `keytree_snapshot_received_bytes_total{From="a"} `: b.stats} {
		_, rest, _ := strings.Cut(metrics(t, counters), name)
		var n float64
		if _, err := fmt.Sscan(rest, &n); err != nil || n < 500_000 || n > 610_000 {
			t.Errorf("%s%v (%v), want the bytes of both, of the second as far as it came", name, n, err)
		}
	}
}
