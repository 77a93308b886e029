package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// elements are the names in a path.
func elements(name string) []string { return strings.Split(strings.TrimPrefix(name, "/"), "/") }

// inOrder compares paths as a listing goes: depth first, names in order.
func inOrder(a, b string) int { return slices.Compare(elements(a), elements(b)) }

// everything is the paths of all nodes of the Keys space in the order of a
// listing, hidden ones included.
func everything(t *testing.T, s *Store) (all []string) {
	t.Helper()
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{keyNode, byte(Keys)}, UpperBound: []byte{keyNode, byte(Keys) + 1}})
	if err != nil {
		t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		p, ok := nodePath(it.Key())
		if !ok {
			t.Fatalf("an odd key %q", it.Key())
		}
		all = append(all, p.String())
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, inOrder)
	return all
}

// shows reports whether o wants the node of that name to be shown.
func (o *PageOptions) shows(name string) bool {
	dir := strings.TrimSuffix(o.Dir.String(), "/") + "/"
	rest, beneath := strings.CutPrefix(name, dir)
	parts := strings.Split(rest, "/")
	if !beneath || rest == "" || len(parts) > 1 && !o.Recursive || !strings.HasPrefix(parts[0], o.Beginning) {
		return false
	}
	for i, part := range parts {
		if strings.HasPrefix(part, "_") && (i > 0 || !strings.HasPrefix(o.Beginning, "_")) {
			return false
		}
	}
	return strings.Contains(parts[len(parts)-1], o.Contains)
}

// readPage is the names on one page, and where it ended.
func readPage(t testing.TB, s *Store, o PageOptions, step func(*Page)) (names []string, after string, more bool) {
	t.Helper()
	p, err := s.Page(o)
	if err != nil {
		t.Fatal(err)
	}
	for p.Next() {
		names = append(names, string(p.Item().Path))
		if step != nil {
			step(p)
		}
	}
	after, more = p.Rest()
	if err := errors.Join(p.Err(), p.Close()); err != nil {
		t.Fatal(err)
	}
	return names, after, more
}

// readPages is the names on all pages; between happens between two of them.
func readPages(t testing.TB, s *Store, o PageOptions, step func(*Page), between func()) (names []string) {
	t.Helper()
	for {
		page, after, more := readPage(t, s, o, step)
		if o.Limit > 0 && len(page) > o.Limit {
			t.Fatalf("%d nodes on a page of %d", len(page), o.Limit)
		}
		names = append(names, page...)
		if !more {
			return names
		}
		if after == o.After {
			t.Fatalf("no way on from %q", after)
		}
		if o.After = after; between != nil {
			between()
		}
	}
}

// plantWild makes n nodes with names of all kinds.
func plantWild(t *testing.T, s *Store, rnd *rand.Rand, n int) {
	t.Helper()
	for range n {
		p := hostilePath(rnd)
		if !p.IsRoot() {
			mustApply(t, s, Command{Op: Set, Path: p, Value: "v", Dir: rnd.IntN(4) == 0})
		}
	}
}

// Whatever the names are, the pages are the listing, cut.
func TestPagesAreTheListingCut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	s := mustOpen(t)
	plantWild(t, s, rnd, 500)
	all := everything(t, s)
	if len(all) < 200 {
		t.Fatalf("only %d nodes", len(all))
	}
	shown := 0
	for range 200 {
		o := PageOptions{Dir: Root(Keys), Recursive: rnd.IntN(2) == 0, Limit: rnd.IntN(40), Look: rnd.IntN(40)}
		if some := all[rnd.IntN(len(all))]; rnd.IntN(2) == 0 {
			if n, _, err := s.Get(ParsePath(Keys, some)); err != nil {
				t.Fatal(err)
			} else if n.Dir {
				o.Dir = n.Path
			}
		}
		some := elements(all[rnd.IntN(len(all))])
		part := some[rnd.IntN(len(some))]
		switch rnd.IntN(4) {
		case 0:
			o.Beginning = part[:rnd.IntN(len(part)+1)]
		case 1:
			o.Contains = part[rnd.IntN(len(part)+1):]
		}
		var want []string
		for _, name := range all {
			if o.shows(name) {
				want = append(want, name)
			}
		}
		pause := func(p *Page) {
			if rnd.IntN(3) == 0 {
				p.Pause()
			}
		}
		if got := readPages(t, s, o, pause, nil); !slices.Equal(got, want) {
			t.Fatalf("%+v\n got %q\nwant %q", o, got, want)
		}
		shown += len(want)
	}
	if shown < 2000 {
		t.Errorf("only %d nodes were wanted", shown)
	}
}

