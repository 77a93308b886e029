package store

import (
	"runtime"
	"slices"
)

// Delivery. What watches see alike, at one path, forms a group. An event is
// put down once for each group it concerns, at the end of the group's chain,
// however many watch; each watcher has its own place in the chain. Bringing
// events to watchers is done by deliverers, a slice of watchers at a time:
// thousands that wake up together would stand in line before every request
// that comes meanwhile.

// group is the watchers that see the same events.
type group struct {
	groupKey
	node *watchNode
	born uint64 // hub.births when it was made

	size   int   // watchers in it
	tail   *link // where the next event goes
	over   bool  // it was hit: all in it get the one event they were waiting for
	queued bool  // in hub.mu.due
	next   *group

	// Its watchers, each in one of three rows.
	idle place // resting, with nothing to take
	due  place // resting, with something to take; longest waiting first
	busy place // awake or pushing
}

type groupKey struct {
	recursive, stream bool
	since             Index // events before it are not seen; 0 if there can be none
}

// link is one event in the chain of a group; the last one is still empty. The
// watchers alone hold the chain: a link that all have passed is garbage.
type link struct {
	event  *Event
	next   *link
	number uint64
}

// place is where a watcher stands in a row. A row is a ring of places, one of
// which has nobody: after it comes the first, before it the last.
type place struct {
	before, after *place
	who           *Watcher
}

func (r *place) init()           { r.before, r.after = r, r }
func (r *place) first() *Watcher { return r.after.who }

// join puts p at the end of the row r.
func (r *place) join(p *place) {
	p.leave()
	p.before, p.after = r.before, r
	r.before.after = p
	r.before = p
}

// joinAll puts all of the row from at the end of the row r.
func (r *place) joinAll(from *place) {
	if from.after == from {
		return
	}
	from.after.before, from.before.after = r.before, r
	r.before.after, r.before = from.after, from.before
	from.init()
}

// leave takes p out of its row, if it is in one.
func (p *place) leave() {
	if p.after != nil {
		p.before.after, p.after.before = p.after, p.before
		p.before, p.after = nil, nil
	}
}

func newGroup(n *watchNode, key groupKey, born uint64) *group {
	g := &group{groupKey: key, node: n, born: born, tail: new(link)}
	g.idle.init()
	g.due.init()
	g.busy.init()
	return g
}

// put makes e the newest event of g. h.mu must be held.
func (h *hub) put(g *group, e *Event) {
	t := g.tail
	t.event, t.next = e, &link{number: t.number + 1}
	g.tail = t.next
	g.due.joinAll(&g.idle)
	if !g.stream {
		h.mu.count -= g.size
		g.over = true
		h.forget(g)
	} else {
		// The most patient stand in front. Who is so far behind keeps what it
		// can still have, and no more.
		for _, row := range [...]*place{&g.due, &g.busy} {
			for w := row.first(); w != nil && w.state != pushing && w.behind() > h.limit(); w = row.first() {
				w.past = h.collect(w)
			}
		}
		h.compare(g)
	}
	h.queue(g)
}

// limit is how many events may wait for a reader.
func (h *hub) limit() int { return h.mu.history.len() }

// queue has g delivered to, if there is anybody to deliver to. h.mu must be
// held.
func (h *hub) queue(g *group) {
	if g.queued || g.due.first() == nil {
		return
	}
	g.queued, g.next = true, nil
	if h.mu.last == nil {
		h.mu.first = g
	} else {
		h.mu.last.next = g
	}
	h.mu.last = g
}

// unqueue is the group whose turn it is, or nil. h.mu must be held.
func (h *hub) unqueue() *group {
	g := h.mu.first
	if g != nil {
		h.mu.first = g.next
		if h.mu.first == nil {
			h.mu.last = nil
		}
		g.queued, g.next = false, nil
	}
	return g
}

