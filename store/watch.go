package store

import "fmt"

// WatchOptions says what a watch is to see.
type WatchOptions struct {
	Recursive bool  // also what happens beneath the path
	Stream    bool  // all events, not only the first
	Since     Index // events from this index on, also past ones; 0: from now on

	// Sink is given events while the reader rests. It is for streams only; nil:
	// the reader takes all of them itself.
	Sink Sink
}

// Sink is somewhere events can be put without waiting, on behalf of a reader
// that rests. Its method is called by one goroutine at a time, and never
// while the reader is awake.
type Sink interface {
	Push(*Run) Pushed
}

// Pushed is how far a Sink came with a run.
type Pushed byte

const (
	PushedNone Pushed = iota // the reader is to wake up and take the run itself
	PushedPart               // the sink has the run, and the reader is to wake up and see to the rest
	PushedAll                // the reader may rest
)

// Watcher is one subscription. It owns no goroutine: whoever holds it, its
// reader, calls Take and waits for Ready, or for Await if there is a sink,
// from one goroutine, and closes it at the end.
//
// A reader rests after a Take that returned nothing, and one without a sink
// after every Take. It begins awake if it has a sink or past events to take.
type Watcher struct {
	hub    *hub
	index  Index
	stream bool
	sink   Sink
	ready  chan struct{}

	// Guarded by hub.mu.
	group *group
	place place // in a row of group; in none: it is not registered
	state watcherState
	ended bool     // nothing follows what it has yet to take
	past  []*Event // to be taken first
	at    *link    // the next to take; nil: none
}

type watcherState byte

const (
	resting watcherState = iota
	awake                // told that there is something, or busy with what it took
	pushing              // its sink is being given a run
)

// Index is the store's index when the watch was registered.
func (w *Watcher) Index() Index { return w.index }

// Ready receives when Take may have something new.
func (w *Watcher) Ready() <-chan struct{} { return w.ready }

// Await returns when the reader is needed: Take has something, or the sink
// was left with something, or the watch has ended. From then on the sink is
// the reader's, until a Take returns nothing.
func (w *Watcher) Await() {
	for {
		<-w.ready
		w.hub.mu.Lock()
		needed := w.state == awake || w.ended && w.state != pushing
		w.hub.mu.Unlock()
		if needed {
			return
		}
	}
}

// Take returns the events that have come since the last call, oldest first.
// When live is false nothing will follow them: a watch that is no stream has
// had its event, the reader was so slow that the history could not have
// helped it either, or the store was replaced or ended all watches.
func (w *Watcher) Take() (events []*Event, live bool) {
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.state == pushing {
		return nil, true
	}
	events = h.collect(w)
	if !w.ended && (len(events) == 0 || w.sink == nil) {
		h.rest(w)
	}
	return events, !w.ended
}

// Close ends the watch: Take has nothing more. It may be called more than
// once, and from any goroutine.
func (w *Watcher) Close() {
	h := w.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(w)
	w.past, w.at = nil, nil
	w.end()
}

// end has the reader find out that nothing follows. hub.mu must be held.
func (w *Watcher) end() {
	w.ended = true
	if w.state != pushing { // else who pushes tells it, afterwards
		w.signal()
	}
}

// signal lets one call of Take run; the channel holds one because Take
// empties all there is.
func (w *Watcher) signal() {
	select {
	case w.ready <- struct{}{}:
	default:
	}
}

// behind is how many events wait for w. hub.mu must be held.
func (w *Watcher) behind() int {
	n := len(w.past)
	if w.at != nil {
		n += int(w.group.tail.number - w.at.number)
	}
	return n
}

// Watch subscribes to what happens at p. With a Since in the past the events
// the history still has are delivered first; if it has lost some that might
// have mattered the refusal is CodeHistoryCleared.
func (s *Store) Watch(p Path, o WatchOptions) (*Watcher, error) {
	h := s.hub
	w := &Watcher{hub: h, stream: o.Stream, sink: o.Sink, ready: make(chan struct{}, 1)}
	w.place.who = w
	h.mu.Lock()
	defer h.mu.Unlock()
	w.index = h.mu.index
	if o.Since > 0 && o.Since <= h.mu.index {
		if oldest := h.mu.history.oldest(h.mu.index); o.Since < oldest {
			h.mu.cleared++
			return nil, &Error{
				Code:  CodeHistoryCleared,
				Cause: fmt.Sprintf("the requested history has been cleared [%d/%d]", oldest, o.Since),
				Index: h.mu.index,
			}
		}
		h.replay(w, p, o)
		if w.ended {
			return w, nil
		}
	}
	h.add(w, p, o)
	return w, nil
}

// replay lets w begin with what the history owes it. h.mu must be held.
func (h *hub) replay(w *Watcher, p Path, o WatchOptions) {
	for i := o.Since; i <= h.mu.index; i++ {
		e := h.mu.history.at(i)
		if e == nil || !e.matches(p, o.Recursive) {
			continue
		}
		w.past = append(w.past, e)
		if !o.Stream {
			w.end()
			return
		}
	}
}
