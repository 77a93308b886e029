package store

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

var (
	modelOps  = flag.Int("model.ops", 20_000, "random operations of each seed of TestModel")
	modelSeed = flag.Uint64("model.seed", 0, "the only seed of TestModel; 0: several")
)

// model is what the tree should be, told as simply as possible: a map of
// nodes, one command at a time.
type model struct {
	index  Index
	nodes  map[string]Node
	events []*Event
}

func (m *model) find(name string) (n Node, ok bool, refused *Error) {
	if name == "/" {
		return Node{Dir: true}, true, nil
	}
	at := ""
	for _, element := range strings.Split(name[1:], "/") {
		if n.Path.name != "" && !n.Dir {
			return n, false, &Error{CodeNotDir, n.Path.name, m.index}
		}
		at += "/" + element
		if n, ok = m.nodes[at]; !ok {
			return n, false, &Error{CodeKeyNotFound, at, m.index}
		}
	}
	return n, true, nil
}

func (m *model) apply(c *Command) (*Event, *Error) {
	name := c.Path.name
	if c.Op == CreateInOrder {
		name = strings.TrimSuffix(name, "/") + fmt.Sprintf("/%020d", m.index+1)
	}
	if c.Op == CompareAndDelete && name == "/" {
		return nil, &Error{CodeNotFile, "", m.index}
	}
	if name == "/" {
		return nil, &Error{CodeRootReadOnly, "/", m.index}
	}
	n, ok, refused := m.find(name)
	if !ok && (refused.Code == CodeNotDir || c.Refresh && c.Op == Set || c.Op != Set && c.Op != Create && c.Op != CreateInOrder) {
		return nil, refused
	}
	e := &Event{Index: m.index + 1, Now: c.Now}
	if ok {
		prev := n
		e.Prev = &prev
	}
	switch c.Op {
	case Set, Create, CreateInOrder:
		e.Action = ActionSet
		if c.Op != Set {
			e.Action = ActionCreate
			if ok {
				return nil, &Error{CodeKeyExists, name, m.index}
			}
		}
		if ok && n.Dir {
			return nil, &Error{CodeNotFile, name, m.index}
		}
		value := c.Value
		if c.Refresh && ok {
			value = n.Value
		}
		if c.Dir {
			value = ""
		}
		for at := strings.LastIndexByte(name, '/'); at > 0; at = strings.LastIndexByte(name[:at], '/') {
			if _, ok := m.nodes[name[:at]]; !ok {
				m.nodes[name[:at]] = Node{Path: Path{Keys, name[:at]}, Dir: true, Created: e.Index, Modified: e.Index}
			}
		}
		e.Node = Node{Path: Path{Keys, name}, Value: value, Dir: c.Dir, Created: e.Index, Modified: e.Index}
		if c.Expires && c.Now+int64(c.TTL) >= 946684800e9 {
			e.Node.Expiry = Expiry(c.Now + int64(c.TTL))
		}
		e.Refresh = c.Refresh
		m.nodes[name] = e.Node
	case Update, CompareAndSwap:
		e.Action = ActionUpdate
		if n.Dir && (c.Op == CompareAndSwap || c.Value != "") {
			return nil, &Error{CodeNotFile, name, m.index}
		}
		if c.Op == CompareAndSwap {
			e.Action = ActionCompareAndSwap
			if r := m.compare(c, n); r != nil {
				return nil, r
			}
		}
		e.Node = n
		e.Node.Modified, e.Refresh = e.Index, c.Refresh
		if !n.Dir && !c.Refresh {
			e.Node.Value = c.Value
		}
		e.Node.Expiry = Never
		if c.Expires {
			e.Node.Expiry = Expiry(c.Now + int64(c.TTL))
		}
		stored := e.Node
		if n.Dir {
			stored.Modified = n.Modified
		}
		m.nodes[name] = stored
	case Delete, CompareAndDelete:
		e.Action = ActionDelete
		if c.Op == CompareAndDelete {
			e.Action = ActionCompareAndDelete
			if n.Dir {
				return nil, &Error{CodeNotFile, name, m.index}
			}
			if r := m.compare(c, n); r != nil {
				return nil, r
			}
		} else if n.Dir && !c.Recursive {
			if !c.Dir {
				return nil, &Error{CodeNotFile, name, m.index}
			}
			for other := range m.nodes {
				if strings.HasPrefix(other, name+"/") {
					return nil, &Error{CodeDirNotEmpty, name, m.index}
				}
			}
		}
		m.take(e, n)
	}
	m.index++
	m.events = append(m.events, e)
	return e, nil
}

func (m *model) compare(c *Command, n Node) *Error {
	return m.differ(c.PrevValue, c.PrevIndex, n)
}

func (m *model) differ(value string, index Index, n Node) *Error {
	var causes []string
	if value != "" && value != n.Value {
		causes = append(causes, fmt.Sprintf("[%s != %s]", value, n.Value))
	}
	if index != 0 && index != n.Modified {
		causes = append(causes, fmt.Sprintf("[%d != %d]", index, n.Modified))
	}
	if causes == nil {
		return nil
	}
	return &Error{CodeCompareFailed, strings.Join(causes, " "), m.index}
}

func (m *model) take(e *Event, n Node) {
	e.Node = Node{Path: n.Path, Dir: n.Dir, Created: n.Created, Modified: e.Index}
	for other := range m.nodes {
		if other == n.Path.name || strings.HasPrefix(other, n.Path.name+"/") {
			delete(m.nodes, other)
		}
	}
}

// sweep removes what is due, the earliest first.
func (m *model) sweep(now int64) {
	for {
		var due *Node
		for _, n := range m.nodes {
			if n.Expiry == Never || int64(n.Expiry) > now {
				continue
			}
			if due == nil || compareHints(dueHint{n.Expiry, n.Path}, dueHint{due.Expiry, due.Path}) < 0 {
				due = &n
			}
		}
		if due == nil {
			return
		}
		prev := *due
		m.index++
		e := &Event{Action: ActionExpire, Index: m.index, Now: now, Prev: &prev}
		m.take(e, *due)
		m.events = append(m.events, e)
	}
}

// bytes is what the keys take.
func (m *model) bytes() (all int64) {
	for name, n := range m.nodes {
		all += int64(NodeBytes + len(name) + len(n.Value))
	}
	return all
}

func (m *model) next() (Expiry, bool) {
	next, ok := Never, false
	for _, n := range m.nodes {
		if n.Expiry != Never && (!ok || n.Expiry < next) {
			next, ok = n.Expiry, true
		}
	}
	return next, ok
}

// TestModel applies random commands to a store and to the model, spread over
// batches at random, and compares every answer. At random moments the power
// is cut: the store is opened again from what was synced, and replays the
// rest. A failing seed is printed; run it again with -model.seed.
func TestModel(t *testing.T) {
	seeds := []uint64{1, 2, 3}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), fs: vfs.NewCrashableMem(), now: epoch.UnixNano()}
			w.m.nodes = map[string]Node{}
			for _, dir := range []string{"", "/d", "/d/e", "/d/e/f", "/_h", "/d/\x00\x01", "/\x02"} {
				for _, key := range []string{"a", "b", "c", "_k", "\x00", "\x01\x02", "\xff", "d"} {
					w.names = append(w.names, dir+"/"+key)
				}
			}
			w.open()
			for done := 0; done < *modelOps; {
				done += w.step()
			}
			w.compareAll()
			if w.whole == 0 || w.refused == 0 {
				t.Errorf("%d transactions were done and %d refused: this shows nothing of them", w.whole, w.refused)
			}
			if err := w.s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
