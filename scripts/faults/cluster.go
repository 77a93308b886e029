package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"keytree/raftlog/member"
	"keytree/scripts/process"
)

// A cluster is members on the loopback address that reach each other through
// relays. The scenario's goroutine changes it; others may ask for its members.
type cluster struct {
	binary  string
	args    []string
	dir     string
	ports   *process.Ports
	network *network
	id      string // in answers

	mu struct { // everything inside is guarded
		sync.Mutex
		instances []*instance
	}
}

// newCluster makes n members that have not started.
func newCluster(binary string, args []string, dir string, ports *process.Ports, n int) (*cluster, error) {
	c := &cluster{binary: binary, args: args, dir: dir, ports: ports, network: newNetwork()}
	var founders []member.ID
	for range n {
		i, err := c.add()
		if err != nil {
			return nil, err
		}
		id := member.NewID([]string{i.peerURL()}, process.Token)
		c.network.know(id.String(), i.name)
		founders = append(founders, id)
	}
	c.id = member.NewClusterID(founders).String()
	all := c.roster(c.all())
	for _, i := range c.all() {
		i.config.Cluster, i.config.State = all, "new"
	}
	return c, nil
}

// add makes a member that has not started.
func (c *cluster) add() (*instance, error) {
	var taken [3]int
	for i := range taken {
		port, err := c.ports.Take()
		if err != nil {
			return nil, err
		}
		taken[i] = port
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := fmt.Sprintf("n%d", len(c.mu.instances)+1)
	at := func(port int) string { return net.JoinHostPort(c.ports.Host, strconv.Itoa(port)) }
	i := &instance{
		name: name, cluster: c,
		config: process.Config{
			Binary: c.binary, Dir: filepath.Join(c.dir, name), Name: name,
			Host: c.ports.Host, Client: taken[0], Peer: taken[1], AdvertisePeer: "http://" + at(taken[2]), Args: c.args,
		},
		relay: &relay{name: name, addr: at(taken[2]), target: at(taken[1]), network: c.network},
	}
	if err := os.MkdirAll(i.config.Dir, 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	i.log, i.config.Log = log, log
	c.mu.instances = append(c.mu.instances, i)
	return i, nil
}

// roster is the initial-cluster of instances.
func (c *cluster) roster(instances []*instance) string {
	var list []string
	for _, i := range instances {
		list = append(list, i.name+"="+i.peerURL())
	}
	return strings.Join(list, ",")
}

// all are the members there ever were.
func (c *cluster) all() []*instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.mu.instances)
}

// running are the members whose process runs.
func (c *cluster) running() []*instance {
	return slices.DeleteFunc(c.all(), func(i *instance) bool { return !i.running() })
}

// others are the names of the running members but those given.
func (c *cluster) others(but ...*instance) []string {
	var list []string
	for _, i := range c.running() {
		if !slices.Contains(but, i) {
			list = append(list, i.name)
		}
	}
	return list
}

// start starts all members and waits until they serve.
func (c *cluster) start(ctx context.Context) error {
	for _, i := range c.all() {
		if err := i.start(ctx); err != nil {
			return err
		}
	}
	return c.ready(ctx)
}

