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
	cast    cast
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
	also   floor     // a second one for the same figure
	scale  yardstick // when it is a CPU time per 100,000 requests that has an absolute floor
}

// floors are those of r.
func (r row) floors() (all []floor) {
	for _, f := range []floor{r.floor, r.also} {
		if f.kind != noFloor {
			all = append(all, f)
		}
	}
	return all
}

// cast is which servers a scenario is run on.
type cast uint8

const (
	everyServer cast = iota
	notStd           // what it shows does not depend on the engine
	keytreeOnly      // etcd has nothing like it
)

// has reports whether the server of that name is one of c.
func (c cast) has(name string) bool {
	switch c {
	case notStd:
		return name != stdName
	case keytreeOnly:
		return name != etcdName
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

// requestRows are the rows of a scenario of many requests; cpuRow has the floors
// of their server CPU.
func requestRows(rateFloor floor, cpuRow row, more ...row) []row {
	cpuRow.figure, cpuRow.unit, cpuRow.digits = cpu, cpuUnit, 2
	return append([]row{
		{figure: rate, unit: "/s", floor: rateFloor},
		cpuRow,
		{figure: clientCPU, unit: cpuUnit, digits: 2},
		{figure: p50, unit: "ms", digits: 2},
		{figure: p99, unit: "ms", digits: 2},
	}, more...)
}

var scenarios = []scenario{
	{
		name:  "put",
		about: "set random keys",
		rows:  requestRows(floor{ratioAtLeast, 2}, row{floor: floor{oursAtMost, 2.1}, also: floor{ratioAtMost, 1}, scale: byPuts}),
		run:   alone(runPut),
	},
	{
		name:  "get",
		about: "get random keys",
		rows:  requestRows(floor{ratioAtLeast, 2}, row{floor: floor{oursAtMost, .8}, also: floor{ratioAtMost, 1 / 1.35}, scale: byGets}),
		run:   alone(runGet),
	},
	{
		name:  "qget",
		about: "get random keys with quorum=true",
		rows: requestRows(floor{ratioAtLeast, 3}, row{floor: floor{oursAtMost, 1}, scale: byGets},
			row{figure: raftGrowth, unit: "entries", floor: floor{oursAtMost, 0}}),
		run: alone(runQuorumGet),
	},
	{
		name:  "mixed",
		about: "90% get, 10% set",
		rows:  requestRows(floor{}, row{}),
		run:   alone(runMixed),
	},
	{
		name:  "cas",
		about: "compare and swap by prevIndex, each connection its own keys",
		rows:  requestRows(floor{ratioAtLeast, 2}, row{floor: floor{oursAtMost, 2.1}, scale: byPuts}),
		run:   alone(runSwap),
	},
	{
		name:  "post",
		about: "in-order keys in one directory",
		rows:  requestRows(floor{ratioAtLeast, 2}, row{floor: floor{oursAtMost, 2.1}, scale: byPuts}),
		run:   alone(runPost),
	},
	{
		name:  "put1",
		about: "set random keys on one connection",
		rows: []row{
			{figure: p50, unit: "ms", digits: 3, floor: floor{ratioAtMost, .8}},
			{figure: p99, unit: "ms", digits: 3},
			{figure: rate, unit: "/s"},
			{figure: cpu, unit: cpuUnit, digits: 2},
			{figure: clientCPU, unit: cpuUnit, digits: 2},
		},
		run: alone(runPutAlone),
	},
	{
		name:  "list",
		about: "list a directory of 1,000 keys",
		rows:  requestRows(floor{ratioAtLeast, 2}, row{floor: floor{oursAtMost, 25}, also: floor{ratioAtMost, 1 / 1.8}, scale: byGets}),
		run:   alone(runList),
	},
	{
		name:  "list100k",
		about: "list a directory of 100,000 keys on one connection, GETs at a pace on others",
		rows:  longListRows(),
		run:   alone(runLongList),
	},
	{
		name:  "watch",
		about: "one writer, many recursive stream watchers of one directory",
		rows:  watchRows(),
		run:   alone(runWatch),
	},
	{
		name:  "watch50k",
		about: "the same with as many watchers as the limit of open files permits, 50,000 at most",
		long:  true,
		rows:  append([]row{{figure: throngSize, unit: ""}}, watchRows()...),
		run:   alone(runThrong),
	},
	{
		name:  "poll",
		about: "one writer, many who long-poll one directory and do so again after each event",
		rows:  watchRows(),
		run:   alone(runPolls),
	},
	{
		name:  "h2watch",
		about: fmt.Sprintf("one writer, %d stream watchers, each on a connection of its own or sharing some by HTTP/2", muxWatchers),
		cast:  keytreeOnly,
		rows:  muxRows(),
		run:   alone(runMux),
	},
	{
		name:  "idle",
		about: "a fresh server after 3 s",
		rows: []row{
			{figure: idleRSS, unit: "MB", digits: 1, floor: floor{oursAtMost, 30}},
			{figure: wakeups, unit: "/s", digits: 1},
			{figure: tickerWakeups, unit: "/s", digits: 1},
			{figure: wakeupsPerTicker, unit: "x", digits: 2, floor: floor{oursAtMost, 1.5}},
		},
		run: alone(runIdle),
	},
	{
		name:  "load",
		about: "fill with many small keys, kill -9, restart, SIGTERM, restart",
		cast:  notStd,
		long:  true,
		rows: []row{
			{figure: rate, unit: "/s"},
			{figure: cpu, unit: cpuUnit, digits: 2},
			{figure: clientCPU, unit: cpuUnit, digits: 2},
			{figure: keyRSS, unit: "B/key", floor: floor{oursAtMost, 150}, also: floor{ratioAtMost, 1. / 8}},
			{figure: keyDisk, unit: "B/key", floor: floor{oursAtMost, 250}},
			{figure: restartKilled, unit: "s", digits: 3, floor: floor{oursAtMost, 1}, also: floor{ratioAtMost, 1. / 5}},
			{figure: restartedRSS, unit: "B/key"},
			{figure: stopTime, unit: "s", digits: 3},
			{figure: restartClean, unit: "s", digits: 3, floor: floor{oursAtMost, .3}, also: floor{ratioAtMost, 1. / 5}},
		},
		run: alone(runLoad),
	},
	{
		name:  "pace",
		about: "set random keys at a fixed pace, latency from the scheduled time",
		cast:  notStd,
		long:  true,
		rows: []row{
			{figure: rate, unit: "/s"},
			{figure: p50, unit: "ms", digits: 2},
			{figure: p99, unit: "ms", digits: 2, floor: floor{oursAtMost, 5}},
			{figure: p999, unit: "ms", digits: 2},
			{figure: slowest, unit: "ms", digits: 2, floor: floor{oursAtMost, 30}},
			{figure: cpu, unit: cpuUnit, digits: 2},
			{figure: clientCPU, unit: cpuUnit, digits: 2},
		},
		run: alone(runPace),
	},
	{
		name:  "expire",
		about: fmt.Sprintf("%d keys end within one second while others are set at a fixed pace", expireKeys),
		cast:  notStd,
		long:  true,
		rows:  expireRows(),
		run:   alone(runExpire),
	},
	{
		name:  "auth",
		about: "get and set random keys, with auth off and as a user",
		cast:  notStd,
		rows:  slices.Concat(authRows("get"), authRows("set")),
		run:   alone(runAuth),
	},
	{
		name:  "authflood",
		about: "get random keys as a user while others offer wrong passwords",
		cast:  notStd,
		long:  true,
		rows:  floodRows(),
		run:   alone(runAuthFlood),
	},
	{
		name:    "cput",
		about:   "set random keys on the leader of three",
		members: clusterSize,
		rows:    requestRows(floor{ratioAtLeast, 1.5}, row{}),
		run:     runClusterPut,
	},
	{
		name:    "cspread",
		about:   "set random keys on all of three members",
		members: clusterSize,
		rows:    requestRows(floor{ratioAtLeast, 1.5}, row{}),
		run:     runClusterPutSpread,
	},
	{
		name:    "cqget",
		about:   "get random keys with quorum=true from all of three members",
		members: clusterSize,
		rows:    requestRows(floor{ratioAtLeast, 2.5}, row{}),
		run:     runClusterQuorumGet,
	},
	{
		name:    "clone",
		about:   "set random keys on the leader of three, on one connection",
		members: clusterSize,
		cast:    notStd,
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
		cast:    notStd,
		rows:    outageRows(400),
		run:     runOutages(syscall.SIGKILL),
	},
	{
		name:    "cterm",
		about:   "SIGTERM to the leader of three, writers on the others",
		members: clusterSize,
		cast:    notStd,
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
