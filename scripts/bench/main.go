// Bench compares Keytree with etcd: it puts the same load on them, one
// after the other in alternating rounds, each round on a fresh process with a fresh
// directory, and prints what each did, the ratios, and whether Keytree reached
// its floors. Keytree is measured with both its HTTP engines; what counts is
// the default one.
//
//	go run ./scripts/bench -run put,get -rounds 5
//
// With -growth it also measures how costs change as there are more keys and
// watchers, and with -report it writes all of it as a page with plots.
//
// The exit status is 1 when a scenario failed or missed a floor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

func main() {
	b, err := parse(os.Args[1:])
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(2)
	}
	if b.tick {
		tick()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	act := b.main
	if b.redraw {
		act = b.redrawn
	}
	good, err := act(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

// main runs everything and prints the report, also of what was measured before
// ctx was done. It reports whether nothing failed; where a page is written, the
// verdicts are in there, and none of them is a failure of the run.
func (b *bench) main(ctx context.Context) (good bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.timeout, fmt.Errorf("not finished after %v", b.timeout))
	defer cancel()
	removeAll, err := b.prepare()
	defer removeAll()
	if err != nil {
		return false, err
	}
	r := &report{Taken: time.Now(), Machine: describeMachine(b.programs[0].base), Subjects: describe(b.programs), Placement: b.placement.String()}
	if err = b.runScenarios(ctx, r); err == nil && b.growth {
		err = b.grow(ctx, r)
	}
	good = r.print(os.Stdout)
	if b.json != "" {
		err = errors.Join(err, r.writeJSON(b.json))
	}
	if b.report != "" && err == nil {
		err = r.document(b.report)
	}
	return good || b.report != "", err
}

// spareFiles is how many files a server needs beside one for each watcher.
const spareFiles = 1000

// prepare readies this process and a directory for each program.
func (b *bench) prepare() (removeAll func(), err error) {
	removeAll = func() {}
	runtime.GOMAXPROCS(b.loops + 1)
	files, err := raiseFileLimit(uint64(slices.Max(append(slices.Clone(b.crowds), b.watchers, b.throng)) + spareFiles))
	if err != nil {
		return removeAll, err
	}
	b.mostConns = int(files) - spareFiles
	if b.watchers > b.mostConns {
		return removeAll, fmt.Errorf("%d watchers need a limit of %d open files; it is %d", b.watchers, b.watchers+spareFiles, files)
	}
	cpus, err := allowedCPUs()
	if err != nil {
		return removeAll, err
	}
	b.placement = place(cpus)
	base, err := os.MkdirTemp(b.programs[0].base, "keytree-bench-")
	if err != nil {
		return removeAll, err
	}
	removeAll = func() { _ = os.RemoveAll(base) } // what is left is in a directory for temporary files
	for i := range b.programs {
		p := &b.programs[i]
		if _, err := os.Stat(p.path); err != nil {
			return removeAll, err
		}
		p.base = base
	}
	return removeAll, nil
}

// runScenarios adds all rounds to r. A round that fails is an entry in r; an
// error is the end of ctx.
func (b *bench) runScenarios(ctx context.Context, r *report) error {
	done, total := 0, 0
	for _, s := range b.scenarios {
		total += b.roundsOf(s) * len(b.castOf(s))
	}
	for _, s := range b.scenarios {
		for round := 1; round <= b.roundsOf(s); round++ {
			for _, p := range b.castOf(s) {
				began := time.Now()
				f, err := b.runRound(ctx, s, p)
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				e := entry{Scenario: s.name, Server: p.name, Round: round, Figures: f}
				if err != nil {
					e.Error = err.Error()
				}
				r.Rounds = append(r.Rounds, e)
				done++
				fmt.Fprintf(os.Stderr, "%d/%d\t%s\t%s\tround %d/%d in %.0f s: %s\n",
					done, total, s.name, p.name, round, b.roundsOf(s), time.Since(began).Seconds(), e.summary(s))
			}
		}
	}
	return nil
}

func (b *bench) roundsOf(s scenario) int {
	if s.long {
		return b.longRounds
	}
	return b.rounds
}

// castOf is the programs that s is run on.
func (b *bench) castOf(s scenario) (all []program) {
	for _, p := range b.programs {
		if s.cast.has(p.name) {
			all = append(all, p)
		}
	}
	return all
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
	return f, c.explain(errors.Join(err, f.check()))
}

// check makes sure that all figures are numbers.
func (f figures) check() error {
	for name, v := range f {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s is %v", name, v)
		}
	}
	return nil
}

// redrawn writes the document anew from what a run has stored.
func (b *bench) redrawn(context.Context) (good bool, err error) {
	r, err := readReport(filepath.Join(b.report, dataFile))
	if err != nil {
		return false, err
	}
	return true, r.document(b.report)
}
