package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// scenario is one kind of load, and what is expected of Keytree under it.
type scenario struct {
	name    string
	about   string
	long    bool // takes minutes: has rounds of its own
	members int  // of the cluster; 0 is one that runs on all CPUs
	rows    []row

	// run puts the load on a fresh cluster and returns its figures.
	run func(context.Context, *bench, *cluster) (figures, error)
}

// alone is the run of a scenario with one member.
func alone(run func(context.Context, *bench, *server) (figures, error)) func(context.Context, *bench, *cluster) (figures, error) {
	return func(ctx context.Context, b *bench, c *cluster) (figures, error) { return run(ctx, b, c.members[0]) }
}

// figures are what was measured, by the names that rows have for them.
type figures map[string]float64

// row is a line of the report.
type row struct {
	figure string
	unit   string
	digits int // after the decimal point
	floor  floor
}

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

// Figures that many scenarios have.
const (
	rate      = "rate"
	cpu       = "server CPU"
	clientCPU = "client CPU"
	p50       = "p50"
	p99       = "p99"
	slowest   = "max"

	// others tells whether the machine was ours. It is a note, not a row.
	others = "cores busy with others"
)

const cpuUnit = "s/100k"

// requestRows are the rows of a scenario of many requests.
func requestRows(rateFloor, cpuFloor floor, more ...row) []row {
	return append([]row{
		{figure: rate, unit: "/s", floor: rateFloor},
		{figure: cpu, unit: cpuUnit, digits: 2, floor: cpuFloor},
		{figure: clientCPU, unit: cpuUnit, digits: 2},
		{figure: p50, unit: "ms", digits: 2},
		{figure: p99, unit: "ms", digits: 2},
	}, more...)
}

