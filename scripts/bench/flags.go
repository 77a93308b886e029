package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// bench is what the flags say.
type bench struct {
	conns    int
	loops    int // goroutines that share the connections
	space    int
	keys     int
	watchers int
	throng   int // watchers of the scenarios of very many
	warmup   time.Duration
	measured time.Duration
	paceKeys int
	paceRate int
	paceTime time.Duration

	kills      int
	rounds     int
	longRounds int
	timeout    time.Duration
	json       string
	scenarios  []scenario
	programs   []program
	placement  placement
	tick       bool
	growth     bool
	sizes      []int // of growth in keys, ascending
	crowds     []int // of growth in watchers, ascending
	etcdSize   int   // what etcd is filled with at most in growth
	growthTime time.Duration
	report     string // the directory of the document
	redraw     bool
	mostConns  int // that the limit of open files permits
}

func parse(args []string) (*bench, error) {
	b := &bench{}
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	run := fs.String("run", "all", "scenarios to run, separated by commas, all or none: "+strings.Join(names(), ","))
	only := fs.String("only", "", "measure only this server: keytree, keytree-std or etcd")
	engines := fs.String("engines", "lean,std", "Keytree's HTTP engines to measure: lean, std or both")
	keytree := fs.String("keytree", "bin/keytree", "Keytree's `program`")
	etcd := fs.String("etcd", "/usr/bin/etcd", "etcd's `program`")
	temp := fs.String("dir", os.TempDir(), "`directory` for the data of the servers")
	serverProcs := fs.Int("serverprocs", 2, "GOMAXPROCS of the servers")
	fs.BoolVar(&b.tick, "tick", false, "only tick, ten times a second, until killed: what idle servers are held against")
	fs.StringVar(&b.json, "json", "", "write the figures of each round to this `file`")
	fs.BoolVar(&b.growth, "growth", false, "also measure how costs change as there are more keys and watchers")
	fs.StringVar(&b.report, "report", "", "write README.md, plots and data.json into this `directory`")
	fs.BoolVar(&b.redraw, "redraw", false, "measure nothing: write the -report anew from its data.json")
	fs.DurationVar(&b.timeout, "timeout", time.Hour, "give up after this time")
	b.sizeFlags(fs)
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("what is %q?", fs.Arg(0))
	}
	if *serverProcs < 1 {
		return nil, errors.New("-serverprocs must be above 0")
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	var err error
	if b.programs, err = cut(*engines, *only, *keytree, *etcd); err != nil {
		return nil, err
	}
	for i := range b.programs {
		b.programs[i].base = *temp
		b.programs[i].env = []string{fmt.Sprintf("GOMAXPROCS=%d", *serverProcs)}
	}
	b.scenarios, err = choose(*run)
	return b, err
}

// sizeFlags are the flags that say how much, how often and how long.
func (b *bench) sizeFlags(fs *flag.FlagSet) {
	fs.IntVar(&b.loops, "loops", 2, "goroutines that put the load")
	fs.IntVar(&b.rounds, "rounds", 3, "rounds of each scenario")
	fs.IntVar(&b.longRounds, "longrounds", 1, "rounds of the scenarios that take long: "+strings.Join(longNames(), ", "))
	fs.IntVar(&b.conns, "conns", 64, "connections")
	seconds(fs, &b.measured, "seconds", 5, "time to measure, where a scenario has no other")
	seconds(fs, &b.warmup, "warmup", 1, "seconds of load before measuring")
	fs.IntVar(&b.space, "space", 100_000, "keys to choose from")
	fs.IntVar(&b.keys, "keys", 1_000_000, "keys of the load scenario")
	fs.IntVar(&b.watchers, "watchers", 10_000, "watchers of the watch and poll scenarios")
	fs.IntVar(&b.throng, "throng", 50_000, "watchers of the watch50k scenario, or as many as the limit of open files permits")
	fs.IntVar(&b.paceKeys, "pacekeys", 500_000, "keys of the pace scenario")
	fs.IntVar(&b.paceRate, "pacerate", 2000, "requests per second of the pace and expire scenarios")
	seconds(fs, &b.paceTime, "paceseconds", 60, "time of the pace scenario")
	b.sizes, b.crowds = []int{1000, 10_000, 100_000, 1_000_000, 5_000_000}, []int{1000, 10_000, 50_000}
	list(fs, &b.sizes, "sizes", "numbers of keys for -growth; empty is none")
	list(fs, &b.crowds, "crowds", "numbers of watchers for -growth; empty is none")
	fs.IntVar(&b.etcdSize, "etcdsize", 1_000_000, "keys that etcd is filled with at most for -growth")
	fs.DurationVar(&b.growthTime, "growthtime", 12*time.Minute, "no more than this for -growth; sizes that are left are skipped")
	fs.IntVar(&b.kills, "kills", 5, "leaders to end in each round of cfail and cterm")
}