// collect moves w to the end of its chain and returns what it passes. If that
// is more than the limit w ends with so much of it. h.mu must be held.
func (h *hub) collect(w *Watcher) (events []*Event) {
	n := min(w.behind(), h.limit())
	events, w.past = w.past, nil
	if n > len(events) {
		events = slices.Grow(events, n-len(events))
	}
	for ; w.at != nil && w.at.next != nil; w.at = w.at.next {
		if len(events) == n {
			h.evict(w)
			return events
		}
		events = append(events, w.at.event)
		if !w.stream {
			h.drop(w)
			w.ended, w.at = true, nil
			return events
		}
	}
	return events
}

// evict ends w, whose reader is too slow. h.mu must be held.
func (h *hub) evict(w *Watcher) {
	w.at = nil
	if !w.ended {
		h.mu.evicted++
		h.drop(w)
		w.end()
	}
}

// rest notes that the reader of w waits. h.mu must be held.
func (h *hub) rest(w *Watcher) {
	w.state = resting
	if w.at.next == nil {
		w.group.idle.join(&w.place)
		return
	}
	w.group.due.join(&w.place)
	h.queue(w.group)
	h.call()
}

// call brings a deliverer if there is work for one more. h.mu must be held.
func (h *hub) call() {
	if h.mu.first != nil && h.mu.deliverers < h.most {
		h.mu.deliverers++
		h.deliverers.Go(h.deliver)
	}
}

// slice is how many watchers a deliverer sees to between two looks at the hub:
// half a millisecond's work.
const slice = 64

// task is to tell a watcher that there is something for it, or to give run to
// its sink.
type task struct {
	watcher *Watcher
	run     *Run
	pushed  Pushed
}

// deliver brings events to watchers until there is nothing left to bring.
func (h *hub) deliver() {
	tasks := make([]task, 0, slice)
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		tasks = h.gather(tasks[:0])
		if len(tasks) == 0 {
			h.mu.deliverers--
			return
		}
		h.call()
		h.mu.Unlock()
		for i := range tasks {
			if t := &tasks[i]; t.run != nil {
				t.pushed = t.watcher.sink.Push(t.run)
			} else {
				t.watcher.signal()
			}
		}
		// Whoever was woken, and every request that came, goes first.
		runtime.Gosched()
		h.mu.Lock()
		for i := range tasks {
			if t := &tasks[i]; t.run != nil {
				h.settle(t)
			}
		}
		clear(tasks)
	}
}

// gather makes the tasks of the next slice. h.mu must be held.
func (h *hub) gather(tasks []task) []task {
	for len(tasks) < slice {
		g := h.unqueue()
		if g == nil {
			break
		}
		var run *Run
		for w := g.due.first(); w != nil && len(tasks) < slice; w = g.due.first() {
			g.busy.join(&w.place)
			if w.sink == nil || w.behind() > h.limit() {
				w.state = awake
				tasks = append(tasks, task{watcher: w})
				continue
			}
			if run == nil || run.from != w.at {
				run = newRun(w.at, g.tail)
			}
			w.state = pushing
			tasks = append(tasks, task{watcher: w, run: run})
		}
		h.queue(g) // behind the others
	}
	return tasks
}

// settle lets a watcher whose sink was given a run rest, or wakes its reader.
// h.mu must be held.
func (h *hub) settle(t *task) {
	w := t.watcher
	w.state = awake
	if t.pushed != PushedNone && w.at != nil {
		w.at = t.run.to
	}
	if t.pushed == PushedAll && !w.ended {
		h.rest(w)
		return
	}
	w.signal()
}

// Run is some events in a row, as several watchers get them.
type Run struct {
	Events   []*Event // at least one
	from, to *link
	rendered []byte
}

func newRun(from, to *link) *Run {
	r := &Run{from: from, to: to, Events: make([]*Event, 0, to.number-from.number)}
	for n := from; n != to; n = n.next {
		r.Events = append(r.Events, n.event)
	}
	return r
}

// Rendered returns what render makes of all events, one after the other,
// calling it once for each event and all who watch. The bytes must not be
// changed.
func (r *Run) Rendered(render func(*Event) []byte) []byte {
	if len(r.Events) == 1 {
		return r.Events[0].Rendered(render)
	}
	if r.rendered == nil {
		for _, e := range r.Events {
			r.rendered = append(r.rendered, e.Rendered(render)...)
		}
	}
	return r.rendered
}
