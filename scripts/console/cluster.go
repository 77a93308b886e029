package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"keytree/scripts/process"
)

// patience is how long anything may take that is not measured.
const patience = 15 * time.Second

// A cluster is three members that run.
type cluster struct {
	members []*member
	ports   process.Ports
	began   time.Time
}

// adult is the age from which members let others be added or removed: until
// then they do not know for sure that they are connected.
const adult = 6 * time.Second

type member struct {
	config process.Config
	server *process.Server
}

func (m *member) url() string { return "http://" + m.server.Addr }

func (m *member) client() client { return newClient(m.url()) }

// found starts three members on fresh directories in dir and waits until all
// are ready.
func found(ctx context.Context, binary, dir string) (*cluster, error) {
	c := &cluster{began: time.Now()}
	var founders []string
	for i := range 3 {
		client, err1 := c.ports.Take()
		peer, err2 := c.ports.Take()
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		name := fmt.Sprintf("node%d", i+1)
		c.members = append(c.members, &member{config: process.Config{Binary: binary, Dir: filepath.Join(dir, name), Name: name, Client: client, Peer: peer, State: "new"}})
		founders = append(founders, fmt.Sprintf("%s=http://127.0.0.1:%d", name, peer))
	}
	errs := make([]error, len(c.members))
	var wg sync.WaitGroup
	for i, m := range c.members {
		m.config.Cluster = strings.Join(founders, ",")
		wg.Go(func() { errs[i] = m.start(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

func (m *member) start(ctx context.Context) (err error) {
	if m.server, err = process.Start(ctx, m.config); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	return step(m.config.Name, m.server.Ready(ctx))
}

// close kills all members; one that has ended by itself is an error.
func (c *cluster) close() error {
	var errs []error
	for _, m := range c.members {
		if m.server == nil {
			continue
		}
		if m.server.Ended() {
			errs = append(errs, fmt.Errorf("%s has ended:\n%s", m.config.Name, m.server.Output()))
			continue
		}
		errs = append(errs, m.server.Kill())
	}
	return errors.Join(errs...)
}

// leader is the member that leads, as all of them see it.
func (c *cluster) leader(ctx context.Context) (*member, error) {
	var found *member
	err := within(ctx, patience, "a leader that all members name", func() (bool, error) {
		name := ""
		for i, m := range c.members {
			var l struct{ Name string }
			if err := m.client().getJSON(ctx, "/v2/members/leader", &l); err != nil || i > 0 && l.Name != name {
				return false, nil // there will be one
			}
			name = l.Name
		}
		for _, m := range c.members {
			if m.config.Name == name {
				found = m
			}
		}
		return found != nil, nil
	})
	return found, err
}

// follower is a member that does not lead: a console shows as much there.
func (c *cluster) follower(ctx context.Context) (*member, error) {
	l, err := c.leader(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range c.members {
		if m != l {
			return m, nil
		}
	}
	return nil, errors.New("there is no follower")
}

// at is the member that serves clients at an origin.
func (c *cluster) at(origin string) *member {
	for _, m := range c.members {
		if m.url() == origin {
			return m
		}
	}
	return nil
}

// growUp waits until the cluster may be changed.
func (c *cluster) growUp(ctx context.Context) error {
	return within(ctx, adult, "the cluster to be old enough", func() (bool, error) { return time.Since(c.began) > adult, nil })
}

// within asks done again and again until it says so.
func within(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("waited %v in vain for %s", limit, what)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
}