var scenarios = []scenario{
	{
		name:  "put",
		about: "set random keys",
		rows:  requestRows(floor{ratioAtLeast, 1.1}, floor{ratioAtMost, 1}),
		run:   alone(runPut),
	},
	{
		name:  "get",
		about: "get random keys",
		rows:  requestRows(floor{ratioAtLeast, 1.35}, floor{ratioAtMost, 1 / 1.35}),
		run:   alone(runGet),
	},
	{
		name:  "qget",
		about: "get random keys with quorum=true",
		rows: requestRows(floor{ratioAtLeast, 1.8}, floor{},
			row{figure: raftGrowth, unit: "entries", floor: floor{oursAtMost, 0}}),
		run: alone(runQuorumGet),
	},
	{
		name:  "mixed",
		about: "90% get, 10% set",
		rows:  requestRows(floor{}, floor{}),
		run:   alone(runMixed),
	},
	{
		name:  "cas",
		about: "compare and swap by prevIndex, each connection its own keys",
		rows:  requestRows(floor{}, floor{}),
		run:   alone(runSwap),
	},
	{
		name:  "post",
		about: "in-order keys in one directory",
		rows:  requestRows(floor{}, floor{}),
		run:   alone(runPost),
	},
	{
		name:  "put1",
		about: "set random keys on one connection",
		rows:  requestRows(floor{}, floor{}),
		run:   alone(runPutAlone),
	},
	{
		name:  "list",
		about: "list a directory of 1,000 keys",
		rows:  requestRows(floor{ratioAtLeast, 1.8}, floor{ratioAtMost, 1 / 1.8}),
		run:   alone(runList),
	},
	{
		name:  "watch",
		about: "one writer, many recursive stream watchers of one directory",
		rows: []row{
			{figure: eventCPU, unit: "us/event", digits: 2, floor: floor{ratioAtMost, 1 / 1.25}},
			{figure: clientEventCPU, unit: "us/event", digits: 2},
			{figure: delivered, unit: "events"},
			{figure: fanoutP50, unit: "ms", digits: 1},
			{figure: fanoutMax, unit: "ms", digits: 1},
			{figure: watcherRSS, unit: "KB"},
		},
		run: alone(runWatch),
	},
	{
		name:  "idle",
		about: "a fresh server after 3 s",
		rows:  []row{{figure: idleRSS, unit: "MB", digits: 1, floor: floor{oursAtMost, 40}}},
		run:   alone(runIdle),
	},
	{
		name:  "load",
		about: "fill with many small keys, kill -9, restart, SIGTERM, restart",
		long:  true,
		rows: []row{
			{figure: rate, unit: "/s"},
			{figure: cpu, unit: cpuUnit, digits: 2},
			{figure: clientCPU, unit: cpuUnit, digits: 2},
			{figure: keyRSS, unit: "B/key", floor: floor{ratioAtMost, 1. / 8}},
			{figure: keyDisk, unit: "B/key"},
			{figure: restartKilled, unit: "s", digits: 3, floor: floor{ratioAtMost, 1. / 5}},
			{figure: restartedRSS, unit: "B/key"},
			{figure: stopTime, unit: "s", digits: 3},
			{figure: restartClean, unit: "s", digits: 3, floor: floor{ratioAtMost, 1. / 5}},
		},
		run: alone(runLoad),
	},
	{
		name:  "pace",
		about: "set random keys at a fixed pace, latency from the scheduled time",
		long:  true,
		rows: []row{
			{figure: rate, unit: "/s"},
			{figure: p50, unit: "ms", digits: 2},
			{figure: p99, unit: "ms", digits: 2, floor: floor{oursAtMost, 10}},
			{figure: p999, unit: "ms", digits: 2},
			{figure: slowest, unit: "ms", digits: 2, floor: floor{oursAtMost, 50}},
			{figure: cpu, unit: cpuUnit, digits: 2},
			{figure: clientCPU, unit: cpuUnit, digits: 2},
		},
		run: alone(runPace),
	},
	{
		name:  "auth",
		about: "get and set random keys, with auth off and as a user",
		rows:  slices.Concat(authRows("get"), authRows("set")),
		run:   alone(runAuth),
	},
	{
		name:  "authflood",
		about: "get random keys as a user while others offer wrong passwords",
		long:  true,
		rows:  floodRows(),
		run:   alone(runAuthFlood),
	},
	{
		name:    "cput",
		about:   "set random keys on the leader of three",
		members: clusterSize,
		rows:    requestRows(floor{ratioAtLeast, 1.15}, floor{}),
		run:     runClusterPut,
	},
	{
		name:    "cspread",
		about:   "set random keys on all of three members",
		members: clusterSize,
		rows:    requestRows(floor{ratioAtLeast, 1.15}, floor{}),
		run:     runClusterPutSpread,
	},
	{
		name:    "cqget",
		about:   "get random keys with quorum=true from all of three members",
		members: clusterSize,
		rows:    requestRows(floor{ratioAtLeast, 1.8}, floor{}),
		run:     runClusterQuorumGet,
	},
	{
		name:    "clone",
		about:   "set random keys on the leader of three, on one connection",
		members: clusterSize,
		rows: []row{
			{figure: p50, unit: "ms", digits: 3, floor: floor{ratioAtMost, 1}},
			{figure: p99, unit: "ms", digits: 3},
			{figure: rate, unit: "/s"},
			{figure: cpu, unit: cpuUnit, digits: 2},
			{figure: clientCPU, unit: cpuUnit, digits: 2},
		},
		run: runClusterPutAlone,
	},
	{
		name:    "cfail",
		about:   "kill -9 of the leader of three, writers on the others",
		members: clusterSize,
		rows:    outageRows(400),
		run:     runOutages(syscall.SIGKILL),
	},
	{
		name:    "cterm",
		about:   "SIGTERM to the leader of three, writers on the others",
		members: clusterSize,
		rows:    outageRows(200),
		run:     runOutages(syscall.SIGTERM),
	},
}

// cost is the CPU time that something took.
type cost struct {
	server, client time.Duration
	others         float64 // cores that were busy with something else meanwhile
}

// costOf is what f costs t and us.
func costOf(t target, f func() error) (cost, error) {
	before, err := spentBy(t)
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	if err := f(); err != nil {
		return cost{}, err
	}
	elapsed := time.Since(began)
	after, err := spentBy(t)
	if err != nil {
		return cost{}, err
	}
	c := cost{server: after.server - before.server, client: after.client - before.client}
	others := after.machine - before.machine - c.server - c.client
	c.others = max(others.Seconds()/elapsed.Seconds(), 0)
	return c, nil
}

// spent is the CPU time used so far.
type spent struct {
	server, client, machine time.Duration
}

func spentBy(t target) (s spent, err error) {
	if s.server, err = t.cpu(); err != nil {
		return s, err
	}
	if s.client, err = ownCPU(); err != nil {
		return s, err
	}
	s.machine, err = machineCPU()
	return s, err
}

// requestFigures are the figures for requestRows and more.
func requestFigures(o *outcome, c cost) figures {
	per100k := 100_000 / float64(o.answers)
	return figures{
		rate:      float64(o.answers) / o.elapsed.Seconds(),
		cpu:       c.server.Seconds() * per100k,
		clientCPU: c.client.Seconds() * per100k,
		p50:       milliseconds(o.latency.quantile(.50)),
		p99:       milliseconds(o.latency.quantile(.99)),
		p999:      milliseconds(o.latency.quantile(.999)),
		slowest:   milliseconds(o.latency.max),
		others:    c.others,
	}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1e3 }
