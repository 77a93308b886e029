package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"keytree/scripts/process"
)

const (
	workers    = 16
	polls      = 24
	streams    = 16
	slowOnes   = 6
	strangers  = 10
	restartFor = 2. / 5 // of the time
	warmup     = 1. / 3 // of what is left
	settleTime = 2 * time.Second
	leaveTime  = 5 * time.Second
)

// A soak is one run.
type soak struct {
	options
	total    time.Duration
	fleet    *fleet
	log      *journal
	workers  []*worker
	progress *progress
	before   []sample // of each member, before anybody came
	after    []sample // when all had left
	quiet    time.Duration
	loaded   time.Duration // when the load ended
}

// run reports whether all is well. An error means that it could not be found
// out.
func run(ctx context.Context, o options) (good bool, err error) {
	dir, err := os.MkdirTemp(o.dir, "keytree-soak-")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := newFleet(o.keytree, dir, o.members)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.kill()) }()
	s := &soak{options: o, fleet: f, log: &journal{}, total: time.Duration(o.minutes * float64(time.Minute))}
	s.progress = newProgress(s.total)
	s.progress.say("seed %d, %d members, %v", o.seed, o.members, s.total)
	if err := f.start(ctx); err != nil {
		return false, err
	}
	if s.before, err = s.look(ctx, settleTime); err != nil {
		return false, err
	}
	if err := s.load(ctx); err != nil {
		return false, err
	}
	if s.after, err = s.look(ctx, leaveTime); err != nil {
		return false, err
	}
	if err := s.audit(ctx); err != nil {
		return false, err
	}
	return s.verdict(), nil
}

// look takes a sample of each member after a while.
func (s *soak) look(ctx context.Context, after time.Duration) (list []sample, err error) {
	pause(ctx, after)
	for _, m := range s.fleet.members {
		one, err := takeSample(ctx, m.running(), m.config.Dir)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// load puts the load for the whole time, with restarts in the first part of
// it, and samples.
func (s *soak) load(ctx context.Context) error {
	loading, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(nil)
	s.begin(loading, &wg)
	wg.Go(func() {
		if err := s.restarts(loading); err != nil {
			stop(err)
		}
	})
	began := time.Now()
	tick := time.NewTicker(max(s.total/240, 250*time.Millisecond))
	defer tick.Stop()
	for time.Since(began) < s.total {
		select {
		case <-loading.Done():
			return context.Cause(loading)
		case <-tick.C:
		}
		if err := s.fleet.sample(loading); err != nil {
			return err
		}
		s.progress.at(time.Since(began), s.log)
	}
	s.loaded = time.Since(s.fleet.began)
	return nil
}

// begin brings all clients.
func (s *soak) begin(ctx context.Context, wg *sync.WaitGroup) {
	addrs := s.fleet.addrs()
	for i := range workers {
		w := newWorker(i, s.seed, addrs, s.log)
		s.workers = append(s.workers, w)
		wg.Go(func() { w.run(ctx, time.Second*workers/time.Duration(s.rate)) })
	}
	for i := range polls + streams + slowOnes {
		w := &watcher{
			rnd: rand.New(rand.NewPCG(s.seed, uint64(1000+i))), addrs: addrs, dirs: workers, log: s.log,
			stream: i >= polls, slow: i >= polls+streams,
		}
		wg.Go(func() { w.run(ctx) })
	}
	for i := range strangers {
		one := &stranger{rnd: rand.New(rand.NewPCG(s.seed, uint64(2000+i))), addrs: addrs}
		wg.Go(func() { one.run(ctx) })
	}
}

// restarts restarts one member after the other, in turn by SIGTERM and by
// kill -9, while there is time for it.
func (s *soak) restarts(ctx context.Context) error {
	span := time.Duration(restartFor * float64(s.total))
	count := min(40, max(2, len(s.fleet.members), int(span/time.Minute)))
	for n := range count {
		pause(ctx, span/time.Duration(count+1))
		if ctx.Err() != nil {
			return nil
		}
		m := s.fleet.members[n%len(s.fleet.members)]
		how, word := (*process.Server).Stop, "SIGTERM"
		if n%2 == 1 {
			how, word = (*process.Server).Kill, "kill -9"
		}
		began := time.Now()
		if err := m.end(how); err != nil {
			return err
		}
		ended := time.Now()
		if err := m.start(ctx); err != nil {
			return fmt.Errorf("start after %s: %w", word, err)
		}
		s.progress.say("%7s  %s: %s took %v, the start %v", time.Since(s.fleet.began).Round(time.Second), m.config.Name,
			word, ended.Sub(began).Round(time.Millisecond), time.Since(ended).Round(time.Millisecond))
	}
	s.quiet = time.Since(s.fleet.began)
	return nil
}

// audit kills all members, and reads what they have kept.
func (s *soak) audit(ctx context.Context) error {
	if err := s.fleet.kill(); err != nil {
		return err
	}
	if err := s.fleet.start(ctx); err != nil {
		return fmt.Errorf("start after the last kill: %w", err)
	}
	for _, w := range s.workers {
		w.session.move()
		err := errors.Join(w.list(ctx), w.recount(ctx, w.dir()+"/queue"))
		w.session.close()
		if err != nil {
			return fmt.Errorf("read what was kept: %w", err)
		}
	}
	return nil
}

// verdict prints everything and reports whether all is well.
func (s *soak) verdict() bool {
	good := true
	begin := s.quiet + time.Duration(warmup*float64(s.loaded-s.quiet))
	for _, m := range s.fleet.members {
		printSamples(os.Stdout, m.config.Name, m.samples())
	}
	fmt.Printf("\njudged from %v to %v\n", begin.Round(time.Second), s.loaded.Round(time.Second))
	for i, m := range s.fleet.members {
		for _, f := range figures() {
			var points []point
			for _, one := range m.samples() {
				if one.at >= begin {
					points = append(points, point{one.at, f.of(one)})
				}
			}
			v := judge(m.config.Name, f.name, points, f.bound)
			good = good && v.flat
			fmt.Println(v)
		}
		good = leftBehind(m.config.Name, s.before[i], s.after[i]) && good
	}
	fmt.Println(s.log)
	for _, fault := range s.log.faults() {
		fmt.Println("FAULT", fault)
		good = false
	}
	return good
}

// What may be left when all clients are gone: more files of the engines, and
// what serves them.
const (
	leftGoroutines = 15
	leftFiles      = 60
)

// leftBehind reports whether all that came for the clients has gone with them.
func leftBehind(who string, before, after sample) bool {
	good := after.goroutines <= before.goroutines+leftGoroutines && after.files <= before.files+leftFiles
	word := "gone"
	if !good {
		word = "LEFT BEHIND"
	}
	fmt.Printf("%-8s before the clients came and after they left: goroutines %.0f, %.0f; files %.0f, %.0f   %s\n",
		who, before.goroutines, after.goroutines, before.files, after.files, word)
	return good
}
