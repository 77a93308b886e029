package main

import (
	"strings"
	"testing"
)

// steady are n frames of so many milliseconds.
func steady(n int, ms float64) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = ms
	}
	return list
}

func TestAQuantileIsAValueOfTheList(t *testing.T) {
	list := []float64{5, 1, 4, 2, 3}
	for _, test := range []struct{ share, want float64 }{{0, 1}, {0.5, 3}, {0.95, 5}, {1, 5}} {
		if got := quantile(list, test.share); got != test.want {
			t.Errorf("%v: got %v, want %v", test.share, got, test.want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("got %v of nothing", got)
	}
}

func TestScrollingIsSmoothWhenFewFramesAreLate(t *testing.T) {
	for _, test := range []struct {
		name   string
		frames frames
		want   string
	}{
		{"all in time", frames{steady(100, 17), 60}, ""},
		{"four of a hundred late", frames{append(steady(96, 17), steady(4, 300)...), 60}, ""},
		{"six of a hundred late", frames{append(steady(94, 17), steady(6, 300)...), 60}, "more than 300 ms"},
		{"it stood still", frames{steady(3, 17), 60}, "only 3 frames"},
		{"all rows drawn", frames{steady(100, 17), 100_000}, "100000 rows"},
	} {
		err := test.frames.faults()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}
