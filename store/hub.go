package store

import (
	"runtime"
	"slices"
	"strings"
	"sync"
)

// hub is all watchers and the history. Its mutex covers "append to the
// history and to the chains" and "search the history and register", so that
// no event falls between replay and live.
type hub struct {
	most       int            // deliverers at a time: a processor is left for those who ask
	deliverers sync.WaitGroup // they end when nothing is left to deliver

	mu struct {
		sync.Mutex
		history history
		index   Index // of the newest event published
		roots   map[Space]*watchNode
		count   int
		births  uint64 // of groups

		// For Figures.
		streams                     int // of count
		evicted, cleared, published uint64

		first, last *group // those that have something to deliver, in a line
		deliverers  int
		slowest     *group // of streams, as far as is known, see Backlog; or nil
	}
}

// watchNode is a path somebody watches, or an element on the way to one.
type watchNode struct {
	path     Path
	parent   *watchNode
	children map[string]*watchNode
	groups   []*group
}

func newHub(length int) *hub {
	h := &hub{most: max(1, runtime.GOMAXPROCS(0)-1)}
	h.mu.history = newHistory(length)
	h.mu.roots = map[Space]*watchNode{}
	return h
}

// add registers w. h.mu must be held.
func (h *hub) add(w *Watcher, p Path, o WatchOptions) {
	key := groupKey{recursive: o.Recursive, stream: o.Stream}
	if o.Since > h.mu.index+1 {
		key.since = o.Since
	}
	g := h.group(p, key)
	g.size++
	h.mu.count++
	if g.stream {
		h.mu.streams++
	}
	w.group, w.at = g, g.tail
	switch {
	case len(w.past) > 0:
		w.signal()
		fallthrough
	case w.sink != nil:
		w.state = awake
		g.busy.join(&w.place)
	default:
		g.idle.join(&w.place)
	}
}

// group is the group of that kind at p, made if need be. h.mu must be held.
func (h *hub) group(p Path, key groupKey) *group {
	n := h.mu.roots[p.space]
	if n == nil {
		n = &watchNode{path: Root(p.space)}
		h.mu.roots[p.space] = n
	}
	if !p.IsRoot() {
		for i := 0; i < len(p.name); {
			end := p.next(i)
			n = n.child(p.name[i+1:end], p.upTo(end))
			i = end
		}
	}
	for _, g := range n.groups {
		if g.groupKey == key {
			return g
		}
	}
	h.mu.births++
	g := newGroup(n, key, h.mu.births)
	n.groups = append(n.groups, g)
	return g
}

func (n *watchNode) child(name string, p Path) *watchNode {
	c := n.children[name]
	if c == nil {
		if n.children == nil {
			n.children = map[string]*watchNode{}
		}
		c = &watchNode{path: p, parent: n}
		n.children[name] = c
	}
	return c
}

// drop takes w out, if it is in. h.mu must be held.
func (h *hub) drop(w *Watcher) {
	if w.place.after == nil {
		return
	}
	g := w.group
	w.place.leave()
	g.size--
	if g.over {
		return
	}
	h.mu.count--
	if g.stream {
		h.mu.streams--
	}
	if g.size == 0 {
		h.forget(g)
	}
}

// forget takes g out of the tree of watched paths, and what nobody needs any
// more above it. h.mu must be held.
func (h *hub) forget(g *group) {
	n := g.node
	if i := slices.Index(n.groups, g); i >= 0 {
		n.groups = slices.Delete(n.groups, i, i+1)
	}
	for n.parent != nil && len(n.groups) == 0 && len(n.children) == 0 {
		delete(n.parent.children, n.path.Base())
		n = n.parent
	}
}

// fallen says which watched paths stood beneath a directory that was removed.
type fallen struct {
	asOf  uint64 // hub.births when it was found out
	paths map[Path]bool
}

// watchedUnder lists the paths beneath dir that somebody watches.
func (h *hub) watchedUnder(dir Path) (paths []Path, asOf uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.find(dir); n != nil {
		n.walk(func(c *watchNode) {
			if c != n && len(c.groups) > 0 {
				paths = append(paths, c.path)
			}
		})
	}
	return paths, h.mu.births
}

// find is the node for p, if there is one. h.mu must be held.
func (h *hub) find(p Path) *watchNode {
	n := h.mu.roots[p.space]
	if n == nil || p.IsRoot() {
		return n
	}
	for i := 0; i < len(p.name) && n != nil; {
		end := p.next(i)
		n = n.children[p.name[i+1:end]]
		i = end
	}
	return n
}

func (n *watchNode) walk(visit func(*watchNode)) {
	visit(n)
	for _, c := range n.children {
		c.walk(visit)
	}
}

// publish makes events the newest part of the history and has them delivered
// to whom they concern. It costs the watched paths on the way, whoever many
// watch them. Only Apply may call it.
func (h *hub) publish(events []*Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.published += uint64(len(events))
	for _, e := range events {
		if e.Index <= h.mu.index {
			panic("store: an event's index went back")
		}
		h.mu.index = e.Index
		h.mu.history.put(e)
		if !e.Refresh && h.mu.count > 0 {
			h.spread(e)
		}
	}
	h.call()
}

// spread gives e to the groups at its path, to the recursive ones above, and
// to those of what fell with it. h.mu must be held.
func (h *hub) spread(e *Event) {
	p := e.Node.Path
	n := h.mu.roots[p.space]
	if n == nil {
		return
	}
	for i := 0; ; {
		if len(n.groups) > 0 && !hiddenBelow(n.path, p) {
			h.give(n, e, func(g *group) bool { return g.recursive })
		}
		end := p.next(i)
		if n = n.children[p.name[i+1:end]]; n == nil {
			return
		}
		if i = end; i == len(p.name) {
			break
		}
	}
	h.give(n, e, func(*group) bool { return true })
	if e.fallen == nil {
		return
	}
	var below []*watchNode
	n.walk(func(c *watchNode) {
		if c != n && len(c.groups) > 0 {
			below = append(below, c)
		}
	})
	for _, c := range below {
		h.give(c, e, func(g *group) bool { return g.born > e.fallen.asOf || e.fallen.paths[c.path] })
	}
}

// give puts e into the groups at n that want it. h.mu must be held.
func (h *hub) give(n *watchNode, e *Event, wants func(*group) bool) {
	for i := len(n.groups) - 1; i >= 0; i-- { // put may take out the one it is given
		if g := n.groups[i]; e.Index >= g.since && wants(g) {
			h.put(g, e)
		}
	}
}

// hiddenBelow reports whether an element of p beneath dir is hidden.
func hiddenBelow(dir, p Path) bool {
	rest := p.name[len(dir.name):]
	if dir.IsRoot() {
		rest = p.name
	}
	return strings.Contains(rest, "/_")
}

// reset replaces the history and ends every watch: what they waited for may
// have been skipped.
func (h *hub) reset(past history, index Index) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.history, h.mu.index = past, index
	h.endAll()
}

// EndWatches ends every watch there is. It is for a server that stops.
func (s *Store) EndWatches() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.endAll()
}

// endAll ends every watch. h.mu must be held.
func (h *hub) endAll() {
	for _, root := range h.mu.roots {
		root.walk(func(n *watchNode) {
			for _, g := range n.groups {
				g.endAll()
			}
		})
	}
	h.mu.roots = map[Space]*watchNode{}
	h.mu.count, h.mu.streams = 0, 0
}

func (g *group) endAll() {
	for _, row := range [...]*place{&g.idle, &g.due, &g.busy} {
		for w := row.first(); w != nil; w = row.first() {
			w.place.leave()
			w.end()
		}
	}
}
