package main

import (
	"math"
	"testing"
)

func TestAVerdictSaysWhetherAFloorIsReached(t *testing.T) {
	none := math.NaN()
	for _, test := range []struct {
		floor                floor
		ours, theirs, scaled float64
		want                 verdict
	}{
		{floor{}, 1, 1, none, unjudged},
		{floor{ratioAtLeast, 2}, 20, 10, none, passed},
		{floor{ratioAtLeast, 2}, 19, 10, none, missed},
		{floor{ratioAtLeast, 2}, 20, none, none, open},
		{floor{ratioAtLeast, 2}, 20, 0, none, open},
		{floor{ratioAtMost, .8}, 8, 10, none, passed},
		{floor{ratioAtMost, .8}, 9, 10, none, missed},
		{floor{ratioAtMost, .8}, 9, 10, .1, missed},
		{floor{oursAtMost, .8}, .8, none, none, passed},
		{floor{oursAtMost, .8}, .9, none, none, missed},
		{floor{oursAtMost, .8}, .9, 1, .8, passed},
		{floor{oursAtMost, .8}, .8, 1, .9, passed},
		{floor{oursAtMost, .8}, .9, 1, .9, missed},
		{floor{oursAtMost, .8}, none, 1, none, open},
		{floor{oursAtLeast, 50}, 50, none, none, passed},
		{floor{oursAtLeast, 50}, 49, 1, none, missed},
	} {
		if got := test.floor.judge(comparison{test.ours, test.theirs, test.scaled}); got != test.want {
			t.Errorf("%v against %v, etcd %v, scaled %v: %q, want %q", test.floor, test.ours, test.theirs, test.scaled, got, test.want)
		}
	}
}

func TestAFloorOfOursAtLeast(t *testing.T) {
	f := floor{oursAtLeast, 50}
	if f.reached(49, 0) || !f.reached(50, 0) || f.needsRatio() {
		t.Error("a floor of 50 is reached at 50, whatever etcd does")
	}
}

// On a machine where etcd needs twice what it needs on the reference machine,
// Keytree may need twice as much too.
func TestFiguresAreScaledByWhatEtcdCostsHere(t *testing.T) {
	for _, test := range []struct {
		by          yardstick
		ours, etcds float64
		want        float64
	}{
		{byGets, 1.5, 4, .75},
		{byPuts, 4, 8.8, 2},
		{byPuts, 2, 2.2, 4},
	} {
		if got := test.by.scale(test.ours, test.etcds); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%v beside etcd's %v is scaled to %v, want %v", test.ours, test.etcds, got, test.want)
		}
	}
	for _, got := range []float64{noYardstick.scale(1, 1), byGets.scale(1, 0), byGets.scale(1, math.NaN())} {
		if !math.IsNaN(got) {
			t.Errorf("scaled to %v by nothing", got)
		}
	}
}

func TestTheFloorsAreThoseOfTheReferenceMachine(t *testing.T) {
	if byGets.seconds() != 2 || byPuts.seconds() != 4.4 || byGets.scenario() != "get" || byPuts.scenario() != "put" {
		t.Error("the reference machine is one where etcd needs 2.0 s for 100,000 GETs and 4.4 s for as many PUTs")
	}
}
