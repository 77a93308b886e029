package store

import (
	"bytes"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// txn is the tree as one Apply sees it: what is committed, and above it what
// the commands so far have done. It belongs to the goroutine that applies.
type txn struct {
	s       *Store
	b       *pebble.Batch // the same one for every Apply
	index   Index
	now     int64
	nodes   map[Path]*record // changed nodes; nil: there is none
	cleared []Path           // directories beneath which nothing committed is left
	bytes   int64            // by how much the Keys space has grown
	auth    uint64           // commands on the Auth space
	due     map[dueHint]bool // changes to the due list; false: taken off
	swept   []dueHint        // those that a sweep under way takes off at its end
	ended   []Expiry         // of the nodes that sweeps have removed, see Ended
	events  []*Event
	results []Result
	scratch []byte
	failed  error // the disk's, not a refusal
	ordered ordered
	trial   trial
}

type dueHint struct {
	expiry Expiry
	path   Path
}

// begin readies the store's one txn.
func (s *Store) begin() *txn {
	t := &s.txn
	t.s = s
	t.index = s.Index()
	if clear(t.results); cap(t.results) > keptRoom {
		t.results = nil
	}
	t.results = t.results[:0]
	t.failed = nil
	t.ended = t.ended[:0]
	t.bytes = 0
	t.auth = 0
	if t.b == nil {
		t.b = s.db.NewBatch()
	}
	if t.nodes == nil {
		t.nodes = map[Path]*record{}
		t.due = map[dueHint]bool{}
	}
	return t
}

// keptRoom is how large a txn's maps may be to be used again.
const keptRoom = 1024

// release forgets what belongs to one Apply.
func (t *txn) release() {
	t.b.Reset()
	if len(t.nodes) > keptRoom || len(t.due) > keptRoom {
		t.nodes, t.due = nil, nil // to walk a map costs its capacity
	}
	clear(t.nodes)
	clear(t.due)
	clear(t.events)
	t.events = t.events[:0]
	t.cleared = t.cleared[:0]
	if cap(t.scratch) > 1<<20 {
		t.scratch = nil
	}
}

// get is the node at p, or nil.
func (t *txn) get(p Path) *record { return t.find(p, t.s.load) }

// find is the node at p, or nil; committed ones are found by read.
func (t *txn) find(p Path, read func(Path) (*record, error)) *record {
	if r, ok := t.nodes[p]; ok {
		return r
	}
	if t.isCleared(p) {
		return nil
	}
	r, err := read(p)
	if err != nil {
		t.failed = errors.Join(t.failed, err)
	}
	return r
}

func (t *txn) isCleared(p Path) bool {
	for _, dir := range t.cleared {
		if p.Under(dir) {
			return true
		}
	}
	return false
}

// lookup is the node at p, or nil where one could be made: refused if an
// element above it is a key. What it reads does not go into the cache, where
// the command is about to put what takes its place.
func (t *txn) lookup(p Path) (*record, error) {
	if r := t.find(p, t.s.peek); r != nil {
		return r, nil
	}
	return nil, t.above(p)
}

// above refuses p if an element above it is a key.
func (t *txn) above(p Path) error {
	for up := p.Parent(); !up.IsRoot(); up = up.Parent() {
		if r := t.get(up); r != nil {
			if !r.dir {
				return t.refuse(CodeNotDir, up.name)
			}
			break
		}
	}
	return nil
}

// missing refuses because there is no node at p; the cause is the first
// element that is not there.
func (t *txn) missing(p Path) error {
	for up := p.Parent(); !up.IsRoot() && t.get(up) == nil; up = up.Parent() {
		p = up
	}
	return t.refuse(CodeKeyNotFound, p.name)
}

// makeParents makes the directories above p that are not there. They are
// permanent and make no events.
func (t *txn) makeParents(p Path) {
	for up := p.Parent(); !up.IsRoot() && t.get(up) == nil; up = up.Parent() {
		t.put(up, &record{created: t.index, modified: t.index, dir: true}, nil)
	}
}

// put stores r at p in place of prev.
func (t *txn) put(p Path, r, prev *record) {
	t.scratch = appendNodeKey(t.scratch[:0], p)
	op := t.b.SetDeferred(len(t.scratch), r.size())
	copy(op.Key, t.scratch)
	r.append(op.Value[:0])
	t.check(op.Finish())
	t.know(p, r)
	t.ordered.made(p)
	if prev != nil {
		t.bytes -= bytesOf(p, len(prev.value))
	}
	t.bytes += bytesOf(p, len(r.value))
	if prev != nil && prev.expiry != Never && prev.expiry != r.expiry {
		t.takeOff(prev.expiry, p)
	}
	if r.expiry != Never {
		t.putOn(r.expiry, p)
	}
}

// know notes that r is the node at p now; nil: there is none.
func (t *txn) know(p Path, r *record) {
	if t.trial.on {
		t.remember(p)
	}
	t.nodes[p] = r
}

// drop removes the node prev at p, not what is beneath it.
func (t *txn) drop(p Path, prev *record) {
	t.erase(doomed{p, prev.expiry, len(prev.value)})
}

// doomed is what has to be known of a node to remove it.
type doomed struct {
	path   Path
	expiry Expiry
	value  int // bytes
}

func (t *txn) erase(d doomed) {
	t.scratch = appendNodeKey(t.scratch[:0], d.path)
	t.check(t.b.Delete(t.scratch, nil))
	t.know(d.path, nil)
	t.bytes -= bytesOf(d.path, d.value)
	if d.expiry != Never {
		t.takeOff(d.expiry, d.path)
	}
}

// manyNodes is how many nodes beneath a directory are removed one by one;
// more than that cost one range tombstone instead, which every later read
// nearby has to look at.
const manyNodes = 64

// dropBeneath removes all nodes beneath dir. The due list may keep hints of
// them, which a sweep finds to be void.
func (t *txn) dropBeneath(dir Path) {
	var few []doomed
	var all int64 // bytes
	t.beneath(dir, func(d doomed) bool {
		if len(few) <= manyNodes {
			few = append(few, d)
		}
		all += bytesOf(d.path, d.value)
		return t.s.opts.CountBytes || len(few) <= manyNodes
	})
	if len(few) <= manyNodes {
		for _, d := range few {
			t.erase(d)
		}
		return
	}
	t.bytes -= all
	prefix := appendDirPrefix(nil, dir)
	t.check(t.b.DeleteRange(with(prefix, sepName), with(prefix, sepDir+1), nil))
	for p := range t.nodes {
		if !p.Under(dir) {
			continue
		}
		if t.trial.on {
			t.remember(p)
		}
		delete(t.nodes, p)
	}
	t.cleared = append(t.cleared, dir)
}

// beneath visits the nodes beneath dir, in no promised order, until visit
// reports false.
func (t *txn) beneath(dir Path, visit func(doomed) bool) {
	for p, r := range t.nodes {
		if r != nil && p.Under(dir) && !visit(doomed{p, r.expiry, len(r.value)}) {
			return
		}
	}
	prefix := appendDirPrefix(nil, dir)
	t.committed(with(prefix, sepName), with(prefix, sepDir+1), func(p Path, h recordHead) bool {
		return visit(doomed{p, h.expiry, len(h.value)})
	})
}

// hasChildren reports whether the directory at dir has any child.
func (t *txn) hasChildren(dir Path) (found bool) {
	for p, r := range t.nodes {
		if r != nil && !p.IsRoot() && p.Parent() == dir {
			return true
		}
	}
	prefix := appendDirPrefix(nil, dir)
	t.committed(with(prefix, sepName), with(prefix, sepDir), func(Path, recordHead) bool {
		found = true
		return false
	})
	return found
}

// committed visits the committed nodes with keys in [lo, hi) that no command
// of this batch has touched.
func (t *txn) committed(lo, hi []byte, visit func(Path, recordHead) bool) {
	it, err := t.s.db.NewIter(&pebble.IterOptions{LowerBound: lo, UpperBound: hi})
	if err != nil {
		t.check(err)
		return
	}
	for it.First(); it.Valid(); it.Next() {
		p, ok := nodePath(it.Key())
		h, err := parseRecord(it.Value())
		if !ok || err != nil {
			t.check(errBadRecord)
			break
		}
		if _, touched := t.nodes[p]; touched || t.isCleared(p) {
			continue
		}
		if !visit(p, h) {
			break
		}
	}
	t.check(it.Close())
}

// note queues e for the history and the watchers.
func (t *txn) note(e *Event) *Event {
	t.events = append(t.events, e)
	return e
}

func (t *txn) check(err error) {
	if err != nil {
		t.failed = errors.Join(t.failed, err)
	}
}

// putOn and takeOff change the due list.
func (t *txn) putOn(e Expiry, p Path) {
	t.scratch = appendDueKey(t.scratch[:0], e, p)
	t.check(t.b.Set(t.scratch, nil, nil))
	t.list(dueHint{e, p}, true)
}

func (t *txn) takeOff(e Expiry, p Path) {
	if n := len(t.swept); n > 0 && t.swept[n-1] == (dueHint{e, p}) {
		return // with the others of the sweep
	}
	t.scratch = appendDueKey(t.scratch[:0], e, p)
	t.check(t.b.Delete(t.scratch, nil))
	t.list(dueHint{e, p}, false)
}

// list notes whether h is on the due list now.
func (t *txn) list(h dueHint, on bool) {
	if t.trial.on {
		t.rememberHint(h)
	}
	t.due[h] = on
}

// compareHints orders the due list as its keys do.
func compareHints(a, b dueHint) int {
	if a.expiry != b.expiry {
		if a.expiry < b.expiry {
			return -1
		}
		return 1
	}
	if a.path == b.path {
		return 0
	}
	return bytes.Compare(appendNodeKey(nil, a.path), appendNodeKey(nil, b.path))
}

// pendingHints are the hints this batch has put on that are due by now, in
// order.
func (t *txn) pendingHints(now int64) []dueHint {
	var pending []dueHint
	for h, on := range t.due {
		if on && int64(h.expiry) <= now {
			pending = append(pending, h)
		}
	}
	slices.SortFunc(pending, compareHints)
	return pending
}
