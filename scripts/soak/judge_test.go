package main

import (
	"math/rand/v2"
	"testing"
	"time"
)

// series makes n points, a second apart.
func series(n int, value func(i int) float64) (points []point) {
	for i := range n {
		points = append(points, point{time.Duration(i) * time.Second, value(i)})
	}
	return points
}

func TestFiguresAreJudgedByWhetherTheyRise(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := func(of float64) float64 { return of * (2*rnd.Float64() - 1) }
	limit := bound{share: .05, least: 2}
	for _, tt := range []struct {
		name  string
		value func(i int) float64
		flat  bool
	}{
		{"the same all the time", func(int) float64 { return 100 }, true},
		{"noise of a third", func(int) float64 { return 100 + noise(33) }, true},
		{"a sawtooth of many teeth", func(i int) float64 { return 100 + float64(i%12)*5 }, true},
		{"a sawtooth of three teeth", func(i int) float64 { return 100 + float64(i%80) }, true},
		{"a sawtooth that ends in the middle of a tooth", func(i int) float64 { return 100 + float64(i%95) }, true},
		{"falling", func(i int) float64 { return 300 - float64(i) }, true},
		{"a few wild values", func(i int) float64 { return 100 + float64(i%10/9)*5000 }, true},
		{"a step up that comes down again", func(i int) float64 { return 100 + 40*float64(i/60%2) }, true},
		{"slowly up, but within what is allowed", func(i int) float64 { return 100 + float64(i)/60 }, true},
		{"rising", func(i int) float64 { return 100 + float64(i)/10 }, false},
		{"rising in noise", func(i int) float64 { return 100 + float64(i)/4 + noise(10) }, false},
		{"a sawtooth that rises", func(i int) float64 { return 100 + float64(i%12)*5 + float64(i)/4 }, false},
		{"steps up that stay", func(i int) float64 { return 100 + 20*float64(i/40) }, false},
		{"from nothing", func(i int) float64 { return float64(i) / 10 }, false},
	} {
		v := judge("n1", "RSS", series(240, tt.value), limit)
		if v.flat != tt.flat {
			t.Errorf("%s: flat %v, want %v: %v", tt.name, v.flat, tt.flat, v)
		}
	}
}

func TestAFigureMayGrowUntilItsCachesAreFull(t *testing.T) {
	filling := series(240, func(i int) float64 { return 50 + float64(i)/10 })
	for fill, want := range map[float64]bool{0: false, 60: false, 80: true} {
		if v := judge("n1", "RSS", filling, bound{share: .05, least: 2, fill: fill}); v.flat != want {
			t.Errorf("with caches of %v: flat %v, want %v: %v", fill, v.flat, want, v)
		}
	}
}

func TestGrowthIsToldPerDay(t *testing.T) {
	v := judge("n1", "RSS", series(241, func(i int) float64 { return 100 + float64(i)/24 }), bound{least: 1})
	if v.growth < 9.9 || v.growth > 10.1 {
		t.Errorf("growth %v, want 10", v.growth)
	}
	if v.perDay < 3590 || v.perDay > 3610 {
		t.Errorf("%v a day, want 3600", v.perDay)
	}
}

func TestTooFewSamplesAreNotFlat(t *testing.T) {
	if v := judge("n1", "RSS", series(fewest-1, func(int) float64 { return 1 }), bound{least: 5}); v.flat {
		t.Errorf("%v", v)
	}
}
