package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
)

func damageScenarios() []scenario {
	var all []scenario
	for _, s := range []specimen{
		{"damage-stopped", 3, false}, {"damage-killed", 3, true},
		{"damage-alone-stopped", 1, false}, {"damage-alone-killed", 1, true},
	} {
		all = append(all, scenario{s.name, true, s.run})
	}
	return all
}

// A specimen says which data directories are damaged: those of a cluster or of
// a single member, ended with SIGTERM or with SIGKILL.
type specimen struct {
	name    string
	members int
	killed  bool
}

const (
	handful      = 2 // damages that each laboratory tries in the short run
	laboratories = 3 // at work at the same time
)

// A verdict is what became of a damaged member.
type verdict struct {
	damage  damage
	refused bool
	said    string // by the member
	fault   string
}

func (v verdict) String() string {
	switch {
	case v.fault != "":
		return fmt.Sprintf("%v: %s", v.damage, v.fault)
	case v.refused:
		return fmt.Sprintf("%v: refused: %.400s", v.damage, v.said)
	}
	return fmt.Sprintf("%v: serves", v.damage)
}

// run tries all damages, spread over laboratories.
func (s specimen) run(ctx context.Context, t *trial) error {
	verdicts, failures := make(chan verdict), make(chan error, laboratories)
	var wg sync.WaitGroup
	for n := range laboratories {
		wg.Go(func() {
			if err := s.work(ctx, t, n, verdicts); err != nil {
				failures <- err
			}
		})
	}
	go func() {
		wg.Wait()
		close(verdicts)
		close(failures)
	}()
	refused, served := 0, 0
	for v := range verdicts {
		t.progress(v.String())
		switch {
		case v.fault != "":
			t.fault("%v", v)
		case v.refused:
			refused++
		default:
			served++
		}
	}
	t.note("%d damages: %d refused, %d harmless or repaired", refused+served+len(t.faults), refused, served)
	var err error
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	return err
}

// work is one laboratory: it makes a specimen of its own and tries its share
// of the damages.
func (s specimen) work(ctx context.Context, t *trial, n int, verdicts chan<- verdict) (err error) {
	l := &laboratory{
		specimen: s, dir: filepath.Join(t.dir, fmt.Sprintf("lab%d", n)),
		record: newRecord(), r: rand.New(rand.NewPCG(t.seed, uint64(n))), ever: make(map[string]string),
	}
	if l.cluster, err = newCluster(t.keytree, t.args, l.dir, t.ports, s.members); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.cluster.kill()) }()
	if err := l.collect(ctx); err != nil {
		return fmt.Errorf("laboratory %d: %w", n, err)
	}
	l.victim = l.cluster.all()[n%s.members]
	all, err := damages(l.kept(l.victim), l.r)
	if err != nil {
		return err
	}
	if !t.long {
		l.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:min(len(all), handful*laboratories)]
	}
	for i, d := range all {
		if i%laboratories == n && ctx.Err() == nil {
			verdicts <- l.try(ctx, d)
		}
	}
	return ctx.Err()
}
