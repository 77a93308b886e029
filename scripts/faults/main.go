// Faults runs clusters of real processes, hurts them, and checks what clients
// were told.
//
// Each scenario forms a cluster of its own. Clients write and read at all
// members while processes are killed, stopped and cut off from each other;
// afterwards the answers must have an order that explains them, every member
// must show the same tree, and every watch must have brought the same events.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keytree/scripts/process"
)

type options struct {
	keytree string
	long    bool
	only    string
	seed    uint64
	keep    bool
	verbose bool
	dir     string

	args   []string // flags of every server
	isEtcd bool
	ports  *process.Ports
}

func main() {
	var o options
	flag.StringVar(&o.keytree, "keytree", "bin/keytree", "server `binary`; etcd runs as well")
	flag.BoolVar(&o.long, "long", false, "all scenarios, more rounds of each")
	flag.StringVar(&o.only, "only", "", "`scenarios` to run, separated by commas (default: all)")
	flag.Uint64Var(&o.seed, "seed", 0, "seed of the clients and of what is hurt when (default: drawn)")
	flag.BoolVar(&o.keep, "keep", false, "keep the directories with the members' data and logs")
	flag.BoolVar(&o.verbose, "v", false, "print what is done, while it is done")
	flag.StringVar(&o.dir, "dir", "", "`directory` for the members' data (default: the system's for temporary files)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// A scenario is one way to hurt a cluster.
type scenario struct {
	name  string
	short bool // part of the short run
	run   func(context.Context, *trial) error
}

func scenarios() []scenario {
	var all []scenario
	for _, part := range [][]scenario{
		killScenarios(), pauseScenarios(), partitionScenarios(), linkScenarios(), memberScenarios(), snapshotScenarios(), mixedScenarios(), diskScenarios(), damageScenarios(),
	} {
		all = append(all, part...)
	}
	return all
}

// history is how many events a Keytree keeps here, so that followers which
// were cut off miss none.
const history = 100_000

func run(ctx context.Context, o options) error {
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1e9
	}
	fmt.Printf("seed %d\n", o.seed)
	chosen, err := choose(o)
	if err != nil {
		return err
	}
	if o.args, err = process.V2Flags(ctx, o.keytree); err != nil {
		return err
	}
	o.isEtcd, o.ports = o.args != nil, &process.Ports{Host: ownHost()}
	if !o.isEtcd {
		o.args = []string{fmt.Sprintf("--watch-history=%d", history)}
	}
	var failed []string
	began := time.Now()
	for n, s := range chosen {
		fmt.Printf("[%d/%d] %s\n", n+1, len(chosen), s.name)
		ok, err := play(ctx, o, s)
		if err != nil {
			return fmt.Errorf("%s: %w (seed %d)", s.name, err, o.seed)
		}
		if !ok {
			failed = append(failed, s.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("violations in %s (seed %d)", strings.Join(failed, ", "), o.seed)
	}
	fmt.Printf("%d scenarios ok in %v\n", len(chosen), time.Since(began).Round(time.Second))
	return nil
}

// ownHost draws a loopback address of this run's own: the port of a member
// that is down must not be taken by anybody else's server.
func ownHost() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), 1+rand.IntN(254), 1+rand.IntN(254))
}

// choose returns the scenarios to be run.
func choose(o options) ([]scenario, error) {
	all := scenarios()
	if o.only == "" {
		return slices.DeleteFunc(all, func(s scenario) bool { return !o.long && !s.short }), nil
	}
	var chosen []scenario
	for _, name := range strings.Split(o.only, ",") {
		i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
		if i < 0 {
			var names []string
			for _, s := range all {
				names = append(names, s.name)
			}
			return nil, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// errLeftOut is the result of a scenario that cannot run here.
var errLeftOut = errors.New("left out")

// play runs one scenario and prints its result. An error is the end of the
// run; what a scenario finds is not an error.
func play(ctx context.Context, o options, s scenario) (ok bool, err error) {
	dir, err := os.MkdirTemp(o.dir, "keytree-faults-")
	if err != nil {
		return false, err
	}
	t := newTrial(o, s.name, dir)
	failure := s.run(ctx, t)
	if ctx.Err() != nil {
		failure = context.Cause(ctx)
	}
	if errors.Is(failure, errLeftOut) {
		fmt.Printf("  left out: %v\n", failure)
		return true, errors.Join(t.close(), os.RemoveAll(dir))
	}
	if failure != nil {
		t.fault("%v", failure)
	}
	if err := t.close(); err != nil {
		t.fault("%v", err)
	}
	verdict := "ok  "
	if len(t.faults) > 0 {
		verdict = "FAIL"
	}
	fmt.Printf("  %s %s: %s\n", verdict, s.name, t.figures())
	for _, f := range t.faults {
		fmt.Printf("    %s\n", f)
	}
	if len(t.faults) > 0 && t.cluster != nil {
		for _, i := range t.cluster.all() {
			fmt.Printf("    last lines of %s:\n%s\n", i.name, indent(lastLines(filepath.Join(dir, i.name+".log"), 12)))
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if o.keep {
		fmt.Printf("    kept in %s\n", dir)
		return len(t.faults) == 0, err
	}
	return len(t.faults) == 0, errors.Join(err, os.RemoveAll(dir))
}

func lastLines(name string, n int) []string {
	text, err := os.ReadFile(name)
	if err != nil {
		return []string{err.Error()}
	}
	return lastOf(string(text), n)
}

// lastOf are the last n lines of text.
func lastOf(text string, n int) []string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[max(0, len(lines)-n):]
}

func indent(lines []string) string { return "        " + strings.Join(lines, "\n        ") }
