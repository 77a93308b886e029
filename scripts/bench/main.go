// Bench compares Keytree with etcd: it puts the same load on both, one after
// the other in alternating rounds, each round on a fresh process with a fresh
// directory, and prints what either did, the ratio, and whether Keytree
// reached its floor.
//
//	go run ./scripts/bench -run put,get -rounds 5
//
// The exit status is 1 when a scenario failed or missed its floor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// bench is what the flags say.
type bench struct {
	conns    int
	loops    int // goroutines that share the connections
	space    int
	keys     int
	watchers int
	warmup   time.Duration
	measured time.Duration
	paceKeys int
	paceRate int
	paceTime time.Duration

	kills      int
	rounds     int
	longRounds int
	timeout    time.Duration
	json       string
	scenarios  []scenario
	programs   []program
	placement  placement
}

func main() {
	b, err := parse(os.Args[1:])
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	good, err := b.main(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

func parse(args []string) (*bench, error) {
	b := &bench{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	run := fs.String("run", "all", "scenarios to run, separated by commas: "+strings.Join(names(), ","))
	only := fs.String("only", "", "measure only this server: keytree or etcd")
	keytree := fs.String("keytree", "bin/keytree", "Keytree's `program`")
	etcd := fs.String("etcd", "/usr/bin/etcd", "etcd's `program`")
	temp := fs.String("dir", os.TempDir(), "`directory` for the data of both servers")
	serverProcs := fs.Int("serverprocs", 2, "GOMAXPROCS of both servers")
	fs.IntVar(&b.loops, "loops", 2, "goroutines that put the load")
	fs.IntVar(&b.rounds, "rounds", 3, "rounds of each scenario")
	fs.IntVar(&b.longRounds, "longrounds", 1, "rounds of the scenarios that take minutes: load, pace, authflood")
	fs.DurationVar(&b.timeout, "timeout", time.Hour, "give up after this time")
	fs.StringVar(&b.json, "json", "", "write the figures of each round to this `file`")
	fs.IntVar(&b.conns, "conns", 64, "connections")
	seconds := fs.Float64("seconds", 5, "time to measure, where a scenario has no other")
	warmup := fs.Float64("warmup", 1, "seconds of load before measuring")
	fs.IntVar(&b.space, "space", 100_000, "keys to choose from")
	fs.IntVar(&b.keys, "keys", 1_000_000, "keys of the load scenario")
	fs.IntVar(&b.watchers, "watchers", 10_000, "watchers of the watch scenario")
	fs.IntVar(&b.paceKeys, "pacekeys", 500_000, "keys of the pace scenario")
	fs.IntVar(&b.paceRate, "pacerate", 2000, "requests per second of the pace scenario")
	fs.IntVar(&b.kills, "kills", 5, "leaders to end in each round of cfail and cterm")
	paceSeconds := fs.Float64("paceseconds", 60, "time of the pace scenario")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("what is %q?", fs.Arg(0))
	}
	b.measured, b.warmup, b.paceTime = duration(*seconds), duration(*warmup), duration(*paceSeconds)
	least := min(b.loops, *serverProcs, b.rounds, b.longRounds, b.conns, b.space, b.keys, b.watchers, b.paceKeys, b.paceRate, b.kills)
	if least < 1 || min(b.measured, b.warmup, b.paceTime) <= 0 {
		return nil, errors.New("numbers and times must be above 0")
	}
	if most := max(b.space+b.conns, b.keys, b.paceKeys); most > maxKeys {
		return nil, fmt.Errorf("there are no more than %d keys", maxKeys)
	}
	if b.watchers < b.loops {
		return nil, errors.New("too few watchers")
	}
	procs := []string{fmt.Sprintf("GOMAXPROCS=%d", *serverProcs)}
	b.programs = []program{
		{name: "keytree", path: *keytree, base: *temp, env: procs},
		{name: "etcd", path: *etcd, base: *temp, env: procs},
	}
	if *only != "" {
		b.programs = slices.DeleteFunc(b.programs, func(p program) bool { return p.name != *only })
		if len(b.programs) == 0 {
			return nil, fmt.Errorf("-only %s: there is only keytree or etcd", *only)
		}
	}
	var err error
	b.scenarios, err = choose(*run)
	return b, err
}

func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}

func names() (all []string) {
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return all
}

// choose returns the named scenarios, in our order.
func choose(run string) (chosen []scenario, err error) {
	if run == "all" {
		return scenarios, nil
	}
	wanted := strings.Split(run, ",")
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	for _, s := range scenarios {
		if slices.Contains(wanted, s.name) {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// main runs everything and prints the report, also of what was measured before
// ctx was done. It reports whether nothing failed.
func (b *bench) main(ctx context.Context) (good bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.timeout, fmt.Errorf("not finished after %v", b.timeout))
	defer cancel()
	runtime.GOMAXPROCS(b.loops + 1)
	// A server needs some files beside one for each watcher.
	need := uint64(b.watchers + 1000)
	if files, err := raiseFileLimit(need); err != nil {
		return false, err
	} else if files < need {
		return false, fmt.Errorf("%d watchers need a limit of %d open files; it is %d", b.watchers, need, files)
	}
	cpus, err := allowedCPUs()
	if err != nil {
		return false, err
	}
	b.placement = place(cpus)
	for i := range b.programs {
		p := &b.programs[i]
		if _, err := os.Stat(p.path); err != nil {
			return false, err
		}
		if p.base, err = os.MkdirTemp(p.base, "keytree-bench-"); err != nil {
			return false, err
		}
		defer os.RemoveAll(p.base)
	}
	r := &report{machine: describeMachine(b.programs), programs: b.programs, placement: b.placement}
	for _, s := range b.scenarios {
		if err = b.runScenario(ctx, s, r); err != nil {
			break
		}
	}
	good = r.print(os.Stdout, b.scenarios)
	if b.json != "" {
		err = errors.Join(err, r.writeJSON(b.json))
	}
	return good, err
}

// runScenario adds all rounds of s to r. A round that fails is an entry in r;
// an error is the end of ctx.
func (b *bench) runScenario(ctx context.Context, s scenario, r *report) error {
	rounds := b.rounds
	if s.long {
		rounds = b.longRounds
	}
	for round := 1; round <= rounds; round++ {
		for _, p := range b.programs {
			began := time.Now()
			f, err := b.runRound(ctx, s, p)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			e := entry{Scenario: s.name, Server: p.name, Round: round, Figures: f}
			if err != nil {
				e.Error = err.Error()
			}
			r.entries = append(r.entries, e)
			fmt.Fprintf(os.Stderr, "%s\t%s\tround %d/%d in %.0f s: %s\n",
				s.name, p.name, round, rounds, time.Since(began).Seconds(), e.summary(s))
		}
	}
	return nil
}

func (b *bench) runRound(ctx context.Context, s scenario, p program) (f figures, err error) {
	cpus := ""
	if s.members > 0 {
		cpus = b.placement.members
		if err := pin(b.placement.load); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, pin(b.placement.all)) }()
	}
	c, err := p.start(ctx, max(s.members, 1), cpus)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	f, err = s.run(ctx, b, c)
	return f, c.explain(err)
}
