package member

import "testing"

// The examples are those the real server printed for the same URLs and token.
func TestIDsAreThoseOfTheRealServer(t *testing.T) {
	tests := []struct {
		token   string
		members [][]string
		ids     []string
		cluster string
	}{
		{"etcd-cluster", [][]string{{"http://127.0.0.1:21380"}}, []string{"69b38ac7138de88d"}, "31c6e9f19e0fb0d9"},
		{"etcd-cluster", [][]string{{"http://127.0.0.1:21521"}, {"http://127.0.0.1:21522"}, {"http://127.0.0.1:21523"}}, nil, "a2074287aa4113f"},
		{"tok", [][]string{{"http://127.0.0.1:21581", "http://127.0.0.1:21580"}}, []string{"570c1671d4818674"}, "acafb6b50e8d4a2e"},
		{"etcd-cluster", [][]string{{"http://localhost:2380"}}, []string{"8e9e05c52164694d"}, "cdf818194e3a8c32"},
		{"etcd-cluster", [][]string{{"http://127.0.0.1:22302"}}, []string{"3cf684497bada842"}, "c6beb0dc2b3ce31a"},
		{"etcd-cluster", [][]string{{"http://127.0.0.1:22202", "http://127.0.0.1:22203"}}, []string{"5c37e5481840a305"}, "e94ed9708f215c3"},
	}
	for _, tt := range tests {
		var founders []ID
		for i, urls := range tt.members {
			id := NewID(urls, tt.token)
			founders = append(founders, id)
			if tt.ids != nil && id.String() != tt.ids[i] {
				t.Errorf("NewID(%v, %q) = %v, want %v", urls, tt.token, id, tt.ids[i])
			}
		}
		if got := NewClusterID(founders).String(); got != tt.cluster {
			t.Errorf("cluster of %v = %v, want %v", tt.members, got, tt.cluster)
		}
	}
	if got := NewAddedID([]string{"http://127.0.0.1:21383", "http://127.0.0.1:21384"}, 1795246364).String(); got != "c69d38ba62c4ab14" {
		t.Errorf("NewAddedID = %v, want c69d38ba62c4ab14", got)
	}
}

func TestParseIDRefusesWhatIsNotHex(t *testing.T) {
	for _, s := range []string{"", "x", "-1", "10000000000000000", "1/2", "0x1"} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %v, want an error", s, id)
		}
	}
	if id, err := ParseID("69B38AC7138DE88D"); err != nil || id.String() != "69b38ac7138de88d" {
		t.Errorf("ParseID of upper case = %v, %v", id, err)
	}
}
