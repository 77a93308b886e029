// Soak runs a server under a load of all kinds for as long as one likes, and
// judges at the end whether it stays flat.
//
//	go run ./scripts/soak -minutes 10 -members 3
//
// For the first part of the time members are restarted, in turn by SIGTERM and
// by kill -9. Then they are left alone: of that time the last two thirds are
// judged. Memory, goroutines, open files, threads and the data directory must
// not grow, each by no more than its bound; when all clients have left,
// goroutines and files must be about what they were before they came. At the
// end everything is killed once more and read.
//
// Meanwhile each write, read, listing, lifetime and event is held against what
// has to be. The exit status is 1 if anything is not as it should be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	keytree string
	dir     string
	minutes float64
	members int
	rate    int
	seed    uint64
}

func main() {
	o, err := parse(os.Args[1:])
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "soak:", err)
		}
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	good, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
	}
	if err != nil || !good {
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	fs := flag.NewFlagSet("soak", flag.ContinueOnError)
	fs.StringVar(&o.keytree, "keytree", "bin/keytree", "Keytree's `program`")
	fs.StringVar(&o.dir, "dir", "", "`directory` for the data (default: the system's for temporary files)")
	fs.Float64Var(&o.minutes, "minutes", 10, "how long to put the load, 1 at least")
	fs.IntVar(&o.members, "members", 1, "members of the cluster: 1, or 3 and more")
	fs.IntVar(&o.rate, "rate", 1000, "requests per second, watches aside")
	fs.Uint64Var(&o.seed, "seed", 0, "seed of the load (default: drawn)")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("what is %q?", fs.Arg(0))
	case o.minutes < 1:
		return o, errors.New("less than a minute tells nothing")
	case o.members < 1 || o.members == 2:
		return o, errors.New("a cluster of two stands still while one is restarted")
	case o.rate < workers:
		return o, fmt.Errorf("the rate must be %d at least", workers)
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano()) % 1e9
	}
	return o, nil
}
