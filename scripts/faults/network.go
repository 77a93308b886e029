package main

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A network is the relays of all members and the links between them. Members
// are known by name; who a connection comes from is told by the member id in
// its first request. It may be used by any goroutine.
type network struct {
	mu struct { // everything inside is guarded
		sync.Mutex
		names  map[string]string // member id in hex -> name
		links  map[route]*link
		pipes  map[*pipe]bool
		cut    map[string]int64 // snapshots to this member break after so many bytes
		broken int              // snapshots that broke so
	}
}

func newNetwork() *network {
	n := &network{}
	n.mu.names = make(map[string]string)
	n.mu.links = make(map[route]*link)
	n.mu.pipes = make(map[*pipe]bool)
	n.mu.cut = make(map[string]int64)
	return n
}

// know tells the name of a member id.
func (n *network) know(id, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.names[id] = name
}

// name returns whose id that is, nobody's if it is unknown.
func (n *network) name(id string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.names[id]
}

func (n *network) link(r route) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	l, there := n.mu.links[r]
	if !there {
		l = newLink()
		n.mu.links[r] = l
	}
	return l
}

// A cutting says how routes are cut.
type cutting struct {
	reset  bool // connections are reset now, otherwise they fall silent
	refuse bool // new connections are reset, otherwise nobody answers them
}

func (c cutting) String() string {
	s := "silent"
	if c.reset {
		s = "reset"
	}
	if c.refuse {
		return s + "+refused"
	}
	return s + "+unanswered"
}

// cut cuts routes, each in its own direction only.
func (n *network) cut(routes []route, c cutting) {
	for _, r := range routes {
		n.link(r).set(weather{held: true, refused: c.refuse})
	}
	if c.reset {
		n.reset(routes)
	}
}

// slow delays all that travels on routes.
func (n *network) slow(routes []route, delay time.Duration) {
	for _, r := range routes {
		n.link(r).set(weather{delay: delay})
	}
}

// heal lets everything through again.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range n.mu.links {
		l.set(weather{})
	}
	clear(n.mu.cut)
}

// reset breaks the connections that use one of routes.
func (n *network) reset(routes []route) {
	for _, p := range n.pipesOf(routes) {
		p.reset()
	}
}

// resetOne breaks a connection drawn by r, if there is any between members.
func (n *network) resetOne(r *rand.Rand) {
	n.mu.Lock()
	var all []*pipe
	for p := range n.mu.pipes {
		if p.route().from != "" {
			all = append(all, p)
		}
	}
	n.mu.Unlock()
	if len(all) > 0 {
		all[r.IntN(len(all))].reset()
	}
}

func (n *network) pipesOf(routes []route) []*pipe {
	n.mu.Lock()
	defer n.mu.Unlock()
	var found []*pipe
	for p := range n.mu.pipes {
		r := p.route()
		if slices.Contains(routes, r) || slices.Contains(routes, route{r.to, r.from}) {
			found = append(found, p)
		}
	}
	return found
}

// cutSnapshot makes the next snapshot sent to a member break after so many
// bytes.
func (n *network) cutSnapshot(to string, after int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.cut[to] = after
}

// snapshotLimit is after how many bytes a snapshot beginning now is to break;
// below zero it is not.
func (n *network) snapshotLimit(to string) int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	after, set := n.mu.cut[to]
	if !set {
		return -1
	}
	delete(n.mu.cut, to)
	return after
}

func (n *network) snapshotBroken() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.broken++
}

// brokenSnapshots is how many snapshots were broken on the way.
func (n *network) brokenSnapshots() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.broken
}

func (n *network) add(p *pipe) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.pipes[p] = true
}

func (n *network) remove(p *pipe) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.mu.pipes, p)
}

// between are the routes from each of a to each of b and back.
func between(a, b []string) []route {
	return append(oneWay(a, b), oneWay(b, a)...)
}

// oneWay are the routes from each of a to each of b.
func oneWay(a, b []string) []route {
	var routes []route
	for _, from := range a {
		for _, to := range b {
			if from != to {
				routes = append(routes, route{from, to})
			}
		}
	}
	return routes
}

// around are the routes between a member and everybody, those who do not say
// who they are included.
func around(name string, others []string) []route {
	return between([]string{name}, append([]string{""}, others...))
}
