// Smuggle looks for requests that a proxy and Keytree read in two ways.
//
// It starts a server, with HAProxy and nginx in front of it that keep their
// connections to it and let nobody touch one key. Through them it sends what
// has deceived readers of HTTP before, and random changes of that; between
// these attempts, requests of innocent clients. Three things must hold: that
// key never comes to be; each innocent client gets its own answer; and the
// server's audit log has no request that the proxy did not send, as the
// proxy's own log says.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"keytree/scripts/process"
)

type options struct {
	keytree, haproxy, nginx string
	engine                  string
	random                  int
	seed                    uint64
}

func main() {
	var o options
	flag.StringVar(&o.keytree, "keytree", "bin/keytree", "Keytree `binary`")
	flag.StringVar(&o.haproxy, "haproxy", "/usr/sbin/haproxy", "HAProxy `binary`")
	flag.StringVar(&o.nginx, "nginx", "/usr/sbin/nginx", "nginx `binary`")
	flag.StringVar(&o.engine, "http-engine", "lean", "what Keytree reads requests with, lean or std")
	flag.IntVar(&o.random, "random", 300, "random attempts through each proxy")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the random attempts")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	found, err := run(ctx, o)
	for _, f := range found {
		fmt.Println("FAILED", f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "smuggle:", err)
	}
	if err != nil || len(found) > 0 {
		os.Exit(1)
	}
	fmt.Println("nothing was smuggled")
}

// run returns what was found wrong.
func run(ctx context.Context, o options) (found []string, err error) {
	dir, err := os.MkdirTemp("", "keytree-smuggle-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ports := &process.Ports{}
	b, err := startBackend(ctx, o, dir, ports)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, b.server.Stop()) }()
	proxies, err := startProxies(ctx, o, dir, b.server.Addr, ports)
	if err != nil {
		return nil, err
	}
	all := attempts()
	all = append(all, mutants(all, o.random, rand.New(rand.NewPCG(o.seed, 0)))...)
	var wg sync.WaitGroup
	lists := make([][]string, len(proxies))
	for i, p := range proxies {
		wg.Go(func() { lists[i] = p.try(ctx, all, b) })
	}
	wg.Wait()
	for i, p := range proxies {
		found = append(found, lists[i]...)
		if err := p.stop(); err != nil {
			return found, err
		}
	}
	if err := ctx.Err(); err != nil {
		return found, err
	}
	more, err := compareLogs(b, proxies)
	return append(found, more...), err
}