// What stands all the time is shown once, whatever happens beside it between
// two pages, also to the node that a page ended with.
func TestPagesMissNothingThatStands(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 10 {
		s := mustOpen(t)
		plantWild(t, s, rnd, 200)
		standing := map[string]bool{}
		for _, name := range everything(t, s) {
			standing[name] = true
		}
		o := PageOptions{Dir: Root(Keys), Recursive: rnd.IntN(4) > 0, Limit: 5 + rnd.IntN(30)}
		change := func() {
			for range 10 {
				p := hostilePath(rnd)
				if p.IsRoot() {
					continue
				}
				c := Command{Op: Op(1 + rnd.IntN(int(CompareAndDelete))), Path: p, Dir: rnd.IntN(2) == 0, Recursive: true, PrevValue: "v"}
				mustApply(t, s, c)
			}
			now := everything(t, s)
			for name := range standing {
				if _, found := slices.BinarySearchFunc(now, name, inOrder); !found {
					delete(standing, name)
				}
			}
		}
		got := readPages(t, s, o, nil, change)
		for i := 1; i < len(got); i++ {
			if inOrder(got[i-1], got[i]) >= 0 {
				t.Fatalf("%q came after %q", got[i], got[i-1])
			}
		}
		for name := range standing {
			if _, found := slices.BinarySearchFunc(got, name, inOrder); !found && o.shows(name) {
				t.Fatalf("%q was not shown", name)
			}
		}
	}
}

