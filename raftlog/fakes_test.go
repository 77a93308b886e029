package raftlog

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"slices"
	"sync"
)

// fact is what the fake machine remembers of an entry.
type fact struct {
	Position, Term, ID uint64
	Stamp              int64
	Data               string
	Change             string
	Refused            bool
}

// state is the whole of a fake machine.
type state struct {
	Position uint64
	Note     []byte
	Facts    []fact
}

func (s state) clone() state {
	return state{s.Position, bytes.Clone(s.Note), slices.Clip(slices.Clone(s.Facts))}
}

// fakeMachine is a Machine that remembers everything it was given. It keeps a
// durable state apart from its current one, as a tree without a WAL does.
type fakeMachine struct {
	mu           sync.Mutex
	now, durable state
	flushEvery   uint64 // positions between flushes; 0: every batch
	waiters      map[uint64]chan struct{}
	err          error // returned by Apply
	captures     int   // open ones
}

func newFakeMachine(position uint64, note []byte) *fakeMachine {
	s := state{Position: position, Note: note}
	return &fakeMachine{now: s.clone(), durable: s.clone(), waiters: map[uint64]chan struct{}{}}
}

func (m *fakeMachine) Cursor() (uint64, []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now.Position, bytes.Clone(m.now.Note)
}

func (m *fakeMachine) Apply(b Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if b.Position <= m.now.Position || len(b.Note) == 0 {
		return fmt.Errorf("batch at %d with note %x after %d", b.Position, b.Note, m.now.Position)
	}
	for _, e := range b.Entries {
		f := fact{Position: e.Position, Term: e.Term, ID: e.ID, Stamp: e.Stamp, Data: string(e.Data), Refused: e.Refused}
		if e.Change != nil {
			for _, c := range e.Change.GetChanges() {
				f.Change += fmt.Sprintf("%s(%d)", c.GetType(), c.GetNodeId())
			}
		}
		if n := len(m.now.Facts); n > 0 {
			if last := m.now.Facts[n-1]; last.Position >= f.Position || last.Stamp > f.Stamp {
				return fmt.Errorf("entry %+v after %+v", f, last)
			}
		}
		m.now.Facts = append(m.now.Facts, f)
		if w := m.waiters[f.ID]; w != nil {
			close(w)
			delete(m.waiters, f.ID)
		}
	}
	m.now.Position, m.now.Note = b.Position, bytes.Clone(b.Note)
	if m.now.Position-m.durable.Position >= m.flushEvery {
		m.durable = m.now.clone()
	}
	return nil
}

func (m *fakeMachine) DurablePosition() (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.durable.Position, nil
}

func (m *fakeMachine) Capture() (Capture, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.captures++
	return &fakeCapture{m, m.now.clone()}, nil
}

func (m *fakeMachine) Restore(r io.Reader) error {
	var s state
	if err := gob.NewDecoder(r).Decode(&s); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now, m.durable = s, s.clone()
	for _, f := range s.Facts {
		if w := m.waiters[f.ID]; w != nil {
			close(w)
			delete(m.waiters, f.ID)
		}
	}
	return nil
}

// crashed is the machine as a power cut leaves it.
func (m *fakeMachine) crashed() *fakeMachine {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := newFakeMachine(0, nil)
	n.now, n.durable, n.flushEvery = m.durable.clone(), m.durable.clone(), m.flushEvery
	return n
}

// restarted is the machine as a clean stop leaves it.
func (m *fakeMachine) restarted() *fakeMachine {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := newFakeMachine(0, nil)
	n.now, n.durable, n.flushEvery = m.now.clone(), m.now.clone(), m.flushEvery
	return n
}

func (m *fakeMachine) facts() []fact {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.now.Facts)
}

// seen is closed once an entry with this id has been applied.
func (m *fakeMachine) seen(id uint64) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := make(chan struct{})
	for _, f := range m.now.Facts {
		if f.ID == id {
			close(c)
			return c
		}
	}
	if w := m.waiters[id]; w != nil {
		return w
	}
	m.waiters[id] = c
	return c
}

type fakeCapture struct {
	m *fakeMachine
	s state
}

func (c *fakeCapture) WriteTo(w io.Writer) (int64, error) {
	return 0, gob.NewEncoder(w).Encode(c.s)
}

func (c *fakeCapture) Close() error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.captures--
	return nil
}

// sealed makes a proposal's buffer.
func sealed(data string) []byte { return append(make([]byte, Headroom), data...) }
