package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"keytree/scripts/process"
)

// part is one process of what is measured.
type part struct{ *process.Server }

// formation is a voter, learners beside it, and proxies in front.
type formation struct {
	binary, dir string
	ports       process.Ports
	voter       *part
	learners    []*part
	proxies     []*part
	all         []*part // that were started
	cluster     string  // --initial-cluster
}

// patience is how long a process may take to start.
const patience = 30 * time.Second

// found starts a cluster of one voter.
func found(ctx context.Context, binary string) (*formation, error) {
	dir, err := os.MkdirTemp("", "scaling")
	if err != nil {
		return nil, err
	}
	f := &formation{binary: binary, dir: dir}
	if f.voter, err = f.start(ctx, process.Config{Name: "voter"}); err != nil {
		f.close()
		return nil, err
	}
	f.cluster = "voter=http://" + f.voter.PeerAddr
	return f, nil
}

// start starts a process and waits until it answers.
func (f *formation) start(ctx context.Context, c process.Config) (*part, error) {
	var err error
	if c.Client == 0 {
		if c.Client, err = f.ports.Take(); err != nil {
			return nil, err
		}
	}
	if c.Peer == 0 {
		if c.Peer, err = f.ports.Take(); err != nil {
			return nil, err
		}
	}
	c.Binary, c.Dir = f.binary, filepath.Join(f.dir, c.Name)
	s, err := process.Start(ctx, c)
	if err != nil {
		return nil, err
	}
	one := &part{s}
	f.all = append(f.all, one)
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	return one, s.Ready(ctx)
}

// addLearner adds a member that is never to vote.
func (f *formation) addLearner(ctx context.Context, name string) error {
	peer, err := f.ports.Take()
	if err != nil {
		return err
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", peer)
	if err := f.addMember(ctx, url); err != nil {
		return err
	}
	f.cluster += "," + name + "=" + url
	one, err := f.start(ctx, process.Config{Name: name, Peer: peer, Cluster: f.cluster, State: "existing", Args: []string{"--member-role", "learner"}})
	f.learners = append(f.learners, one)
	return err
}

// addMember tells the cluster of a member, again while it finds itself too
// young to grow.
func (f *formation) addMember(ctx context.Context, url string) error {
	c := process.NewConn(f.voter.Addr)
	defer c.Close()
	body := fmt.Appendf(nil, `{"peerURLs":[%q]}`, url)
	for end := time.Now().Add(patience); ; time.Sleep(200 * time.Millisecond) {
		a, err := c.Do(ctx, process.Request{Method: "POST", Target: "/v2/members", Header: []process.Field{{Name: "Content-Type", Value: "application/json"}}, Body: body})
		if err != nil {
			return err
		}
		if a.Status == 201 {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("adding %s: %d %s", url, a.Status, a.Body)
		}
	}
}

// addProxy starts a proxy of the cluster.
func (f *formation) addProxy(ctx context.Context, name string, args ...string) error {
	one, err := f.start(ctx, process.Config{Name: name, Cluster: f.cluster, Args: append([]string{"--proxy", "on"}, args...)})
	f.proxies = append(f.proxies, one)
	return err
}

// close ends all there is.
func (f *formation) close() {
	for _, one := range f.all {
		_ = one.Kill() // it may have ended
	}
	_ = os.RemoveAll(f.dir) // in a directory for such things
}

// usage is what parts of a formation have taken.
type usage struct{ voter, learners, proxies spent }

// spent is CPU time since the start of a process, and memory now.
type spent struct {
	cpu time.Duration
	rss int64
}

func (f *formation) usage() (u usage, err error) {
	for _, group := range []struct {
		of   []*part
		into *spent
	}{{[]*part{f.voter}, &u.voter}, {f.learners, &u.learners}, {f.proxies, &u.proxies}} {
		for _, one := range group.of {
			s, broken := one.spent()
			group.into.cpu += s.cpu
			group.into.rss += s.rss
			err = errors.Join(err, broken)
		}
	}
	return u, err
}

// clockTick is the unit of times in /proc: USER_HZ, 100 on all Linux there is.
const clockTick = 10 * time.Millisecond

func (p *part) spent() (s spent, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		return s, err
	}
	// The name of the program, in parentheses, may contain blanks.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 22 {
		return s, fmt.Errorf("/proc/PID/stat has %d fields", len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	pages, err3 := strconv.ParseInt(fields[21], 10, 64)
	return spent{time.Duration(user+system) * clockTick, pages * int64(os.Getpagesize())}, errors.Join(err1, err2, err3)
}
