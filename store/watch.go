package store

import (
	"fmt"
	"strings"
	"sync"
)

// WatchOptions says what a watch is to see.
type WatchOptions struct {
	Recursive bool  // also what happens beneath the path
	Stream    bool  // all events, not only the first
	Since     Index // events from this index on, also past ones; 0: from now on
}

// Watcher is one subscription. It owns no goroutine: whoever holds it waits
// for Ready and calls Take, from one goroutine, and closes it at the end.
type Watcher struct {
	hub   *hub
	at    *watchNode // where it is registered; nil: nowhere
	place int        // in at.watchers
	path  Path
	opts  WatchOptions
	index Index
	birth uint64 // hub.births when it was registered
	ready chan struct{}

	mu struct {
		sync.Mutex
		queue []*Event
		ended bool
	}
}

// Index is the store's index when the watch was registered.
func (w *Watcher) Index() Index { return w.index }

// Ready receives when Take may have something new.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// Take returns the events that have come since the last call, oldest first.
// When live is false nothing will follow them: a watch that is no stream has
// had its event, the reader was so slow that the history could not have
// helped it either, or the store was replaced or ended all watches.
func (w *Watcher) Take() (events []*Event, live bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events, w.mu.queue = w.mu.queue, nil
	return events, !w.mu.ended
}

// Close ends the watch: Take has no more than what is queued. It may be called
// more than once, and from any goroutine.
func (w *Watcher) Close() {
	w.hub.mu.Lock()
	w.hub.remove(w)
	w.hub.mu.Unlock()
	w.end()
}

// give queues e and reports whether the watch goes on.
func (w *Watcher) give(e *Event, limit int) bool {
	w.mu.Lock()
	if len(w.mu.queue) >= limit {
		w.mu.ended = true // what is queued is still delivered
	} else {
		w.mu.queue = append(w.mu.queue, e)
		w.mu.ended = !w.opts.Stream
	}
	live := !w.mu.ended
	w.mu.Unlock()
	w.signal()
	return live
}

func (w *Watcher) end() {
	w.mu.Lock()
	w.mu.ended = true
	w.mu.Unlock()
	w.signal()
}

// signal lets one call of Take run; the channel holds one because Take
// empties the whole queue.
func (w *Watcher) signal() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// hub is all watchers and the history. Its mutex covers "append to the
// history and wake" and "search the history and register", so that no event
// falls between replay and live.
type hub struct {
	mu struct {
		sync.Mutex
		history history
		index   Index // of the newest event published
		roots   map[Space]*watchNode
		count   int
		births  uint64
		evicted uint64
	}
}

// watchNode is a path somebody watches, or an element on the way to one.
type watchNode struct {
	path     Path
	parent   *watchNode
	children map[string]*watchNode
	watchers []*Watcher
}

func newHub(length int) *hub {
	h := &hub{}
	h.mu.history = newHistory(length)
	h.mu.roots = map[Space]*watchNode{}
	return h
}

// Watch subscribes to what happens at p. With a Since in the past the events
// the history still has are delivered first; if it has lost some that might
// have mattered the refusal is CodeHistoryCleared.
func (s *Store) Watch(p Path, o WatchOptions) (*Watcher, error) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	w := &Watcher{hub: h, path: p, opts: o, index: h.mu.index, ready: make(chan struct{}, 1)}
	if o.Since > 0 && o.Since <= h.mu.index {
		if oldest := h.mu.history.oldest(h.mu.index); o.Since < oldest {
			return nil, &Error{
				Code:  CodeHistoryCleared,
				Cause: fmt.Sprintf("the requested history has been cleared [%d/%d]", oldest, o.Since),
				Index: h.mu.index,
			}
		}
		w.replay(&h.mu.history, h.mu.index)
		if w.mu.ended {
			return w, nil
		}
	}
	h.add(w)
	return w, nil
}

