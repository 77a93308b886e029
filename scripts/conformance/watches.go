package main

import (
	"fmt"

	"keytree/scripts/process"
)

// A watchSpec is a watch to be opened before some writes.
type watchSpec struct {
	path      string
	recursive bool
	stream    bool
	since     uint64 // waitIndex, 0 for none
}

// watch draws a watch: from now on, from the past, or from the near future.
func (g *generator) watch() watchSpec {
	w := watchSpec{path: pick(g, paths...), recursive: g.chance(50), stream: g.chance(35)}
	switch n := g.r.IntN(10); {
	case n < 3:
		w.since = g.index - min(g.index-1, g.r.Uint64N(300))
	case n < 4:
		w.since = 1 + g.r.Uint64N(g.index) // may be too old
	case n < 5:
		w.since = g.index + 1
	case n < 6:
		w.since = g.index + g.r.Uint64N(4)
	}
	return w
}

func (w watchSpec) request(g *generator) process.Request {
	var ps params
	ps.add(g, false, "wait", "true")
	if w.recursive {
		ps.add(g, false, "recursive", "true")
	}
	if w.stream {
		ps.add(g, false, "stream", "true")
	}
	if w.since > 0 || g.chance(10) {
		ps.add(g, false, "waitIndex", fmt.Sprint(w.since))
	}
	if g.chance(5) {
		ps.add(g, false, pick(g, "sorted", "dir", "noValueOnSuccess"), "true")
	}
	return ps.request(g, "GET", w.path)
}