// seconds defines a flag of a time, which is a number of seconds.
func seconds(fs *flag.FlagSet, d *time.Duration, name string, value float64, usage string) {
	*d = duration(value)
	fs.Func(name, fmt.Sprintf("%s (default %g)", usage, value), func(text string) error {
		s, err := strconv.ParseFloat(text, 64)
		if err != nil || !(s > 0 && s < 1e6) {
			return errors.New("not a number of seconds above 0")
		}
		*d = duration(s)
		return nil
	})
}

// list defines a flag of ascending numbers.
func list(fs *flag.FlagSet, numbers *[]int, name, usage string) {
	fs.Func(name, fmt.Sprintf("%s (default %s)", usage, strings.Trim(fmt.Sprint(*numbers), "[]")), func(text string) error {
		*numbers = nil
		for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' }) {
			n, err := strconv.Atoi(word)
			if err != nil || n < 1 || len(*numbers) > 0 && n <= (*numbers)[len(*numbers)-1] {
				return errors.New("not numbers that ascend, separated by commas")
			}
			*numbers = append(*numbers, n)
		}
		return nil
	})
}

func duration(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}

// check makes sure that all numbers make sense.
func (b *bench) check() error {
	least := min(b.loops, b.rounds, b.longRounds, b.conns, b.space, b.keys, b.watchers, b.throng, b.paceKeys, b.paceRate, b.kills)
	if least < 1 {
		return errors.New("numbers must be above 0")
	}
	if b.redraw && b.report == "" {
		return errors.New("-redraw needs -report")
	}
	if most := slices.Max(append(slices.Clone(b.sizes), b.space+b.conns, b.keys, b.paceKeys)); most > maxKeys {
		return fmt.Errorf("there are no more than %d keys", maxKeys)
	}
	if slices.Min(append(slices.Clone(b.crowds), b.watchers, b.throng)) < b.loops {
		return errors.New("too few watchers")
	}
	return nil
}

// cut is the programs to measure, in the order of the tables.
func cut(engines, only, keytree, etcd string) (chosen []program, err error) {
	for _, name := range strings.Split(engines, ",") {
		switch name {
		case "lean": // the default, which is how most run it
			chosen = append(chosen, program{name: leanName, path: keytree})
		case "std":
			chosen = append(chosen, program{name: stdName, path: keytree, args: []string{"--http-engine=std"}})
		default:
			return nil, fmt.Errorf("-engines %s: there is only lean or std", engines)
		}
	}
	chosen = append(chosen, program{name: etcdName, path: etcd})
	if only != "" {
		chosen = slices.DeleteFunc(chosen, func(p program) bool { return p.name != only })
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("-only %s: there is only keytree, keytree-std or etcd", only)
	}
	return chosen, nil
}

func names() (all []string) {
	for _, s := range scenarios {
		all = append(all, s.name)
	}
	return all
}

func longNames() (all []string) {
	for _, s := range scenarios {
		if s.long {
			all = append(all, s.name)
		}
	}
	return all
}

// choose returns the named scenarios, in our order.
func choose(run string) (chosen []scenario, err error) {
	if run == "all" {
		return scenarios, nil
	}
	if run == "none" {
		return nil, nil
	}
	wanted := strings.Split(run, ",")
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	for _, s := range scenarios {
		if slices.Contains(wanted, s.name) {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}