// replay queues what the history owes w, who is not registered yet.
func (w *Watcher) replay(past *history, newest Index) {
	for i := w.opts.Since; i <= newest; i++ {
		e := past.at(i)
		if e == nil || !e.matches(w.path, w.opts.Recursive) {
			continue
		}
		if !w.give(e, past.len()) {
			return
		}
	}
}

// add registers w. h.mu must be held.
func (h *hub) add(w *Watcher) {
	n := h.mu.roots[w.path.space]
	if n == nil {
		n = &watchNode{path: Root(w.path.space)}
		h.mu.roots[w.path.space] = n
	}
	if !w.path.IsRoot() {
		for i := 0; i < len(w.path.name); {
			end := w.path.next(i)
			n = n.child(w.path.name[i+1:end], w.path.upTo(end))
			i = end
		}
	}
	h.mu.count++
	h.mu.births++
	w.birth = h.mu.births
	w.at, w.place = n, len(n.watchers)
	n.watchers = append(n.watchers, w)
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

// remove takes w out, if it is in. h.mu must be held.
func (h *hub) remove(w *Watcher) {
	n := w.at
	if n == nil {
		return
	}
	w.at = nil
	h.mu.count--
	last := len(n.watchers) - 1
	n.watchers[last].place = w.place
	n.watchers[w.place] = n.watchers[last]
	n.watchers[last] = nil
	n.watchers = n.watchers[:last]
	h.prune(n)
}

// prune takes n and what is above it out of the tree of watched paths as far
// as nobody needs it. h.mu must be held.
func (h *hub) prune(n *watchNode) {
	for n.parent != nil && len(n.watchers) == 0 && len(n.children) == 0 {
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
			if c != n && len(c.watchers) > 0 {
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

// publish makes events the newest part of the history and wakes whom they
// concern. Only Apply may call it.
func (h *hub) publish(events []*Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		if e.Index <= h.mu.index {
			panic("store: an event's index went back")
		}
		h.mu.index = e.Index
		h.mu.history.put(e)
		if !e.Refresh && h.mu.count > 0 {
			h.wakeAll(e)
		}
	}
}

// wakeAll gives e to the watchers at its path, to the recursive ones above,
// and to those of what fell with it. h.mu must be held.
func (h *hub) wakeAll(e *Event) {
	p := e.Node.Path
	n := h.mu.roots[p.space]
	if n == nil {
		return
	}
	for i := 0; ; {
		h.wake(n, e, func(w *Watcher) bool { return w.opts.Recursive && !hiddenBelow(w.path, p) })
		end := p.next(i)
		if n = n.children[p.name[i+1:end]]; n == nil {
			return
		}
		if i = end; i == len(p.name) {
			break
		}
	}
	h.wake(n, e, func(*Watcher) bool { return true })
	if e.fallen == nil {
		return
	}
	var below []*watchNode
	n.walk(func(c *watchNode) {
		if c != n && len(c.watchers) > 0 {
			below = append(below, c)
		}
	})
	for _, c := range below {
		h.wake(c, e, func(w *Watcher) bool { return w.birth > e.fallen.asOf || e.fallen.paths[w.path] })
	}
}

// wake gives e to the watchers at n that want it, and forgets those that
// need no more. h.mu must be held.
func (h *hub) wake(n *watchNode, e *Event, wants func(*Watcher) bool) {
	if len(n.watchers) == 0 {
		return
	}
	limit := h.mu.history.len()
	kept := n.watchers[:0]
	for _, w := range n.watchers {
		if e.Index < w.opts.Since || !wants(w) || w.give(e, limit) {
			w.place = len(kept)
			kept = append(kept, w)
			continue
		}
		w.at = nil
		h.mu.count--
		if w.opts.Stream {
			h.mu.evicted++
		}
	}
	clear(n.watchers[len(kept):])
	n.watchers = kept
	if len(kept) == 0 {
		h.prune(n)
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
			for _, w := range n.watchers {
				w.at = nil
				w.end()
			}
		})
	}
	h.mu.roots = map[Space]*watchNode{}
	h.mu.count = 0
}
