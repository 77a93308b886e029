// Keytree is a server for the etcd v2 API: one process is one member.
//
// This package reads the flags, opens the listeners and runs the member; it
// is the only place that knows all the others.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"keytree/httpapi"
)

// Version is Keytree's own, clusterVersion what a cluster of such members
// agrees on.
const (
	Version        = "0.1.0"
	clusterVersion = "3.4.0"
)

func main() {
	code, sig := start(os.Args[1:], os.Environ(), os.Stdout, os.Stderr)
	if sig != nil && os.Getpid() != 1 {
		endBy(sig)
	}
	os.Exit(code)
}

// start runs the command line and reports the exit code, and the signal that
// ended the run, if one did.
func start(args, environ []string, stdout, stderr io.Writer) (code int, ended os.Signal) {
	if len(args) > 0 {
		if c, found := commandNamed(args[0]); found {
			return c.run(args[1:], environ, stdout, stderr), nil
		}
	}
	c, err := readConfig(args, environ, stderr)
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return 2, nil
	case err != nil:
		for _, n := range c.notices {
			if n.level > slog.LevelInfo { // it may be why
				fmt.Fprintln(stderr, "keytree: warning:", n.text)
			}
		}
		fmt.Fprintln(stderr, "keytree:", err)
		return 1, nil
	case c.help:
		c.printHelp(stdout)
		return 0, nil
	case c.version:
		fmt.Fprintf(stdout, "keytree Version: %s\nCompatible with: the v2 API of etcd "+httpapi.Compatible+"\nGo Version: %s\nGo OS/Arch: %s/%s\n",
			Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		return 0, nil
	}
	output, closeLog, err := c.openLog(stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "keytree:", err)
		return 1, nil
	}
	defer closeLog()
	level := new(slog.LevelVar)
	level.Set(c.level())
	logger := slog.New(slog.NewTextHandler(output, &slog.HandlerOptions{Level: level}))

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	caught := make(chan os.Signal, 1)
	go func() {
		select {
		case s := <-signals:
			logger.Info(fmt.Sprintf("received %s signal, shutting down...", s))
			caught <- s
			stop()
		case <-ctx.Done():
		}
	}()
	for _, n := range c.notices {
		logger.Log(ctx, n.level, n.text)
	}
	if err := run(ctx, c, logger, level); err != nil {
		tell(logger, err)
		return 1, nil
	}
	select {
	case ended = <-caught:
	default:
	}
	return 0, ended
}
