package main

import (
	"maps"
	"math"
	"testing"

	"keytree/scripts/bench/plot"
)

func TestARiseIsHeldAgainstTheLeastAtASmallerSize(t *testing.T) {
	for _, test := range []struct {
		about  string
		points []plot.Point
		want   float64
	}{
		{"is 1 where all is the same", []plot.Point{{X: 1e4, Y: 2}, {X: 1e5, Y: 2}}, 1},
		{"does not count what is below the first size", []plot.Point{{X: 1e3, Y: 1}, {X: 1e4, Y: 2}, {X: 1e5, Y: 3}}, 1.5},
		{"is from the least, not the first", []plot.Point{{X: 1e4, Y: 10}, {X: 1e5, Y: 2}, {X: 1e6, Y: 3}}, 1.5},
		{"is the most on the way", []plot.Point{{X: 1e4, Y: 1}, {X: 1e5, Y: 3}, {X: 1e6, Y: 2}}, 3},
		{"may be a fall", []plot.Point{{X: 1e4, Y: 4}, {X: 1e5, Y: 2}, {X: 1e6, Y: 1}}, .5},
		{"is not known from one size", []plot.Point{{X: 1e3, Y: 1}, {X: 1e4, Y: 2}}, math.NaN()},
	} {
		got := rise(test.points)
		if got != test.want && !(math.IsNaN(got) && math.IsNaN(test.want)) {
			t.Errorf("a rise %s: %v, want %v", test.about, got, test.want)
		}
	}
}

func TestFlatIsUpToThirtyPercent(t *testing.T) {
	judged, told := growthRows(byWatchers)[0], row{figure: fillRate}
	at := func(y float64) []plot.Point { return []plot.Point{{X: 1e4, Y: 10}, {X: 1e5, Y: y}} }
	for _, test := range []struct {
		row    row
		points []plot.Point
		want   verdict
	}{
		{judged, at(13), passed},
		{judged, at(13.1), missed},
		{judged, at(13)[:1], open},
		{told, at(100), unjudged},
	} {
		if got := flatness(test.row, test.points); got != test.want {
			t.Errorf("%s at %v is %q, want %q", test.row.figure, test.points, got, test.want)
		}
	}
}

func TestCostAndBytesHaveToStayFlatOnEveryCurve(t *testing.T) {
	for curve, want := range map[string]int{byKeys: 5, byWatchers: 4, bySharers: 4} {
		judged := 0
		for _, row := range growthRows(curve) {
			judged += len(row.floors())
		}
		if judged != want {
			t.Errorf("%d figures of growth by %s are judged, want %d", judged, curve, want)
		}
	}
}

// A server of 10,000 keys is its own reference; none is started for it.
func TestOnlyKeytreeWithMoreKeysNeedsAReference(t *testing.T) {
	for _, test := range []struct {
		server string
		keys   int
		want   figures
	}{
		{leanName, flatFrom - 1, figures{}},
		{leanName, flatFrom, figures{againstFlat("GET"): 1, againstFlat("PUT"): 1, againstFlat("list"): 1}},
		{etcdName, 10 * flatFrom, figures{}},
	} {
		r, f := newReference(&bench{}, program{name: test.server}), figures{}
		if err := r.compare(t.Context(), nil, test.keys, f); err != nil || !maps.Equal(f, test.want) || r.cluster != nil {
			t.Errorf("%s with %d keys: %v, %v", test.server, test.keys, f, err)
		}
	}
}

func TestNumbersAreGrouped(t *testing.T) {
	for n, want := range map[int]string{1: "1", 999: "999", 1000: "1,000", 12345: "12,345", 5_000_000: "5,000,000"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestADiskWithoutRoomIsNotFilled(t *testing.T) {
	if err := room(t.TempDir(), 1<<50/keyRoom); err == nil {
		t.Error("there is room for a petabyte")
	}
}
