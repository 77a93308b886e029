package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"keytree/scripts/process"
)

// An instance is one member of a cluster: its directory, the relay in front of
// its peer port, and its process while it runs. One goroutine, the
// scenario's, starts and ends it; any may ask where it is reached.
type instance struct {
	name    string
	cluster *cluster
	config  process.Config
	relay   *relay
	log     *os.File // what its processes print, one after the other

	said int64 // size of log when the last process began

	mu struct { // everything inside is guarded
		sync.Mutex
		server *process.Server // nil before the first start
		life   int             // processes started
	}
}

// addr is where clients reach it.
func (i *instance) addr() string {
	return net.JoinHostPort(i.config.Host, strconv.Itoa(i.config.Client))
}

// peerURL is what others are told of it.
func (i *instance) peerURL() string { return i.config.AdvertisePeer }

// life counts its processes.
func (i *instance) life() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.mu.life
}

func (i *instance) server() *process.Server {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.mu.server
}

// running reports whether its process has begun and not ended.
func (i *instance) running() bool {
	s := i.server()
	return s != nil && !s.Ended()
}

// start starts the process and returns at once.
func (i *instance) start(ctx context.Context) error {
	i.relay.close() // still open if the last process ended by itself
	if err := i.relay.open(ctx); err != nil {
		return err
	}
	log, err := i.log.Stat()
	if err != nil {
		return err
	}
	i.said = log.Size()
	s, err := process.Start(ctx, i.config)
	if err != nil {
		i.relay.close()
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.mu.server = s
	i.mu.life++
	return nil
}

// output is all that the last process said.
func (i *instance) output() string {
	text, err := os.ReadFile(i.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(text[min(i.said, int64(len(text))):])
}

// A refusal looks at a process that has ended by itself: it must have done so
// with exit code 1, saying why in its last line and without a trace. It
// returns that line.
func (i *instance) refusal() (string, error) {
	said := strings.TrimSpace(i.output())
	lines := strings.Split(said, "\n")
	if code := i.server().ExitCode(); code != 1 || traced(said) {
		at := max(0, slices.IndexFunc(lines, traced)-3)
		return "", fmt.Errorf("%s ended with exit code %d and said:\n%s", i.name, code, indent(lines[at:min(len(lines), at+6)]))
	}
	return lines[len(lines)-1], nil
}

// traced reports whether text has the trace of a panic.
func traced(text string) bool {
	return strings.Contains(text, "panic: ") || strings.Contains(text, "goroutine ") || strings.Contains(text, "fatal error: ")
}

// readyTime is how long a member may take to serve.
const readyTime = 30 * time.Second

// ready waits until the process serves.
func (i *instance) ready(ctx context.Context) error {
	ctx, stop := context.WithTimeoutCause(ctx, readyTime, fmt.Errorf("%s does not serve after %v", i.name, readyTime))
	defer stop()
	return i.server().Ready(ctx)
}

// kill ends the process with SIGKILL. Its port refuses from then on; the relay
// goes first, for whoever dials a dead process must be refused, not reset.
func (i *instance) kill() error {
	i.relay.close()
	if i.server() == nil {
		return nil
	}
	return i.server().Kill()
}

// stop ends the process with SIGTERM, which must do within ten seconds.
func (i *instance) stop() error {
	err := i.server().Stop()
	i.relay.close()
	if err != nil {
		return fmt.Errorf("%s: %w", i.name, err)
	}
	return nil
}

// stall stops the process from running until resume.
func (i *instance) stall() error { return i.server().Signal(syscall.SIGSTOP) }

func (i *instance) resume() error { return i.server().Signal(syscall.SIGCONT) }

// ended waits until the process ends by itself and returns its exit code.
func (i *instance) ended(ctx context.Context, patience time.Duration) (int, error) {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	select {
	case <-i.server().Done():
		i.relay.close()
		return i.server().ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s has not ended after %v", i.name, patience)
	}
}

// wipe empties its directory.
func (i *instance) wipe() error {
	if i.running() {
		return errors.New(i.name + " runs")
	}
	entries, err := os.ReadDir(i.config.Dir)
	if err != nil {
		return err
	}
	for _, e := range entries { // the directory itself may be a mount
		err = errors.Join(err, os.RemoveAll(i.config.Dir+"/"+e.Name()))
	}
	return err
}
