package main

import (
	"fmt"
	"math"
)

// floor is what Keytree has to reach. The zero floor is reached by all.
type floor struct {
	kind  floorKind
	limit float64
}

type floorKind uint8

const (
	noFloor floorKind = iota
	ratioAtLeast
	ratioAtMost
	oursAtMost
	oursAtLeast
)

func (f floor) String() string {
	switch f.kind {
	case ratioAtLeast:
		return fmt.Sprintf(">= %.2fx", f.limit)
	case ratioAtMost:
		return fmt.Sprintf("<= %.2fx", f.limit)
	case oursAtMost:
		return fmt.Sprintf("<= %g", f.limit)
	case oursAtLeast:
		return fmt.Sprintf(">= %g", f.limit)
	}
	return ""
}

func (f floor) needsRatio() bool {
	return f.kind == ratioAtLeast || f.kind == ratioAtMost
}

// reached reports whether ours, and its ratio to theirs, are good enough.
func (f floor) reached(ours, ratio float64) bool {
	switch f.kind {
	case ratioAtLeast:
		return ratio >= f.limit
	case ratioAtMost:
		return ratio <= f.limit
	case oursAtMost:
		return ours <= f.limit
	case oursAtLeast:
		return ours >= f.limit
	}
	return true
}

// verdict is whether a floor was reached.
type verdict uint8

const (
	unjudged verdict = iota // there is no floor
	open                    // what it takes to judge was not measured
	passed
	missed
)

func (v verdict) String() string {
	return [...]string{"", "-", "PASS", "FAIL"}[v]
}

// comparison is a figure of one engine of Keytree beside etcd's. What was not
// measured is NaN.
type comparison struct {
	ours, theirs float64
	scaled       float64 // ours as on the reference machine
}

// ratio is NaN also where a quotient says nothing.
func (c comparison) ratio() float64 {
	if c.theirs <= 0 || c.ours < 0 {
		return math.NaN()
	}
	return c.ours / c.theirs
}

// judge compares with f. An absolute floor may be reached by the figure as
// measured or by the one scaled to the reference machine.
func (f floor) judge(c comparison) verdict {
	switch {
	case f.kind == noFloor:
		return unjudged
	case math.IsNaN(c.ours), f.needsRatio() && math.IsNaN(c.ratio()):
		return open
	case f.reached(c.ours, c.ratio()), !f.needsRatio() && f.reached(c.scaled, math.NaN()):
		return passed
	}
	return missed
}

// yardstick is a load that etcd's CPU time is known of on the reference
// machine, the one on which the absolute floors were set.
type yardstick uint8

const (
	noYardstick yardstick = iota
	byGets
	byPuts
)

// scenario is where this run has measured the same load.
func (y yardstick) scenario() string {
	return [...]string{"", "get", "put"}[y]
}

// seconds is what 100,000 requests cost etcd 3.4.23 on the reference machine.
func (y yardstick) seconds() float64 {
	return [...]float64{math.NaN(), 2.0, 4.4}[y]
}

// scale turns a CPU time of this run into that of the reference machine, by
// what the yardstick cost etcd in this run.
func (y yardstick) scale(ours, etcds float64) float64 {
	if y == noYardstick || etcds == 0 {
		return math.NaN()
	}
	return ours * y.seconds() / etcds
}
