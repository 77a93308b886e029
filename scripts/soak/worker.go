package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	ownKeys  = 100 // of each worker
	ownTTLs  = 50
	ownQueue = 50
	redial   = 200 // requests on a connection, about
	slack    = 10 * time.Second
)

// A worker writes keys of its own, of which there are always about as many,
// and holds every answer against what it knows of them. It belongs to one
// goroutine.
type worker struct {
	id      int
	rnd     *rand.Rand
	session *session
	log     *journal
	made    int // values

	own    map[string]known
	lives  map[string]life
	queue  []string // in-order keys, oldest first
	lost   bool     // what is in the queue has to be learnt anew
	ghosts map[string][]ghost
}

// A ghost is a write whose outcome is unknown: it may take effect until it is
// long past.
type ghost struct {
	value string // "" if it removes the key
	until time.Time
}

// ghostTime is for how long a server may try to get a write through, and a
// cluster to replace a leader.
const ghostTime = 30 * time.Second

// known is what a worker knows of a key. The zero value: there is none.
type known struct {
	value    string
	modified uint64
	unclear  bool // it has to be learnt anew
}

// life is a key that ends by itself, not before and not much after due.
type life struct {
	value string
	due   time.Time
	end   time.Time // it is gone by then
}

func newWorker(id int, seed uint64, addrs []string, log *journal) *worker {
	return &worker{
		id: id, rnd: rand.New(rand.NewPCG(seed, uint64(id))), session: newSession(addrs, id), log: log,
		own: make(map[string]known), lives: make(map[string]life), ghosts: make(map[string][]ghost),
	}
}

func (w *worker) dir() string         { return fmt.Sprintf("/soak/w%d", w.id) }
func (w *worker) key(i int) string    { return fmt.Sprintf("%s/keys/k%03d", w.dir(), i) }
func (w *worker) ttlKey(i int) string { return fmt.Sprintf("%s/lives/t%03d", w.dir(), i) }

func (w *worker) value() string {
	w.made++
	return fmt.Sprintf("%d.%d.%s", w.id, w.made, strings.Repeat("x", w.rnd.IntN(200)))
}

