package stats

import (
	"strconv"
	"sync/atomic"
)

// Op is a kind of work the tree is asked for, as the dialect counts it.
type Op byte

const (
	Get          Op = iota // a read of one key, or of one directory's children
	GetRecursive           // a read of everything beneath a directory
	Set
	Delete
	Update
	Create // also in order
	CompareAndSwap
	CompareAndDelete
	ops
)

// writes are the counted mutations in the order of the /v2/stats/store answer,
// with their names there and in the metrics.
var writes = [...]struct {
	op           Op
	field, label string
}{
	{Set, "sets", "set"},
	{Delete, "delete", "delete"},
	{Update, "update", "update"},
	{Create, "create", "create"},
	{CompareAndSwap, "compareAndSwap", "compareAndSwap"},
	{CompareAndDelete, "compareAndDelete", "compareAndDelete"},
}

// Store counts what the tree was asked for and how it answered. Reads are
// counted once for each answer a client saw, writes once for each command the
// log brought. The zero value is ready.
type Store struct {
	counts  [ops]tally
	expired atomic.Uint64
	watches atomic.Uint64
}

// tally is one kind of work: each kind is written by many goroutines at once,
// so it keeps a cache line to itself.
type tally struct {
	done, refused atomic.Uint64
	_             [48]byte
}

// Count adds one piece of work; ok says whether it succeeded.
func (s *Store) Count(o Op, ok bool) {
	if ok {
		s.counts[o].done.Add(1)
	} else {
		s.counts[o].refused.Add(1)
	}
}

// Expired adds n nodes that reached their end of life.
func (s *Store) Expired(n int) { s.expired.Add(uint64(n)) }

// Watched adds one watch asked for.
func (s *Store) Watched() { s.watches.Add(1) }

// Done is how often o succeeded.
func (s *Store) Done(o Op) uint64 { return s.counts[o].done.Load() }

// Refused is how often o failed.
func (s *Store) Refused(o Op) uint64 { return s.counts[o].refused.Load() }

// AppendJSON appends the /v2/stats/store answer to b. watchers is the number
// of watches open now.
func (s *Store) AppendJSON(b []byte, watchers int) []byte {
	b = append(b, '{')
	b = appendCount(b, "getsSuccess", s.Done(Get)+s.Done(GetRecursive))
	b = appendCount(b, "getsFail", s.Refused(Get)+s.Refused(GetRecursive))
	for _, w := range writes {
		b = appendCount(b, w.field+"Success", s.Done(w.op))
		b = appendCount(b, w.field+"Fail", s.Refused(w.op))
	}
	b = appendCount(b, "expireCount", s.expired.Load())
	b = appendCount(b, "watchers", uint64(watchers))
	b[len(b)-1] = '}'
	return b
}

func appendCount(b []byte, name string, n uint64) []byte {
	b = append(b, '"')
	b = append(b, name...)
	b = append(b, `":`...)
	b = strconv.AppendUint(b, n, 10)
	return append(b, ',')
}
