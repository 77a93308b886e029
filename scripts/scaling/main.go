// Scaling measures what learners and proxies take off a cluster: one voter,
// two learners and two proxies on this machine, writes and reads and a crowd
// of watchers at one or the other. docs/scaling.md shows its table and what
// follows from it.
//
//	go run ./scripts/scaling -keytree bin/keytree
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	var p plan
	flag.StringVar(&p.binary, "keytree", "bin/keytree", "the `program` to measure")
	flag.IntVar(&p.watchers, "watchers", 2000, "watchers of one directory")
	flag.IntVar(&p.events, "events", 100, "events they are to get")
	flag.DurationVar(&p.pause, "pause", 20*time.Millisecond, "between two events")
	flag.IntVar(&p.requests, "requests", 50_000, "writes, and reads")
	flag.IntVar(&p.value, "value", 128, "bytes of a value")
	limit := flag.Duration("timeout", 10*time.Minute, "give up after this time")
	flag.Parse()
	ctx, stop := context.WithTimeout(context.Background(), *limit)
	defer stop()
	if err := p.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
}

// plan is what to measure.
type plan struct {
	binary                            string
	watchers, events, requests, value int
	pause                             time.Duration
}

func (p plan) run(ctx context.Context) error {
	f, err := found(ctx, p.binary)
	if err != nil {
		return err
	}
	defer f.close()
	fmt.Printf("%-44s %14s %14s %14s\n", "", "voter", "learners", "proxies")
	if err := p.measureRequests(ctx, f, "PUT", "voter alone", f.voter); err != nil {
		return err
	}
	for _, name := range []string{"learner1", "learner2"} {
		if err := f.addLearner(ctx, name); err != nil {
			return err
		}
	}
	for _, q := range []struct {
		method, what string
		at           *part
	}{
		{"PUT", "voter, with 2 learners", f.voter},
		{"PUT", "a learner", f.learners[0]},
		{"GET", "voter", f.voter},
		{"GET", "a learner", f.learners[0]},
	} {
		if err := p.measureRequests(ctx, f, q.method, q.what, q.at); err != nil {
			return err
		}
	}
	for _, name := range []string{"plain1", "plain2"} {
		if err := f.addProxy(ctx, name); err != nil {
			return err
		}
	}
	plain := f.proxies
	if err := p.measureRequests(ctx, f, "GET", "a proxy", plain[0]); err != nil {
		return err
	}
	f.proxies = nil
	for _, name := range []string{"shared1", "shared2"} {
		if err := f.addProxy(ctx, name, "--proxy-fanout"); err != nil {
			return err
		}
	}
	shared := f.proxies
	for _, q := range []struct {
		what    string
		at      []*part
		proxies []*part
	}{
		{"the voter", []*part{f.voter}, nil},
		{"2 learners", f.learners, nil},
		{"2 proxies", plain, plain},
		{"2 proxies with --proxy-fanout", shared, shared},
	} {
		f.proxies = q.proxies
		if err := p.measureWatchers(ctx, f, q.what, q.at); err != nil {
			return err
		}
	}
	return nil
}
