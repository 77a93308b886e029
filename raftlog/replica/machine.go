package replica

import (
	"errors"
	"fmt"
	"io"
	"time"

	"keytree/raftlog"
	"keytree/stats"
	"keytree/store"
)

// machine is the tree as the log sees it: entries come in, commands go on.
type machine struct {
	*Replica
	ids      []uint64 // of who waits for each command, or 0
	commands []store.Command
	verdicts []verdict
	roster   *roster // after what is in commands
}

// verdict is the outcome of a change of the roster that takes no command.
type verdict struct {
	id  uint64
	err error // nil: it was so already
}

// Cursor, DurablePosition, Capture and Restore are the tree's own.
func (m *machine) Cursor() (position uint64, note []byte) { return m.tree.Cursor() }
func (m *machine) DurablePosition() (uint64, error)       { return m.tree.DurablePosition() }
func (m *machine) Capture() (raftlog.Capture, error)      { return m.tree.Capture() }

func (m *machine) Restore(r io.Reader) error {
	if err := m.tree.Restore(r); err != nil {
		return err
	}
	position, note := m.tree.Cursor()
	if err := m.loadConf(note); err != nil {
		return err
	}
	if err := m.loadRoster(); err != nil {
		return err
	}
	m.replay(position)
	return nil
}

// Apply turns the entries of b into commands, applies them, and answers those
// who wait. Every member must come to the same tree, so an entry that cannot
// be read stops this one.
func (m *machine) Apply(b raftlog.Batch) error {
	m.ids, m.commands, m.verdicts, m.roster = m.ids[:0], m.commands[:0], m.verdicts[:0], m.Replica.roster.Load()
	moved := false
	for i := range b.Entries {
		e := &b.Entries[i]
		if e.Change != nil {
			moved = true // who takes part in raft is in the note
			continue
		}
		if err := m.read(e); err != nil {
			return fmt.Errorf("the entry at position %d is not for this version of keytree: %w", e.Position, err)
		}
	}
	before := m.tree.Index()
	results, err := m.tree.Apply(store.Batch{Position: b.Position, Note: b.Note, Commands: m.commands})
	if err != nil {
		return err
	}
	if err := m.observe(before, results); err != nil {
		return err
	}
	if moved {
		if err := m.loadConf(b.Note); err != nil {
			return err
		}
		m.rosterChanged()
		m.replayLess()
	}
	m.waiters.serve(m.ids, results)
	for _, v := range m.verdicts {
		m.waiters.serve([]uint64{v.id}, []store.Result{{Err: v.err}})
	}
	m.replay(b.Position)
	clear(m.commands)
	return nil
}

// read adds the commands of an entry.
func (m *machine) read(e *raftlog.Entry) error {
	if isRosterChange(e.Data) {
		return m.readChange(e)
	}
	var c store.Command
	if err := c.UnmarshalBinary(e.Data); err != nil {
		return err
	}
	m.add(e, c)
	return nil
}

// readChange decides on a change of the roster, which may take several
// commands; whoever waits is answered by the last.
func (m *machine) readChange(e *raftlog.Entry) error {
	c, id, err := parseRosterChange(e.Data)
	if err != nil {
		return err
	}
	next, commands, refusal := m.roster.change(c, id)
	if refusal != nil {
		m.verdicts = append(m.verdicts, verdict{e.ID, refusal})
		return nil
	}
	m.roster = next
	for i := range commands {
		m.add(e, commands[i])
		if i < len(commands)-1 {
			m.ids[len(m.ids)-1] = 0
		}
	}
	if len(commands) == 0 {
		m.verdicts = append(m.verdicts, verdict{e.ID, nil})
	}
	return nil
}

func (m *machine) add(e *raftlog.Entry, c store.Command) {
	c.Now = e.Stamp
	m.ids = append(m.ids, e.ID)
	m.commands = append(m.commands, c)
}

// observe counts what was applied and follows changes of the roster.
func (m *machine) observe(index store.Index, results []store.Result) error {
	stale := false
	for i, r := range results {
		c := &m.commands[i]
		stale = stale || c.Path.Space() == store.Cluster
		switch c.Op {
		case store.Sweep:
			m.counters.Store.Expired(int(r.Index - index))
		case store.Transact:
			m.countDone(c.Transaction.Operations[:len(r.Events)])
		default:
			m.count(c.Op, r.Err)
		}
		index = r.Index
	}
	if ended := m.tree.Ended(); len(ended) > 0 {
		m.observeEnds(ended)
	}
	if !stale {
		return nil
	}
	return m.loadRoster()
}

// observeEnds counts how late nodes were removed. That says something on the
// member that has them removed, and not of those it did away with in an earlier life.
func (m *machine) observeEnds(ended []store.Expiry) {
	if !m.Leads() || m.replayTo != 0 {
		return
	}
	now := m.Now()
	for _, e := range ended {
		m.counters.Log.Ended(time.Duration(now - int64(e)))
	}
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

// countDone counts the operations of a transaction, each like a command of its
// own. Of one that was refused none was done, and none is counted.
func (m *machine) countDone(operations []store.Command) {
	for i := range operations {
		m.count(operations[i].Op, nil)
	}
}

// count adds a command to the counters the way the dialect does (recorded:
// stats_01): below a key a create fails as a set too, and some refusals of
// checks made before the work count as work done.
func (m *machine) count(op store.Op, err error) {
	to := m.counters.Store
	if err == nil {
		to.Count(counted[op], true)
		return
	}
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