// run does one thing after the other, each at its time, until ctx is done.
func (w *worker) run(ctx context.Context, every time.Duration) {
	defer w.session.close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := w.step(ctx); err != nil {
			pause(ctx, 20*time.Millisecond)
		}
		if w.rnd.IntN(redial) == 0 {
			w.session.conn.Close() // it dials again
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// step returns an error if the outcome of what it did is unknown.
func (w *worker) step(ctx context.Context) error {
	key := w.key(w.rnd.IntN(ownKeys))
	k := w.own[key]
	n := w.rnd.IntN(100)
	switch {
	case k.unclear:
		return w.read(ctx, key)
	case n < 30:
		return w.write(ctx, "PUT", key, url.Values{"value": {w.value()}}, false)
	case n < 40 && k.value != "":
		return w.write(ctx, "PUT", key, url.Values{"value": {w.value()}, "prevIndex": {strconv.FormatUint(k.modified, 10)}}, false)
	case n < 45:
		return w.write(ctx, "PUT", key, url.Values{"value": {w.value()}, "prevValue": {"never"}}, true)
	case n < 50 && k.value != "":
		return w.write(ctx, "DELETE", key, url.Values{}, false)
	case n < 60:
		return w.enqueue(ctx)
	case n < 70:
		return w.live(ctx, w.ttlKey(w.rnd.IntN(ownTTLs)))
	case n < 78:
		return w.outlive(ctx, w.ttlKey(w.rnd.IntN(ownTTLs)))
	case n < 80:
		return w.list(ctx)
	}
	return w.read(ctx, key)
}

// write changes an own key. A compare that cannot hold is to be refused.
func (w *worker) write(ctx context.Context, method, key string, params url.Values, refused bool) error {
	old, value := w.own[key], params.Get("value")
	r, err := w.session.do(ctx, method, key, params)
	w.log.count(err)
	switch {
	case err != nil:
		w.haunt(key, value)
		old.unclear = true
		w.own[key] = old
		return err
	case refused:
		if r.Node != nil {
			w.log.fault("%s: a compare with what never was held", key)
			w.own[key] = known{value: value, modified: r.Node.ModifiedIndex}
		}
	case r.Node == nil:
		if !w.haunted(key) {
			w.log.fault("%s %s is refused with code %d; the last write was %s", method, key, r.ErrorCode, old)
		}
		old.unclear = true
		w.own[key] = old
	case method == "DELETE":
		delete(w.own, key)
	default:
		w.own[key] = known{value: value, modified: r.Node.ModifiedIndex}
	}
	return nil
}

// haunt notes that a write may yet take effect.
func (w *worker) haunt(key, value string) {
	w.ghosts[key] = append(w.ghosts[key], ghost{value, time.Now().Add(ghostTime)})
}

// haunted reports whether a write may yet take effect.
func (w *worker) haunted(key string) bool {
	all := slices.DeleteFunc(w.ghosts[key], func(g ghost) bool { return time.Now().After(g.until) })
	if len(all) == 0 {
		delete(w.ghosts, key)
		return false
	}
	w.ghosts[key] = all
	return true
}

func (k known) String() string { return fmt.Sprintf("%.20q at %d", k.value, k.modified) }

// read looks whether an own key is as it was written.
func (w *worker) read(ctx context.Context, key string) error {
	r, err := w.session.do(ctx, "GET", key, nil)
	w.log.count(err)
	if err != nil {
		return err
	}
	var is known
	if r.Node != nil {
		is = known{value: r.Node.Value, modified: r.Node.ModifiedIndex}
	} else if r.ErrorCode != codeNotFound {
		return fmt.Errorf("%w: code %d", errUnclear, r.ErrorCode)
	}
	w.compare(key, is)
	return nil
}

// compare holds what is against what was written, and learns from it.
func (w *worker) compare(key string, is known) {
	want := w.own[key]
	good := is.value == want.value && is.modified == want.modified
	ghostly := w.haunted(key) && slices.ContainsFunc(w.ghosts[key], func(g ghost) bool { return g.value == is.value })
	if !good && !ghostly {
		w.log.fault("%s is %s, its last write was %s", key, is, want)
	}
	if is.value == "" {
		delete(w.own, key)
	} else {
		w.own[key] = is
	}
}

// enqueue adds an in-order key, and takes the oldest away if they are many.
func (w *worker) enqueue(ctx context.Context) error {
	dir := w.dir() + "/queue"
	if w.lost {
		return w.recount(ctx, dir)
	}
	method, key, params := "POST", dir, url.Values{"value": {w.value()}}
	if len(w.queue) >= ownQueue {
		method, key, params = "DELETE", w.queue[0], url.Values{}
	}
	r, err := w.session.do(ctx, method, key, params)
	w.log.count(err)
	switch {
	case err != nil:
		w.haunt(dir, "")
		w.lost = true
		return err
	case r.Node == nil:
		if !w.haunted(dir) {
			w.log.fault("%s %s is refused with code %d", method, key, r.ErrorCode)
		}
		w.lost = true
	case method == "DELETE":
		w.queue = w.queue[1:]
	case len(w.queue) > 0 && r.Node.Key <= w.queue[len(w.queue)-1]:
		w.log.fault("in-order key %s comes after %s", r.Node.Key, w.queue[len(w.queue)-1])
	default:
		w.queue = append(w.queue, r.Node.Key)
	}
	return nil
}

// recount learns which in-order keys there are. Of those known one may be gone
// and one more be there, by the write whose outcome is unknown.
func (w *worker) recount(ctx context.Context, dir string) error {
	r, err := w.session.do(ctx, "GET", dir, url.Values{})
	w.log.count(err)
	if err != nil {
		return err
	}
	var is []string
	if r.Node != nil {
		for _, n := range r.Node.Nodes {
			is = append(is, n.Key)
		}
	}
	slices.Sort(is)
	for i, key := range w.queue {
		if _, there := slices.BinarySearch(is, key); !there && i > 0 {
			w.log.fault("in-order key %s was acknowledged and is gone", key)
		}
	}
	w.queue, w.lost = is, false
	return nil
}

// list compares a whole directory with what was written.
func (w *worker) list(ctx context.Context) error {
	r, err := w.session.do(ctx, "GET", w.dir()+"/keys", url.Values{})
	w.log.count(err)
	if err != nil {
		return err
	}
	is := make(map[string]known)
	if r.Node != nil {
		for _, n := range r.Node.Nodes {
			is[n.Key] = known{value: n.Value, modified: n.ModifiedIndex}
		}
	}
	for i := range ownKeys {
		w.compare(w.key(i), is[w.key(i)])
	}
	return nil
}
