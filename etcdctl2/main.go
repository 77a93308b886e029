// Command etcdctl2 is the command line for servers of the etcd v2 API. It
// takes the words, and gives the lines and exit codes, of the etcdctl that
// comes with etcd 3.4 in its mode for API version 2, so that it can be put in
// its place.
package main

import (
	"context"
	"os"
	"os/signal"
)

func main() {
	s := &shell{
		args:    os.Args,
		environ: os.Environ(),
		stdin:   os.Stdin,
		stdout:  os.Stdout,
		stderr:  os.Stderr,
		interruptible: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return signal.NotifyContext(ctx, os.Interrupt)
		},
	}
	os.Exit(s.run(context.Background()))
}