func (c *cluster) ready(ctx context.Context) error {
	for _, i := range c.running() {
		if err := i.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}

// kill ends all that runs and closes what is open.
func (c *cluster) kill() error {
	var err error
	for _, i := range c.all() {
		err = errors.Join(err, i.kill(), i.log.Close())
	}
	return err
}

// askTime is how long a question about the cluster may take.
const askTime = 2 * time.Second

// ask sends one request on a connection of its own.
func ask(ctx context.Context, i *instance, q process.Request) (*process.Answer, error) {
	ctx, stop := context.WithTimeout(ctx, askTime)
	defer stop()
	conn := process.NewConn(i.addr())
	defer conn.Close()
	return conn.Do(ctx, q)
}

// A memberBody is a member in an answer.
type memberBody struct {
	ID       string
	Name     string
	PeerURLs []string
}

// leader waits until most of the members that run and answer name the same
// leader among them.
func (c *cluster) leader(ctx context.Context) (*instance, error) {
	ctx, stop := context.WithTimeout(ctx, readyTime)
	defer stop()
	for ctx.Err() == nil {
		votes := make(map[string]int)
		running := c.running()
		for _, i := range running {
			var said memberBody
			if a, err := ask(ctx, i, process.Request{Method: "GET", Target: "/v2/members/leader"}); err == nil && json.Unmarshal(a.Body, &said) == nil {
				votes[said.Name]++
			}
		}
		for _, i := range running {
			if votes[i.name] > len(running)/2 {
				return i, nil
			}
		}
		pause(ctx, 10*time.Millisecond)
	}
	return nil, errors.New("no leader that most members know")
}

// followers are the running members that do not lead, in an order drawn by r,
// and the leader.
func (c *cluster) followers(ctx context.Context, r *rand.Rand) ([]*instance, *instance, error) {
	l, err := c.leader(ctx)
	if err != nil {
		return nil, nil, err
	}
	rest := slices.DeleteFunc(c.running(), func(i *instance) bool { return i == l })
	r.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	if len(rest) == 0 {
		return nil, nil, errors.New("no followers")
	}
	return rest, l, nil
}

// agreeTime is how long the members may take to come together again.
const agreeTime = 40 * time.Second

// A listing is the whole tree of a member.
type listing struct {
	index uint64
	body  []byte
}

// agree waits until all running members show the same tree at the same index,
// at or after least, and returns it.
func (c *cluster) agree(ctx context.Context, least uint64) (listing, error) {
	limit, stop := context.WithTimeout(ctx, agreeTime)
	defer stop()
	differ := ""
	for limit.Err() == nil {
		var all []listing
		differ = ""
		for _, i := range c.running() {
			l, err := list(limit, i)
			switch {
			case err != nil:
				differ = fmt.Sprintf("%s: %v", i.name, err)
			case l.index < least:
				differ = fmt.Sprintf("%s stands at index %d, index %d was acknowledged", i.name, l.index, least)
			case len(all) > 0 && (all[0].index != l.index || !bytes.Equal(all[0].body, l.body)):
				differ = fmt.Sprintf("%s at index %d and %s at index %d differ%s", c.running()[0].name, all[0].index, i.name, l.index, firstDifference(all[0], l))
			}
			all = append(all, l)
		}
		if differ == "" && len(all) > 0 {
			return all[0], nil
		}
		pause(limit, 50*time.Millisecond)
	}
	if ctx.Err() != nil {
		return listing{}, context.Cause(ctx)
	}
	return listing{}, fmt.Errorf("members do not agree after %v: %s", agreeTime, differ)
}

// firstDifference shows where two trees of the same index part.
func firstDifference(a, b listing) string {
	if a.index != b.index {
		return ""
	}
	for i := range min(len(a.body), len(b.body)) {
		if a.body[i] != b.body[i] {
			from := max(0, i-100)
			return fmt.Sprintf(":\n    ...%.300s\n    ...%.300s", a.body[from:], b.body[from:])
		}
	}
	return fmt.Sprintf(": %d and %d bytes", len(a.body), len(b.body))
}

func list(ctx context.Context, i *instance) (listing, error) {
	a, err := ask(ctx, i, process.Request{Method: "GET", Target: "/v2/keys/?recursive=true&sorted=true"})
	if err != nil {
		return listing{}, err
	}
	if a.Status != 200 {
		return listing{}, fmt.Errorf("status %d: %.200s", a.Status, a.Body)
	}
	return listing{a.Index("X-Etcd-Index"), a.Body}, nil
}

// nodes are the keys of a listing.
func (l listing) nodes() (map[string]node, error) {
	var said answer
	if err := json.Unmarshal(l.body, &said); err != nil {
		return nil, fmt.Errorf("listing: %w: %.200s", err, l.body)
	}
	if said.Node == nil {
		return nil, fmt.Errorf("no listing: %.200s", l.body)
	}
	keys := make(map[string]node)
	var walk func(*answerNode)
	walk = func(n *answerNode) {
		if !n.Dir {
			keys[n.Key] = n.node()
		}
		for _, child := range n.Nodes {
			walk(child)
		}
	}
	walk(said.Node)
	return keys, nil
}
