package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"keytree/scripts/process"
)

// cluster is the members that a scenario runs on: one, or more that form a
// cluster.
type cluster struct {
	members []*server
}

// target is where a load goes, and who works for it.
type target interface {
	addrs() []*net.TCPAddr // connection i goes to number i modulo their count
	cpu() (time.Duration, error)
}

// start runs a cluster of size members of p on fresh directories and the given
// CPUs, and waits until all of it is healthy.
func (p program) start(ctx context.Context, size int, cpus string) (*cluster, error) {
	// What the last cluster left to be written must not slow this one.
	syscall.Sync()
	c, err := p.newCluster(size, cpus)
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	for _, s := range c.members {
		if err := s.spawn(); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	for _, s := range c.members {
		if err := s.healthy(ctx); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// newCluster makes directories and finds ports. It returns what it made even
// with an error, to be closed.
func (p program) newCluster(size int, cpus string) (*cluster, error) {
	c := &cluster{}
	var ports process.Ports
	var founders []string
	for i := range size {
		s := &server{program: p, member: fmt.Sprintf("node%d", i+1), cpus: cpus}
		for _, addr := range []**net.TCPAddr{&s.addr, &s.peer} {
			port, err := ports.Take()
			if err != nil {
				return c, err
			}
			*addr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
		}
		var err error
		if s.dir, err = os.MkdirTemp(p.base, p.name+"-"); err != nil {
			return c, err
		}
		c.members = append(c.members, s)
		founders = append(founders, s.member+"="+s.peerURL())
	}
	for _, s := range c.members {
		s.cluster = strings.Join(founders, ",")
	}
	return c, nil
}

// addrs spreads a load over all members.
func (c *cluster) addrs() (all []*net.TCPAddr) {
	for _, s := range c.members {
		all = append(all, s.addr)
	}
	return all
}

// cpu is the CPU time all members together have used so far.
func (c *cluster) cpu() (total time.Duration, err error) {
	for _, s := range c.members {
		d, err := s.cpu()
		if err != nil {
			return 0, err
		}
		total += d
	}
	return total, nil
}

// led is a cluster whose load goes to its leader alone.
type led struct {
	*cluster
	leader *server
}

func (l led) addrs() []*net.TCPAddr { return l.leader.addrs() }

// leader waits until all members know the same leader, and returns it.
func (c *cluster) leader(ctx context.Context) (*server, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readyPatience, fmt.Errorf("no leader that all agree on in %v", readyPatience))
	defer cancel()
	for {
		if s := c.agreed(ctx); s != nil {
			return s, nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// agreed is the leader that all members name, nil when they do not.
func (c *cluster) agreed(ctx context.Context) *server {
	name := ""
	for i, s := range c.members {
		a, err := s.get(ctx, "/v2/members/leader")
		if err != nil || a.status != http.StatusOK {
			return nil
		}
		var leader struct{ Name string }
		if err := json.Unmarshal(a.body, &leader); err != nil || i > 0 && leader.Name != name {
			return nil
		}
		name = leader.Name
	}
	for _, s := range c.members {
		if s.member == name {
			return s
		}
	}
	return nil
}

// explain adds the last words of members that have died to err.
func (c *cluster) explain(err error) error {
	if err == nil {
		return nil
	}
	for _, s := range c.members {
		err = s.explain(err)
	}
	return err
}

// close kills all members and removes all they wrote.
func (c *cluster) close() (err error) {
	for _, s := range c.members {
		err = errors.Join(err, s.close())
	}
	return err
}
