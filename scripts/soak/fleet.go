package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"keytree/scripts/process"
)

// readyTime is how long a server may take to start.
const readyTime = time.Minute

// A fleet is the members under test. One goroutine starts and ends them;
// another may take samples meanwhile.
type fleet struct {
	members []*member
	began   time.Time
}

type member struct {
	config process.Config

	mu struct { // everything inside is guarded
		sync.Mutex
		server  *process.Server // nil while it is down
		samples []sample
	}
}

// newFleet makes n members that have not started.
func newFleet(binary, dir string, n int) (*fleet, error) {
	var ports process.Ports
	f := &fleet{began: time.Now()}
	var all []string
	for i := range n {
		client, err1 := ports.Take()
		peer, err2 := ports.Take()
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		name := fmt.Sprintf("n%d", i+1)
		f.members = append(f.members, &member{config: process.Config{
			Binary: binary, Dir: filepath.Join(dir, name), Name: name, Client: client, Peer: peer, State: "new",
		}})
		all = append(all, fmt.Sprintf("%s=http://127.0.0.1:%d", name, peer))
	}
	for _, m := range f.members {
		m.config.Cluster = strings.Join(all, ",")
	}
	return f, nil
}

// addrs are where clients find the members.
func (f *fleet) addrs() (list []string) {
	for _, m := range f.members {
		list = append(list, fmt.Sprintf("127.0.0.1:%d", m.config.Client))
	}
	return list
}

// start starts all members and waits until they are ready.
func (f *fleet) start(ctx context.Context) error {
	errs := make([]error, len(f.members))
	var wg sync.WaitGroup
	for i, m := range f.members {
		wg.Go(func() { errs[i] = m.start(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// kill ends all members with SIGKILL.
func (f *fleet) kill() error {
	var errs []error
	for _, m := range f.members {
		errs = append(errs, m.end((*process.Server).Kill))
	}
	return errors.Join(errs...)
}

// start starts m and waits until it is ready, which ctx may end. The process
// lives on until end, whatever becomes of ctx.
func (m *member) start(ctx context.Context) error {
	s, err := process.Start(context.WithoutCancel(ctx), m.config)
	if err != nil {
		return err
	}
	ready, stop := context.WithTimeout(ctx, readyTime)
	defer stop()
	if err := s.Ready(ready); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", m.config.Name, err), s.Kill())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.server = s
	return nil
}

// end ends a running member. It is an error if that has happened by itself.
func (m *member) end(how func(*process.Server) error) error {
	m.mu.Lock()
	s := m.mu.server
	m.mu.server = nil
	m.mu.Unlock()
	if s == nil {
		return nil
	}
	if s.Ended() {
		return fmt.Errorf("%s has ended by itself with %d:\n%s", m.config.Name, s.ExitCode(), s.Output())
	}
	return how(s)
}

// running is the server, nil while it is down.
func (m *member) running() *process.Server {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.server
}

// sample looks at all members that run.
func (f *fleet) sample(ctx context.Context) error {
	for _, m := range f.members {
		s := m.running()
		if s == nil {
			continue
		}
		one, err := takeSample(ctx, s, m.config.Dir)
		if err != nil {
			if m.running() == s && ctx.Err() == nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("look at %s: %w", m.config.Name, err)
			}
			continue // it was ended meanwhile
		}
		one.at = time.Since(f.began)
		m.mu.Lock()
		m.mu.samples = append(m.mu.samples, one)
		m.mu.Unlock()
	}
	return nil
}

// samples are all that were taken of m.
func (m *member) samples() []sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.samples[:len(m.mu.samples):len(m.mu.samples)]
}
