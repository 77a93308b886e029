package main

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

func programNames(b *bench) (all []string) {
	for _, p := range b.programs {
		all = append(all, p.name)
	}
	return all
}

func TestEnginesAreMeasuredBesideEtcd(t *testing.T) {
	for _, test := range []struct {
		args string
		want []string
	}{
		{"", []string{leanName, stdName, etcdName}},
		{"-engines lean", []string{leanName, etcdName}},
		{"-engines std", []string{stdName, etcdName}},
		{"-engines std,lean", []string{stdName, leanName, etcdName}},
		{"-only keytree", []string{leanName}},
		{"-only keytree-std", []string{stdName}},
		{"-only etcd", []string{etcdName}},
	} {
		b, err := parse(strings.Fields(test.args))
		if err != nil {
			t.Fatalf("%s: %v", test.args, err)
		}
		if got := programNames(b); !slices.Equal(got, test.want) {
			t.Errorf("%s: measures %q, want %q", test.args, got, test.want)
		}
	}
}

func TestTheStdEngineIsAskedForByItsFlag(t *testing.T) {
	b, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range b.programs {
		s := &server{program: p, dir: "d", addr: &net.TCPAddr{}, peer: &net.TCPAddr{}}
		if slices.Contains(s.commandLine(), "--http-engine=std") != (p.name == stdName) {
			t.Errorf("%s is started with %q", p.name, s.commandLine())
		}
	}
}

func TestNumbersThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range []string{
		"-engines fast", "-engines lean -only keytree-std", "-only zookeeper", "-run nothing", "-rounds 0", "-seconds 0", "-seconds x", "-seconds 5s", "-warmup NaN",
		"-sizes 10,5", "-sizes a", "-crowds 0", "-crowds 1 -loops 2", "-keys 100000000", "-sizes 100000000", "-redraw", "more", "-serverprocs 0",
	} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s is accepted", args)
		}
	}
}

func TestSizesAndTimes(t *testing.T) {
	b, err := parse(strings.Fields("-sizes 10,200 -crowds= -seconds 0.5 -run none -growth"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(b.sizes, []int{10, 200}) || len(b.crowds) != 0 || b.measured != 500*time.Millisecond || len(b.scenarios) != 0 || !b.growth {
		t.Errorf("got %v, %v, %v, %d scenarios", b.sizes, b.crowds, b.measured, len(b.scenarios))
	}
}

func TestScenariosRunOnWhoTheyAreAbout(t *testing.T) {
	for _, test := range []struct {
		scenario string
		want     []string
	}{
		{"get", []string{leanName, stdName, etcdName}},
		{"load", []string{leanName, etcdName}},
		{"h2watch", []string{leanName, stdName}},
	} {
		b, err := parse([]string{"-run", test.scenario})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range b.castOf(b.scenarios[0]) {
			got = append(got, p.name)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s runs on %q, want %q", test.scenario, got, test.want)
		}
	}
}

func TestEveryFloorOnCPUTimeIsScaled(t *testing.T) {
	for _, s := range scenarios {
		for _, row := range s.rows {
			for _, f := range row.floors() {
				if scaled := row.scale != noYardstick; row.figure == cpu && f.kind == oursAtMost && !scaled {
					t.Errorf("%s has an absolute floor on its CPU time and nothing to scale it by", s.name)
				}
			}
		}
	}
}
