package store

import (
	"fmt"
	"maps"
	"strings"
)

// transact is apply for a transaction: the model puts back what it was when
// something is refused.
func (m *model) transact(c *Command) ([]*Event, *Error) {
	index, nodes, events := m.index, maps.Clone(m.nodes), len(m.events)
	for i, compare := range c.Transaction.Compares {
		if refused := m.holds(compare); refused != nil {
			return nil, &Error{refused.Code, fmt.Sprintf("compare %d: %s", i, refused.Cause), index}
		}
	}
	for i := range c.Transaction.Operations {
		one := c.Transaction.Operations[i]
		one.Now = c.Now
		if _, refused := m.apply(&one); refused != nil {
			m.index, m.nodes, m.events = index, nodes, m.events[:events]
			return nil, &Error{refused.Code, strings.TrimSuffix(fmt.Sprintf("operation %d: %s", i, refused.Cause), ": "), index}
		}
	}
	return m.events[events:], nil
}

func (m *model) holds(c Compare) *Error {
	n, ok, refused := m.find(c.Path.name)
	switch {
	case c.Missing && ok:
		return &Error{CodeKeyExists, c.Path.name, m.index}
	case c.Missing:
		return nil
	case !ok:
		return refused
	case n.Dir && c.PrevValue != "":
		return &Error{CodeNotFile, c.Path.name, m.index}
	}
	return m.differ(c.PrevValue, c.PrevIndex, n)
}

// transaction is a random one, which holds together more often than not.
func (w *world) transaction() Command {
	tr := &Transaction{}
	for range w.rnd.IntN(3) {
		tr.Compares = append(tr.Compares, w.compare())
	}
	for range w.rnd.IntN(5) {
		c := w.plain()
		for c.Op == Sweep {
			c = w.plain()
		}
		if w.rnd.IntN(2) == 0 {
			c.Op, c.Refresh = Set, false
		}
		c.Now = 0
		tr.Operations = append(tr.Operations, c)
	}
	return Command{Op: Transact, Path: Root(Keys), Transaction: tr, Now: w.now}
}

// compare is a random one, mostly true.
func (w *world) compare() Compare {
	c := Compare{Path: ParsePath(Keys, w.names[w.rnd.IntN(len(w.names))])}
	switch w.rnd.IntN(12) {
	case 0:
		c.Path = Root(Keys)
	case 1, 2:
		c.Path = c.Path.Parent()
	}
	n, ok, _ := w.m.find(c.Path.name)
	if c.Missing = ok == (w.rnd.IntN(8) == 0); c.Missing {
		return c
	}
	switch w.rnd.IntN(4) {
	case 0:
		c.PrevIndex = n.Modified
	case 1:
		c.PrevValue = n.Value
	case 2:
		c.PrevValue, c.PrevIndex = "value 1", n.Modified+Index(w.rnd.IntN(2))
	}
	return c
}

// compareTransaction has the model do c as well, and compares what came of it.
func (w *world) compareTransaction(c *Command, got Result) {
	t := w.t
	t.Helper()
	want, refused := w.m.transact(c)
	if len(c.Transaction.Operations) > 1 {
		if refused == nil {
			w.whole++
		} else {
			w.refused++
		}
	}
	same := (got.Err == nil) == (refused == nil) && (refused == nil || refusal(got.Err) == refusal(refused))
	if !same || len(got.Events) != len(want) {
		t.Fatalf("%+v:\n got %v, %d events\nwant %v, %d events", *c.Transaction, got.Err, len(got.Events), refused.orNil(), len(want))
	}
	for i := range want {
		if got, want := describe(got.Events[i], nil), describe(want[i], nil); got != want {
			t.Fatalf("event %d of %+v:\n got %s\nwant %s", i, *c.Transaction, got, want)
		}
	}
}
