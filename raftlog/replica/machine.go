package replica

import (
	"errors"
	"fmt"
	"io"

	"keytree/raftlog"
	"keytree/stats"
	"keytree/store"
)

// machine is the tree as the log sees it: entries come in, commands go on.
type machine struct {
	*Replica
	ids      []uint64
	commands []store.Command
}

// Cursor, DurablePosition, Capture and Restore are the tree's own.
func (m *machine) Cursor() (position uint64, note []byte) { return m.tree.Cursor() }
func (m *machine) DurablePosition() (uint64, error)       { return m.tree.DurablePosition() }
func (m *machine) Capture() (raftlog.Capture, error)      { return m.tree.Capture() }

func (m *machine) Restore(r io.Reader) error {
	if err := m.tree.Restore(r); err != nil {
		return err
	}
	return m.loadRoster()
}

// Apply turns the entries of b into commands, applies them, and answers those
// who wait. Every member must come to the same tree, so an entry that cannot
// be read stops this one.
func (m *machine) Apply(b raftlog.Batch) error {
	m.ids, m.commands = m.ids[:0], m.commands[:0]
	for i := range b.Entries {
		e := &b.Entries[i]
		var c store.Command
		if err := c.UnmarshalBinary(e.Data); err != nil {
			return fmt.Errorf("the entry at position %d is not for this version of keytree: %w", e.Position, err)
		}
		c.Now = e.Stamp
		m.ids = append(m.ids, e.ID)
		m.commands = append(m.commands, c)
	}
	before := m.tree.Index()
	results, err := m.tree.Apply(store.Batch{Position: b.Position, Note: b.Note, Commands: m.commands})
	if err != nil {
		return err
	}
	if err := m.observe(before, results); err != nil {
		return err
	}
	m.waiters.serve(m.ids, results)
	m.replay(b.Position)
	clear(m.commands)
	return nil
}

// observe counts what was applied and follows changes of the roster.
func (m *machine) observe(index store.Index, results []store.Result) error {
	stale := false
	for i, r := range results {
		c := &m.commands[i]
		stale = stale || c.Path.Space() == store.Cluster
		if c.Op == store.Sweep {
			m.counters.Store.Expired(int(r.Index - index))
		} else {
			m.count(c.Op, r.Err)
		}
		index = r.Index
	}
	if !stale {
		return nil
	}
	return m.loadRoster()
}

var counted = map[store.Op]stats.Op{
	store.Set:              stats.Set,
	store.Create:           stats.Create,
	store.CreateInOrder:    stats.Create,
	store.Update:           stats.Update,
	store.Delete:           stats.Delete,
	store.CompareAndSwap:   stats.CompareAndSwap,
	store.CompareAndDelete: stats.CompareAndDelete,
}

// count adds a command to the counters the way the dialect does (recorded:
// stats_01): below a key a create fails as a set too, and some refusals of
// checks made before the work count as work done.
func (m *machine) count(op store.Op, err error) {
	to := m.counters.Store
	var refusal *store.Error
	if !errors.As(err, &refusal) {
		to.Count(counted[op], true)
		return
	}
	early := false
	switch op {
	case store.Create, store.CreateInOrder:
		if refusal.Code == store.CodeNotDir {
			to.Count(stats.Set, false)
		}
	case store.Update, store.CompareAndSwap, store.Delete:
		early = refusal.Code == store.CodeRootReadOnly || op == store.Update && refusal.Code == store.CodeNotFile
	case store.CompareAndDelete:
		early = refusal.Code == store.CodeNotFile || refusal.Code == store.CodeCompareFailed
	}
	to.Count(counted[op], early)
}
