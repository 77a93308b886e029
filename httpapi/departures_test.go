package httpapi

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A departure is a place where Keytree answers differently on purpose. expect
// turns what was recorded into what Keytree answers; it must change something.
type departure struct {
	scenario string
	lines    []int // counted from 1
	why      string
	expect   func(exchange) exchange
}

// departures lists all of them; docs/compatibility.md explains them to users.
var departures = []departure{
	{"misc_01_endpoints", []int{1, 2}, "/version also tells Keytree's own version", tellsVersion},
	{"host_01_whitelist", []int{1, 2, 3}, "/version also tells Keytree's own version", tellsVersion},
	{"auth_03_enable", []int{25}, "/version also tells Keytree's own version", tellsVersion},
	{"members_01_single", []int{62}, "/version also tells Keytree's own version", tellsVersion},
	{"members_02_lost_quorum", []int{11}, "/version also tells Keytree's own version", tellsVersion},
	{"cluster_01_three_nodes", []int{41}, "/version also tells Keytree's own version", tellsVersion},
	{"members_02_lost_quorum", []int{4, 12, 13}, "the member that took the quorum away has published itself before, see between", func(x exchange) exchange {
		x.RespHeaders = maps.Clone(x.RespHeaders)
		x.RespHeaders[headerIndex] = "6"
		return x
	}},
	{"members_02_lost_quorum", []int{10}, "that member is listed, see between", func(x exchange) exchange {
		x.RespBody += ", http://127.0.0.1:21389"
		return x
	}},
	{"members_02_lost_quorum", []int{8}, "a member without a leader says so", func(x exchange) exchange {
		x.RespBody = strings.NewReplacer("StateLeader", "StateFollower", `"leader":"69b38ac7138de88d"`, `"leader":""`).Replace(x.RespBody)
		x.Volatile = append(slices.Clone(x.Volatile), "resp_body.sendAppendRequestCnt") // to the member that was there
		return x
	}},
	{"watch_06_stream", []int{2, 6, 10, 14}, "a stream delivers every event once", func(x exchange) exchange {
		lines := strings.SplitAfter(x.RespBody, "\n")
		x.RespBody = strings.Join(slices.Compact(lines), "")
		x.ReadLines, x.complete = strings.Count(x.RespBody, "\n"), true
		return x
	}},
	{"watch_01_history", []int{48}, "a stream with an old waitIndex replays all of the history and goes on", func(x exchange) exchange {
		x.RespBody = `{"action":"set","node":{"key":"/foo","value":"1","modifiedIndex":4,"createdIndex":4}}
{"action":"set","node":{"key":"/foo","value":"2","modifiedIndex":5,"createdIndex":5},"prevNode":{"key":"/foo","value":"1","modifiedIndex":4,"createdIndex":4}}
{"action":"update","node":{"key":"/foo","value":"3","modifiedIndex":9,"createdIndex":5},"prevNode":{"key":"/foo","value":"2","modifiedIndex":5,"createdIndex":5}}
{"action":"compareAndSwap","node":{"key":"/foo","value":"4","modifiedIndex":10,"createdIndex":5},"prevNode":{"key":"/foo","value":"3","modifiedIndex":9,"createdIndex":5}}
{"action":"compareAndDelete","node":{"key":"/foo","modifiedIndex":14,"createdIndex":5},"prevNode":{"key":"/foo","value":"4","modifiedIndex":10,"createdIndex":5}}
`
		x.ReadLines, x.complete = 5, true
		return x
	}},
}

func tellsVersion(x exchange) exchange {
	x.RespBody = strings.TrimSuffix(x.RespBody, "}") + `,"keytree":"0.1.0"}`
	return x
}

// expected is x as Keytree is to answer it.
func expected(t *testing.T, scenario string, line int, x exchange) exchange {
	t.Helper()
	for _, d := range departures {
		if d.scenario != scenario || !slices.Contains(d.lines, line) {
			continue
		}
		y := d.expect(x)
		if y.RespBody == x.RespBody && y.Status == x.Status && maps.Equal(y.RespHeaders, x.RespHeaders) {
			t.Errorf("line %d: etcd does the same, so it is no departure that %s", line, d.why)
		}
		x = y
	}
	return x
}

// Every departure points at a line that was recorded.
func TestDeparturesAreRecorded(t *testing.T) {
	for _, d := range departures {
		lines := readGolden(t, filepath.Join("testdata/golden", d.scenario+".jsonl"))
		for _, n := range d.lines {
			if n < 1 || n > len(lines) {
				t.Errorf("%s has no line %d, where %s", d.scenario, n, d.why)
			}
		}
	}
}
