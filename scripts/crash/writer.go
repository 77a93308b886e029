package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"time"

	"keytree/scripts/process"
)

const (
	queue      = "/queue"  // in-order keys of all writers
	shared     = "/shared" // swapped by all writers
	markKey    = "/mark"   // written after each restart
	keys       = 10        // of each writer
	answerTime = 10 * time.Second
)

// A record collects what the writers did.
type record struct {
	mu     sync.Mutex
	ops    []op
	floor  uint64   // highest index acknowledged
	faults []string // what a writer saw for itself
}

func (r *record) add(o op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ops = append(r.ops, o)
	if o.outcome == acknowledged {
		r.floor = max(r.floor, o.index)
	}
}

func (r *record) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// highest returns the highest index acknowledged.
func (r *record) highest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.floor
}

// A writer writes keys of its own, in-order keys, and keys it shares. It is
// used by one goroutine at a time.
type writer struct {
	id       int
	r        *rand.Rand
	conn     *process.Conn
	record   *record
	throttle func(ctx context.Context) error
	own      map[string]node // what it knows of its keys
	made     int             // values
}

// run writes until the connection breaks or ctx is done.
func (w *writer) run(ctx context.Context) {
	defer w.conn.Close()
	for ctx.Err() == nil {
		if w.throttle(ctx) != nil || w.step(ctx) != nil {
			return
		}
	}
}

// learn takes over what a snapshot says about the writer's own keys. What was
// unknown is known now.
func (w *writer) learn(s snapshot) {
	clear(w.own)
	for i := range keys {
		if n, there := s.nodes[w.key(i)]; there {
			w.own[w.key(i)] = n
		}
	}
}

func (w *writer) key(i int) string { return fmt.Sprintf("/w%d/k%d", w.id, i) }

func (w *writer) value() string {
	w.made++
	return fmt.Sprintf("w%d.%d", w.id, w.made)
}

func (w *writer) step(ctx context.Context) error {
	key := w.key(w.r.IntN(keys))
	old, exists := w.own[key]
	switch n := w.r.IntN(100); {
	case n < 35:
		return w.write(ctx, op{action: "set", key: key, value: w.value(), must: true}, "PUT", nil)
	case n < 55 && exists:
		return w.write(ctx, op{action: "compareAndSwap", key: key, value: w.value(), must: true}, "PUT", w.condition(old))
	case n < 60:
		return w.write(ctx, op{action: "compareAndSwap", key: key, value: w.value()}, "PUT", url.Values{"prevValue": {"never"}})
	case n < 65:
		return w.write(ctx, op{action: "create", key: key, value: w.value(), must: !exists}, "PUT", url.Values{"prevExist": {"false"}})
	case n < 75 && exists:
		return w.write(ctx, op{action: "delete", key: key, removes: old.value, must: true}, "DELETE", nil)
	case n < 80 && exists:
		return w.write(ctx, op{action: "compareAndDelete", key: key, removes: old.value, must: true}, "DELETE", w.condition(old))
	case n < 90:
		return w.write(ctx, op{action: "create", key: queue, value: w.value(), must: true}, "POST", nil)
	case n < 95:
		return w.swapShared(ctx)
	}
	return w.read(ctx, key)
}

// condition makes the parameters that hold for n.
func (w *writer) condition(n node) url.Values {
	v := url.Values{}
	if k := w.r.IntN(3); k == 0 {
		v.Set("prevValue", n.value)
	} else {
		v.Set("prevIndex", strconv.FormatUint(n.modified, 10))
		if k == 2 {
			v.Set("prevValue", n.value)
		}
	}
	return v
}

// An answer is what the keys API says.
type answer struct {
	Action    string
	ErrorCode int
	Node      *answerNode
	PrevNode  *answerNode
}

type answerNode struct {
	Key           string
	Value         string
	Dir           bool
	Nodes         []*answerNode
	ModifiedIndex uint64
	CreatedIndex  uint64
}

// errUnclear ends a writer's run: it has to find out what became of its last
// operation.
var errUnclear = errors.New("outcome unknown")

// write sends one operation and records what became of it.
func (w *writer) write(ctx context.Context, o op, method string, params url.Values) error {
	o.writer, o.floor = w.id, w.record.highest()
	q := process.Request{Method: method, Target: "/v2/keys" + o.key}
	if len(params) > 0 {
		q.Target += "?" + params.Encode()
	}
	if method != "DELETE" {
		q.Header, q.Body = process.Form(), []byte(url.Values{"value": {o.value}}.Encode())
	}
	ctx, stop := context.WithTimeout(ctx, answerTime)
	defer stop()
	a, err := w.conn.Do(ctx, q)
	own := o.key != queue && o.key != shared && o.key != markKey
	status := 0
	if err == nil {
		status = a.Status
	}
	var said answer
	if status != 0 && json.Unmarshal(a.Body, &said) != nil {
		status = 0
	}
	switch {
	case (status == 200 || status == 201) && said.Node != nil:
		o.outcome, o.index, o.created, o.key = acknowledged, said.Node.ModifiedIndex, said.Node.CreatedIndex, said.Node.Key
		if own && o.value != "" {
			w.own[o.key] = node{o.value, o.created, o.index}
		} else if own {
			delete(w.own, o.key)
		}
	case status >= 400 && status < 500:
		o.outcome = refused
	default:
		w.record.add(o)
		return errUnclear
	}
	w.record.add(o)
	return nil
}

// read looks whether the writer's last word on one of its keys stands.
func (w *writer) read(ctx context.Context, key string) error {
	ctx, stop := context.WithTimeout(ctx, answerTime)
	defer stop()
	n, err := w.get(ctx, key)
	if err != nil {
		return err
	}
	if want := w.own[key]; n != want {
		w.record.fault("writer %d reads %s as %+v, its last write was %+v", w.id, key, n, want)
	}
	return nil
}

// swapShared swaps a key that others swap too, if nobody is faster.
func (w *writer) swapShared(ctx context.Context) error {
	limit, stop := context.WithTimeout(ctx, answerTime)
	defer stop()
	n, err := w.get(limit, shared)
	if err != nil {
		return err
	}
	if n.modified == 0 {
		return w.write(ctx, op{action: "create", key: shared, value: w.value()}, "PUT", url.Values{"prevExist": {"false"}})
	}
	return w.write(ctx, op{action: "compareAndSwap", key: shared, value: w.value()}, "PUT",
		url.Values{"prevIndex": {strconv.FormatUint(n.modified, 10)}})
}

// get returns the node at key, the zero node if there is none.
func (w *writer) get(ctx context.Context, key string) (node, error) {
	a, err := w.conn.Do(ctx, process.Request{Method: "GET", Target: "/v2/keys" + key})
	if err != nil {
		return node{}, err
	}
	var said answer
	if err := json.Unmarshal(a.Body, &said); err != nil {
		return node{}, fmt.Errorf("get %s: %w", key, err)
	}
	switch {
	case said.Node != nil:
		return node{said.Node.Value, said.Node.CreatedIndex, said.Node.ModifiedIndex}, nil
	case said.ErrorCode == 100:
		return node{}, nil
	}
	return node{}, fmt.Errorf("get %s: status %d: %s", key, a.Status, a.Body)
}
