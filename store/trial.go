package store

import "github.com/cockroachdb/pebble/v2"

// trial is what the operations of a transaction have changed in a txn, while
// it is open whether all of them will be done. What they write waits in a
// batch of its own, since nothing can be taken out of one.
type trial struct {
	on      bool
	written *pebble.Batch // the same one for every trial
	before  *pebble.Batch
	index   Index
	bytes   int64
	events  int
	cleared int
	nodes   []changedNode // the newest last
	due     []changedHint
}

// changedNode is what a txn knew of a path.
type changedNode struct {
	path   Path
	record *record
	known  bool
}

// changedHint is what a txn knew of a hint.
type changedHint struct {
	hint      dueHint
	on, known bool
}

// try begins a trial. It ends with keep or takeBack.
func (t *txn) try() {
	if t.trial.written == nil {
		t.trial.written = t.s.db.NewBatch()
	}
	t.trial = trial{
		on:      true,
		written: t.trial.written,
		before:  t.b,
		index:   t.index,
		bytes:   t.bytes,
		events:  len(t.events),
		cleared: len(t.cleared),
		nodes:   t.trial.nodes[:0],
		due:     t.trial.due[:0],
	}
	t.b = t.trial.written
}

// keep makes what was tried a part of the txn.
func (t *txn) keep() {
	t.check(t.trial.before.Apply(t.trial.written, nil))
	t.endTrial()
}

// takeBack makes the txn what it was before the operations were tried.
func (t *txn) takeBack(operations []Command) {
	r := &t.trial
	for i := len(r.nodes) - 1; i >= 0; i-- {
		if was := &r.nodes[i]; was.known {
			t.nodes[was.path] = was.record
		} else {
			delete(t.nodes, was.path)
		}
	}
	for i := len(r.due) - 1; i >= 0; i-- {
		if was := &r.due[i]; was.known {
			t.due[was.hint] = was.on
		} else {
			delete(t.due, was.hint)
		}
	}
	clear(t.events[r.events:])
	t.events, t.cleared = t.events[:r.events], t.cleared[:r.cleared]
	t.index, t.bytes = r.index, r.bytes
	for i := range operations {
		t.ordered.forget(operations[i].Path)
		t.ordered.forget(operations[i].Path.Parent())
	}
	t.endTrial()
}

func (t *txn) endTrial() {
	r := &t.trial
	t.b, r.before, r.on = r.before, nil, false
	r.written.Reset()
	if clear(r.nodes); cap(r.nodes) > keptRoom {
		r.nodes = nil
	}
	if clear(r.due); cap(r.due) > keptRoom {
		r.due = nil
	}
}

// remember notes what the txn knows of the node at p, which is about to
// change.
func (t *txn) remember(p Path) {
	r, known := t.nodes[p]
	t.trial.nodes = append(t.trial.nodes, changedNode{p, r, known})
}

// rememberHint notes what the txn knows of h, which is about to change.
func (t *txn) rememberHint(h dueHint) {
	on, known := t.due[h]
	t.trial.due = append(t.trial.due, changedHint{h, on, known})
}