// A page shows one moment, also after a pause.
func TestAPageIsOfOneMoment(t *testing.T) {
	s := mustOpen(t)
	for i := range 100 {
		mustApply(t, s, set(fmt.Sprintf("/d/%02d", i), "before"))
	}
	p, err := s.Page(PageOptions{Dir: ParsePath(Keys, "/d")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range 100 {
		if i%10 == 5 {
			p.Pause()
			mustApply(t, s, set(fmt.Sprintf("/d/%02d", i), "after"), set(fmt.Sprintf("/d/%02d+", i), "new"), Command{Op: Delete, Path: ParsePath(Keys, "/d/99")})
		}
		if !p.Next() || string(p.Item().Value) != "before" || p.Item().Modified > p.Index() {
			t.Fatalf("at %d: %+v, %v", i, p.Item(), p.Err())
		}
	}
	if p.Next() || p.Index() != 100 {
		t.Errorf("it goes on with %s, at index %d", p.Item().Path, p.Index())
	}
}

// A page of a huge directory costs what is on it: it comes to its nodes at once
// from both sides, and what is hidden is not walked through.
func TestAPageCostsWhatIsOnIt(t *testing.T) {
	s := mustOpen(t)
	const children = 20_000
	var batch []Command
	for i := range children {
		name := fmt.Sprintf("/d/%06d", i)
		if i >= children/2 {
			name = fmt.Sprintf("/d/_%06d", i)
		}
		if batch = append(batch, set(name, "v")); len(batch) == 1000 {
			mustApply(t, s, batch...)
			batch = batch[:0]
		}
	}
	mustApply(t, s, set("/d/~last", "v"))
	for _, recursive := range []bool{false, true} {
		p, err := s.Page(PageOptions{Dir: ParsePath(Keys, "/d"), Recursive: recursive, Limit: 200, After: fmt.Sprintf("%06d", children/2-100)})
		if err != nil {
			t.Fatal(err)
		}
		var last string
		n := 0
		for ; p.Next(); n++ {
			last = string(p.Item().Path)
		}
		seen := p.it.Stats()
		steps := seen.ForwardStepCount[pebble.InterfaceCall] + seen.ForwardSeekCount[pebble.InterfaceCall]
		if n != 100 || last != "/d/~last" || steps > 2*100+10 {
			t.Errorf("recursive %t: %d nodes up to %s in %d steps", recursive, n, last, steps)
		}
		if _, more := p.Rest(); more {
			t.Errorf("recursive %t: there is more", recursive)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A page looks at so many nodes and no more, and says where to go on though it
// shows none.
func TestAPageLooksAtSoManyNodes(t *testing.T) {
	s := mustOpen(t)
	for i := range 50 {
		mustApply(t, s, set(fmt.Sprintf("/%02d", i), "v"))
	}
	o := PageOptions{Dir: Root(Keys), Contains: "49", Look: 20}
	names, after, more := readPage(t, s, o, nil)
	if len(names) != 0 || after != "19" || !more {
		t.Errorf("got %q up to %q, %t", names, after, more)
	}
	if o.After = after; o.Look == 20 {
		o.Look = 29
	}
	if names, after, more = readPage(t, s, o, nil); len(names) != 0 || after != "48" || !more {
		t.Errorf("then got %q up to %q, %t", names, after, more)
	}
	o.After = after
	if names, _, more = readPage(t, s, o, nil); !slices.Equal(names, []string{"/49"}) || more {
		t.Errorf("at last got %q, %t", names, more)
	}
	if names, _, more = readPage(t, s, PageOptions{Dir: Root(Keys), Limit: 50}, nil); len(names) != 50 || more {
		t.Errorf("all that there is: %d nodes, and more: %t", len(names), more)
	}
}

// Who was shown a page finds the tree no older than that elsewhere.
func TestAPageIsOfAnIndexThatIsPublished(t *testing.T) {
	s := mustOpen(t)
	var reading sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		reading.Go(func() {
			for {
				p, err := s.Page(PageOptions{Dir: Root(Keys), Limit: 1})
				if err != nil {
					t.Error(err)
					return
				}
				if now := s.Index(); now < p.Index() {
					t.Errorf("a page of index %d at index %d", p.Index(), now)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	batch := make([]Command, 200) // between Pebble's showing it and the index lies work for each
	for i := range batch {
		batch[i] = set(fmt.Sprintf("/d/%d", i), "v")
	}
	for range 100 {
		mustApply(t, s, batch...)
	}
	close(done)
	reading.Wait()
}

func TestAPageOfNoDirectoryIsRefused(t *testing.T) {
	s := mustOpen(t)
	mustApply(t, s, set("/d/key", "v"))
	for name, want := range map[string]Error{
		"/none":      {CodeKeyNotFound, "/none", 1},
		"/d/no/such": {CodeKeyNotFound, "/d/no", 1},
		"/d/key":     {CodeNotDir, "/d/key", 1},
		"/d/key/x":   {CodeNotDir, "/d/key", 1},
	} {
		_, err := s.Page(PageOptions{Dir: ParsePath(Keys, name)})
		var refused *Error
		if !errors.As(err, &refused) || *refused != want {
			t.Errorf("%s: got %v, want %v", name, err, &want)
		}
	}
}

func TestAPageThatCannotBeReadSaysSo(t *testing.T) {
	fire := errors.New("the disk is on fire")
	broken := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			return fire
		}
		return nil
	})}
	s, err := Open("tree", Options{FS: errorfs.Wrap(vfs.NewMem(), &broken), NodeCacheBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 100 {
		mustApply(t, s, set(fmt.Sprintf("/d/%02d", i), strings.Repeat("v", 10_000)))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	p, err := s.Page(PageOptions{Dir: Root(Keys), Recursive: true})
	if err != nil {
		t.Fatal(err)
	}
	broken.On()
	for p.Next() {
	}
	broken.Off()
	if p.Err() == nil || p.Next() {
		t.Error("it came to an end without an error")
	}
	if err := p.Close(); !errors.Is(err, fire) {
		t.Errorf("closing it: %v", err)
	}
}

// BenchmarkPage is the last but one page of 200 nodes among 100,000.
func BenchmarkPage(b *testing.B) {
	s := benchStore(b, 100_000)
	o := PageOptions{Dir: Root(Keys), Recursive: true, Limit: 200}
	_, o.After, _ = readPage(b, s, PageOptions{Dir: Root(Keys), Recursive: true, Look: 99_500}, nil)
	b.ReportAllocs()
	for b.Loop() {
		if names, _, _ := readPage(b, s, o, nil); len(names) != o.Limit {
			b.Fatal(len(names))
		}
	}
}
