// Conformance runs Keytree and etcd side by side and compares every answer.
//
// It plays the recorded scenarios to both, looks at the places where Keytree
// departs from etcd on purpose, and then feeds both with the same random
// requests. With users, roles and guests in every standing it asks both who
// may do what (the auth matrix), and sends random operations on security.
// Only differences named in docs/compatibility.md are accepted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"keytree/scripts/process"
)

type options struct {
	etcd, keytree string
	engine        string
	golden        string
	dir           string
	only          string
	ops           int
	round         int
	seed          uint64
	parallel      int
	authSample    int
	authOps       int
	full          bool
}

func main() {
	var o options
	flag.StringVar(&o.keytree, "keytree", "bin/keytree", "Keytree `binary`")
	flag.StringVar(&o.engine, "http-engine", "lean", "what Keytree reads requests with, lean or std")
	flag.StringVar(&o.etcd, "etcd", "/usr/bin/etcd", "etcd 3.4 `binary`")
	flag.StringVar(&o.golden, "golden", "httpapi/testdata/golden", "`directory` with the recorded scenarios")
	flag.StringVar(&o.dir, "dir", "", "`directory` for the servers' data (default: the system's for temporary files)")
	flag.StringVar(&o.only, "only", "*", "play only scenarios whose name matches the `pattern`; \"\" for none")
	flag.IntVar(&o.ops, "ops", 20000, "random operations")
	flag.IntVar(&o.round, "round", 5000, "random operations per pair of fresh servers")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of the first round, the next ones count on (default: drawn)")
	flag.IntVar(&o.parallel, "parallel", 4, "pairs of servers at the same time")
	flag.IntVar(&o.authSample, "authsample", 1000, "questions of the auth matrix for which etcd runs bcrypt; five times as many are asked for which it does not")
	flag.BoolVar(&o.full, "full", false, "ask all questions of the auth matrix; etcd takes twenty minutes for it on four cores")
	flag.IntVar(&o.authOps, "authops", 400, "random operations on security")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ok, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// A task needs a fresh pair of servers and compares them.
type task struct {
	name     string
	replay   string
	size     int // exchanges, about
	openCORS bool
	run      func(ctx context.Context, p *pair, r *report) error
}

func run(ctx context.Context, o options) (ok bool, err error) {
	b := &bench{etcd: o.etcd, keytree: o.keytree, engine: o.engine}
	if b.etcdArgs, err = process.V2Flags(ctx, o.etcd); err != nil {
		return false, err
	}
	if b.keytreeArgs, err = process.V2Flags(ctx, o.keytree); err != nil {
		return false, err
	}
	if b.dir, err = os.MkdirTemp(o.dir, "keytree-conformance-"); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1e9
	}
	r := newReport(os.Stdout, departures(), func() bool { return ctx.Err() != nil })
	r.print("seed %d\n", o.seed)
	tasks, err := plan(o, r)
	if err != nil {
		return false, err
	}
	work(ctx, b, o.parallel, tasks, r)
	if ctx.Err() != nil {
		return false, errors.New("interrupted")
	}
	return r.summary(), nil
}

// plan lists what is to be done, the long tasks first.
func plan(o options, r *report) ([]task, error) {
	if _, err := path.Match(o.only, ""); err != nil {
		return nil, err
	}
	match := func(name string) bool {
		matches, _ := path.Match(o.only, name) // the pattern was checked above
		return matches
	}
	tasks := authTasks(o, match, r)
	for at, seed := 0, o.seed; at < o.ops; at, seed = at+o.round, seed+1 {
		ops := min(o.round, o.ops-at)
		replay := fmt.Sprintf(`-only "" -seed %d -ops %d -round %d`, seed, ops, ops)
		tasks = append(tasks, task{fmt.Sprintf("seed %d", seed), replay, ops, false,
			func(ctx context.Context, p *pair, r *report) error {
				return newPlayer(seed, p, r, replay).play(ctx, ops)
			}})
	}
	if o.only == "" {
		return tasks, nil
	}
	scenarios, err := loadScenarios(o.golden)
	if err != nil {
		return nil, err
	}
	for _, s := range append(scenarios, crafted()...) {
		if match(s.name) {
			tasks = append(tasks, task{s.name, s.replay(), s.count(), s.openCORS, s.play})
		}
	}
	for _, g := range growths() {
		if match(g.name) {
			tasks = append(tasks, task{g.name, "-only " + g.name, 2, false, g.play})
		}
	}
	return tasks, nil
}

// authTasks lists what is to be done about users and roles.
func authTasks(o options, match func(string) bool, r *report) []task {
	tasks, d := matrixTasks(sample{seed: o.seed, dear: o.authSample, full: o.full}, match)
	if len(tasks) > 0 {
		r.print("auth matrix: %d of %d questions for which etcd runs bcrypt, %d of %d others\n", d.dear, d.allDear, d.cheap, d.allCheap)
	}
	return append(tasks, sequenceTasks(o.seed, o.authOps, match)...)
}

// work runs the tasks, some at a time, and says how far it is.
func work(ctx context.Context, b *bench, parallel int, tasks []task, r *report) {
	total := 0
	queue := make(chan task, len(tasks))
	for _, t := range tasks {
		total += t.size
		queue <- t
	}
	close(queue)
	var wg sync.WaitGroup
	for range parallel {
		wg.Go(func() {
			for t := range queue {
				if ctx.Err() == nil {
					b.perform(ctx, t, r)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	progress(r, total, finished)
}

func (b *bench) perform(ctx context.Context, t task, r *report) {
	p, err := b.start(ctx, !t.openCORS)
	if err == nil {
		err = errors.Join(t.run(ctx, p, r), p.close())
	}
	if err != nil && ctx.Err() == nil {
		r.fail(t.name, t.replay, err)
	}
}

// progress shows a bar on a terminal and a line now and then elsewhere.
func progress(r *report, total int, finished <-chan struct{}) {
	every, terminal := 5*time.Second, false
	if s, err := os.Stdout.Stat(); err == nil && s.Mode()&os.ModeCharDevice != 0 {
		every, terminal = 200*time.Millisecond, true
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-finished:
			if terminal {
				r.print("\r\033[K")
			}
			return
		case <-tick.C:
			done := min(r.done(), total)
			if !terminal {
				r.print("%d of %d\n", done, total)
				continue
			}
			const width = 40
			full := width * done / max(total, 1)
			r.print("\r[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(".", width-full), done, total)
		}
	}
}
