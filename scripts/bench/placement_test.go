package main

import (
	"slices"
	"testing"
)

func TestTheLoadStaysAwayFromTheMembersWhereItCan(t *testing.T) {
	for _, test := range []struct {
		list          string
		members, load string
	}{
		{"0-3", "0,1", "2,3"},
		{"2,5-7,9", "2,5", "6,7,9"},
		{"0-2", "0,1", "2"},
		{"4-5", "4,5", "4,5"},
		{"3", "3", "3"},
	} {
		cpus, err := parseCPUs(test.list)
		if err != nil {
			t.Fatalf("%s: %v", test.list, err)
		}
		got := place(cpus)
		if got.members != test.members || got.load != test.load {
			t.Errorf("of CPUs %s members get %s and the load %s, want %s and %s",
				test.list, got.members, got.load, test.members, test.load)
		}
	}
}

func TestAListOfCPUsThatIsNoneIsRefused(t *testing.T) {
	for _, list := range []string{"", "0-", "a", "0,,1"} {
		if got, err := parseCPUs(list); err == nil {
			t.Errorf("parseCPUs(%q) = %q", list, got)
		}
	}
}

func TestTheCPUsOfThisProcessAreKnown(t *testing.T) {
	got, err := allowedCPUs()
	if err != nil || len(got) == 0 || slices.Contains(got, "") {
		t.Errorf("allowedCPUs = %q, %v", got, err)
	}
}
