package main

import (
	"context"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestAMemberRestsWhenItTakesLittle(t *testing.T) {
	const mb = 1 << 20
	p := pace{taken: 5 * mb}
	for i, step := range []struct {
		taken          uint64
		rests, changed bool
	}{
		{6 * mb, true, true}, {7 * mb, true, false},
		{24 * mb, false, true}, {100 * mb, false, false},
		{116 * mb, true, true}, {132 * mb, true, false}, {132 * mb, true, false},
	} {
		if rests, changed := p.look(step.taken); rests != step.rests || changed != step.changed {
			t.Errorf("step %d: rests %v, changed %v", i, rests, changed)
		}
	}
}

var held [][]byte // keeps memory from being given on the stack

func TestTheCollectorKeepsLessWhileAMemberRests(t *testing.T) {
	t.Setenv("GOGC", "")
	busy := debug.SetGCPercent(90)
	defer debug.SetGCPercent(busy)
	percent := func() int { return int(figure("/gc/gogc:percent")) }
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		go func() { _ = rest(ctx) }()
		next := func() {
			time.Sleep(restEvery)
			synctest.Wait()
		}
		time.Sleep(restEvery / 2)
		for i, step := range []struct{ take, percent int }{{0, restPercent}, {0, restPercent}, {2 * restful, 90}, {2 * restful, 90}, {0, restPercent}} {
			held = append(held[:0], make([]byte, step.take))
			if next(); percent() != step.percent {
				t.Errorf("step %d: %d%%, want %d%%", i, percent(), step.percent)
			}
		}
		stop()
	})
	held = nil
}

func TestWhoSetsGOGCHasDecided(t *testing.T) {
	t.Setenv("GOGC", "150")
	busy := debug.SetGCPercent(150)
	defer debug.SetGCPercent(busy)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		ended := false
		go func() { _ = rest(ctx); ended = true }()
		time.Sleep(10 * restEvery)
		synctest.Wait()
		if ended { // which would end the member
			t.Error("it ends before the member does")
		}
		stop()
	})
	if p := debug.SetGCPercent(150); p != 150 {
		t.Errorf("the collector is at %d%%", p)
	}
}
