package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"keytree/scripts/process"
)

// crafted are scenarios for departures and for corners the recorded ones do
// not reach.
func crafted() []scenario {
	put := func(path, form string) step {
		return step{Method: "PUT", Path: path, Body: &form, Headers: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}
	}
	get := func(path string) step { return step{Method: "GET", Path: path} }
	del := func(path string) step { return step{Method: "DELETE", Path: path} }
	stream := func(path string, lines int, during ...step) step {
		return step{Method: "GET", Path: path, ClosedBy: "client", ReadLines: lines, During: during}
	}
	long := "/v2/keys/" + strings.Repeat("k", 16384)
	deep := "/v2/keys" + strings.Repeat("/d", 513)
	return []scenario{
		craftedAuth(),
		{name: "craft_streams", steps: []step{
			put("/v2/keys/s", "value=1"), put("/v2/keys/s", "value=2"), put("/v2/keys/other", "value=x"), put("/v2/keys/s", "value=3"),
			stream("/v2/keys/s?wait=true&stream=true&waitIndex=4", 4, put("/v2/keys/s", "value=4")),
			stream("/v2/keys/s?wait=true&stream=true", 2, del("/v2/keys/s"), put("/v2/keys/s", "value=5")),
			stream("/v2/keys?wait=true&stream=true&recursive=true", 1, del("/v2/keys/s")),
		}},
		{name: "craft_limits", steps: []step{
			get(long[:len(long)-1]), get(deep[:len(deep)-2]), // the largest that are allowed
			get(long), get(deep), put(long, "value=1"), put(deep, "value=1"), del(long),
		}},
		{name: "craft_cors", openCORS: true, steps: []step{
			get("/v2/keys"), get("/version"), get("/nowhere"), {Method: "OPTIONS", Path: "/v2/keys/a"},
		}},
		{name: "craft_stats", steps: []step{
			get("/v2/stats/store"), get("/v2/keys/none"), put("/v2/keys/a", "value=1"), get("/v2/keys/a"),
			put("/v2/keys/a", "value=1&prevExist=false"), put("/v2/keys/a/b", "value=1&prevExist=false"),
			put("/v2/keys/a", "value=2&prevValue=3"), put("/v2/keys/a", "value=2&prevValue=1"),
			del("/v2/keys/a?prevValue=1"), del("/v2/keys/a?prevValue=2"), del("/v2/keys/a"), del("/v2/keys"),
			put("/v2/keys/u", "value=1&prevExist=true"), put("/v2/keys", "value=1&prevExist=true"),
			get("/v2/stats/store"),
		}},
	}
}

const (
	whatQuorumGrowth = "growth of X-Raft-Index by quorum reads"
	whatSweepGrowth  = "growth of X-Raft-Index while a key with a ttl waits"
)

// A growth looks at how far X-Raft-Index moves on each side, which the
// comparison of answers leaves out.
type growth struct {
	name    string
	what    string
	prepare process.Request
	during  func(ctx context.Context, p *pair)
}

func growths() []growth {
	get := process.Request{Method: "GET", Target: "/v2/keys/a?quorum=true"}
	return []growth{
		{"craft_quorum_index", whatQuorumGrowth,
			process.Request{Method: "PUT", Target: "/v2/keys/a", Header: process.Form(), Body: []byte("value=1")},
			func(ctx context.Context, p *pair) {
				for range 10 {
					p.do(ctx, get)
				}
			}},
		{"craft_sweep_index", whatSweepGrowth,
			process.Request{Method: "PUT", Target: "/v2/keys/a", Header: process.Form(), Body: []byte("value=1&ttl=1000")},
			func(ctx context.Context, _ *pair) { pause(ctx, 1750*time.Millisecond) }}, // three sweeps
	}
}

func (g growth) play(ctx context.Context, p *pair, r *report) error {
	r.note(kindStep, g.name, "-only "+g.name, p.do(ctx, g.prepare))
	q := process.Request{Method: "GET", Target: "/v2/keys/a"}
	before := p.do(ctx, q)
	g.during(ctx, p)
	after := p.do(ctx, q)
	grown := func(before, after reply) (string, error) {
		if before.err != nil || after.err != nil {
			return "", fmt.Errorf("%v, %v", before.err, after.err)
		}
		return strconv.FormatUint(after.Index("X-Raft-Index")-before.Index("X-Raft-Index"), 10), nil
	}
	etcd, err := grown(before.etcd, after.etcd)
	if err != nil {
		return err
	}
	keytree, err := grown(before.keytree, after.keytree)
	if err != nil {
		return err
	}
	ds := compare(after)
	if (etcd == "0") != (keytree == "0") { // how many is up to each
		ds = append(ds, difference{g.what, etcd, keytree})
	}
	r.add(kindStep, g.name, "-only "+g.name, after, ds)
	return nil
}
