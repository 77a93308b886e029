package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// A record is all that clients asked and were answered. It may be used by any
// goroutine.
type record struct {
	began time.Time

	mu struct { // everything inside is guarded
		sync.Mutex
		ops     []op
		acks    []ack
		newest  map[string]node // by key: what a client may expect
		headers map[station]uint64
		back    int // X-Etcd-Index went back when a process was started anew
		highest uint64
		first   uint64 // raft term
		last    uint64
		faults  []string
	}
}

// An ack is a successful write.
type ack struct {
	at     time.Duration
	member string
}

// A station is a client at one process.
type station struct {
	client int
	member string
}

func newRecord() *record {
	r := &record{began: time.Now()}
	r.mu.newest = make(map[string]node)
	r.mu.headers = make(map[station]uint64)
	return r
}

// now is the time since the beginning.
func (r *record) now() time.Duration { return time.Since(r.began) }

func (r *record) add(o op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.ops = append(r.mu.ops, o)
	if o.outcome != done {
		return
	}
	if o.kind.writes() {
		r.mu.acks = append(r.mu.acks, ack{o.ret, o.member})
		r.mu.highest = max(r.mu.highest, o.index)
	}
	if key := o.key; o.kind != enqueue && o.kind != glance && o.found.modified >= r.mu.newest[key].modified {
		r.mu.newest[key] = o.found
	}
}

// header takes note of an answer's headers. A client that stays with a process
// must not see the index go back.
func (r *record) header(o op, sameLife bool, term uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.first == 0 {
		r.mu.first = term
	}
	r.mu.last = max(r.mu.last, term)
	s := station{o.client, o.member}
	before := r.mu.headers[s]
	if o.header < before {
		if sameLife {
			r.mu.faults = append(r.mu.faults, fmt.Sprintf("X-Etcd-Index goes back from %d to %d: {%v}", before, o.header, o))
		} else {
			r.mu.back++
		}
	}
	r.mu.headers[s] = o.header
}

// expected is what stood at key when somebody last looked.
func (r *record) expected(key string) node {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.newest[key]
}

func (r *record) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.faults = append(r.mu.faults, fmt.Sprintf(format, args...))
}

// highest is the greatest index of an acknowledged write.
func (r *record) highest() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.highest
}

// elections is how far the raft term has gone up.
func (r *record) elections() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.last - r.mu.first
}

func (r *record) all() (ops []op, faults []string, back int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.mu.ops), slices.Clone(r.mu.faults), r.mu.back
}

// lastAck is when a write last succeeded.
func (r *record) lastAck() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mu.acks) == 0 {
		return 0
	}
	return r.mu.acks[len(r.mu.acks)-1].at
}

// longestGap is the longest time between from and to without a successful
// write: anywhere, and at the member of those named where it is longest.
func (r *record) longestGap(from, to time.Duration, members []string) (anywhere, worst time.Duration) {
	r.mu.Lock()
	acks := slices.Clone(r.mu.acks)
	r.mu.Unlock()
	last := make(map[string]time.Duration, len(members))
	for _, m := range members {
		last[m] = from
	}
	any := from
	for _, a := range acks {
		if a.at < from || a.at > to {
			continue
		}
		anywhere, any = max(anywhere, a.at-any), max(any, a.at)
		if before, asked := last[a.member]; asked {
			worst, last[a.member] = max(worst, a.at-before), max(before, a.at)
		}
	}
	anywhere = max(anywhere, to-any)
	for at := range maps.Values(last) {
		worst = max(worst, to-at)
	}
	return anywhere, worst
}
