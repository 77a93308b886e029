package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func transaction(operations ...Command) Command {
	return Command{Op: Transact, Path: Root(Keys), Transaction: &Transaction{Operations: operations}}
}

func remove(name string) Command {
	return Command{Op: Delete, Path: ParsePath(Keys, name), Recursive: true}
}

// Two stores get the same commands in the same batches, but one of them not
// the transactions that the other refuses. Nothing tells them apart
// afterwards: not the disk, not the memory of keys in order, not what is
// found.
func TestARefusedTransactionLeavesNoTrace(t *testing.T) {
	refused, manyGone := 0, 0
	for seed := range uint64(5) {
		w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 2)), now: epoch.UnixNano()}
		w.m.nodes = map[string]Node{}
		for i := range 150 {
			w.names = append(w.names, fmt.Sprintf("/d/%d", i), "/a", "/d", "/d/e/f")
		}
		stores := [2]*Store{openCounting(t, true), openCounting(t, true)}
		for position := uint64(1); position <= 150; position++ {
			var all, done []Command
			for range 1 + w.rnd.IntN(30) {
				c := w.command()
				if c.Op == Transact && w.rnd.IntN(3) == 0 { // takes back more nodes than are removed one by one
					c.Transaction.Operations = append([]Command{remove("/d")}, c.Transaction.Operations...)
					manyGone++
				}
				all = append(all, c)
			}
			results, err := stores[0].Apply(Batch{Position: position, Commands: all})
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range all {
				if c.Op == Transact && results[i].Err != nil {
					refused++
					continue
				}
				done = append(done, c)
			}
			if _, err := stores[1].Apply(Batch{Position: position, Commands: done}); err != nil {
				t.Fatal(err)
			}
			for _, name := range w.names {
				p := ParsePath(Keys, name)
				got, _, err := stores[0].Get(p)
				want, _, wanted := stores[1].Get(p)
				if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(err) != fmt.Sprint(wanted) {
					t.Fatalf("seed %d, position %d: %s is %+v, %v, want %+v, %v", seed, position, name, got, err, want, wanted)
				}
			}
			if got, want := stores[0].Bytes(), stores[1].Bytes(); got != want {
				t.Fatalf("seed %d, position %d: %d bytes, want %d", seed, position, got, want)
			}
		}
		if !slices.Equal(contents(t, stores[0]), contents(t, stores[1])) {
			t.Fatalf("seed %d: the trees differ", seed)
		}
	}
	if refused < 300 || manyGone < 100 {
		t.Errorf("%d transactions were refused, and %d removed much: this shows little", refused, manyGone)
	}
}

// Who sees a part of a transaction, also that something is gone, sees all of
// it from then on.
func TestATransactionIsSeenWhole(t *testing.T) {
	s := mustOpen(t)
	number, there := ParsePath(Keys, "/number"), ParsePath(Keys, "/there")
	mustApply(t, s, set("/number", "0"))
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for seen := 0; ; {
				select {
				case <-done:
					return
				default:
				}
				before := numberAt(t, s, number)
				n, _, err := s.Get(there)
				after := numberAt(t, s, number)
				var missing *Error
				gone := errors.As(err, &missing)
				switch {
				case before < seen || after < before:
					t.Errorf("the number went from %d to %d to %d", seen, before, after)
				case gone && before%2 == 1 && after == before:
					t.Errorf("the other key is gone, but the number still %d", after)
				case !gone && before%2 == 0 && before > 0 && (n.Value == strconv.Itoa(before) || after == before):
					t.Errorf("the other key is %q, but the number still %d", n.Value, after)
				}
				seen = after
			}
		})
	}
	for i := 1; i <= 20_000 && !t.Failed(); i++ {
		value := strconv.Itoa(i)
		if i%2 == 1 {
			mustApply(t, s, transaction(set("/number", value), set("/there", value)))
		} else {
			mustApply(t, s, transaction(remove("/there"), set("/number", value)))
		}
	}
	close(done)
	readers.Wait()
}

func numberAt(t *testing.T, s *Store, p Path) int {
	n, _, err := s.Get(p)
	if err != nil {
		t.Error(err)
	}
	i, err := strconv.Atoi(n.Value)
	if err != nil {
		t.Error(err)
	}
	return i
}

func TestATransactionInAnotherSpaceIsNoticedThere(t *testing.T) {
	s := mustOpen(t)
	before := s.AuthVersion()
	c := Command{Op: Transact, Path: Root(Auth), Transaction: &Transaction{Operations: []Command{
		{Op: Set, Path: ParsePath(Auth, "/users/a"), Value: "{}"},
	}}}
	if r := mustApply(t, s, c)[0]; r.Err != nil || s.AuthVersion() == before {
		t.Errorf("got %+v, version %d, which was %d", r, s.AuthVersion(), before)
	}
}

// What does not fit is not written, and not read where somebody else wrote it.
func TestTransactionsHaveLimits(t *testing.T) {
	many := func(compares, operations int) *Transaction {
		tr := &Transaction{}
		for range compares {
			tr.Compares = append(tr.Compares, Compare{Path: Root(Keys)})
		}
		for range operations {
			tr.Operations = append(tr.Operations, set("/a", "1"))
		}
		return tr
	}
	whole := Command{Op: Transact, Path: Root(Keys), Transaction: many(MaxCompares, MaxOperations)}
	b, err := whole.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	var again Command
	if err := again.UnmarshalBinary(b); err != nil || len(again.Transaction.Compares) != MaxCompares || len(again.Transaction.Operations) != MaxOperations {
		t.Errorf("the largest one is not read: %v", err)
	}
	if most := 4 + 1 + 1 + 1 + whole.Transaction.Size(); len(b) > most {
		t.Errorf("it has %d bytes, at most %d were expected", len(b), most)
	}
	for name, tr := range map[string]*Transaction{
		"too many compares":      many(MaxCompares+1, 1),
		"too many operations":    many(0, MaxOperations+1),
		"a transaction":          {Operations: []Command{transaction(set("/a", "1"))}},
		"a sweep":                {Operations: []Command{{Op: Sweep}}},
		"another space":          {Operations: []Command{{Op: Set, Path: ParsePath(Auth, "/a")}}},
		"a compare elsewhere":    {Compares: []Compare{{Path: ParsePath(Cluster, "/a")}}},
		"a compare without path": {Compares: []Compare{{}}},
		"nothing with a value":   {Compares: []Compare{{Path: ParsePath(Keys, "/a"), Missing: true, PrevValue: "1"}}},
	} {
		c := Command{Op: Transact, Path: Root(Keys), Transaction: tr}
		if _, err := c.AppendBinary(nil); !errors.Is(err, errUnfit) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// What nobody writes is not read either: these are the bytes of a transaction
// after its head.
func TestForgedTransactionsAreNotRead(t *testing.T) {
	head := []byte{commandVersion, byte(Transact), 0, byte(Keys), 1, '/', 0}
	item := func(op Op, space Space, name string) string {
		b, err := (&Command{Op: op, Path: Path{space, name}}).AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(appendString(nil, string(b)))
	}
	nested, err := new(transaction(set("/a", "1"))).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rest string
		ok   bool
	}{
		"nothing":               {"\x00\x00", true},
		"a set":                 {"\x00\x01" + item(Set, Keys, "/a"), true},
		"a compare":             {"\x01\x00\x02/a\x00", true},
		"no lists":              {"", false},
		"one list":              {"\x00", false},
		"more behind it":        {"\x00\x00\x00", false},
		"fewer than it says":    {"\x00\x02" + item(Set, Keys, "/a"), false},
		"more than there may":   {"\x00\x81\x01" + strings.Repeat(item(Set, Keys, "/a"), 129), false},
		"an endless number":     {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", false},
		"a transaction":         {"\x00\x01" + string(appendString(nil, string(nested))), false},
		"a sweep":               {"\x00\x01" + item(Sweep, 0, ""), false},
		"another space":         {"\x00\x01" + item(Set, Auth, "/a"), false},
		"an unclean path":       {"\x00\x01" + item(Set, Keys, "/a/../b"), false},
		"an unclean compare":    {"\x01\x00\x02a/\x00", false},
		"an unknown flag":       {"\x01\x08\x02/a\x00", false},
		"missing with an index": {"\x01\x05\x02/a\x07\x00", false},
		"an empty operation":    {"\x00\x01\x00", false},
	} {
		b := append(slices.Clone(head), c.rest...)
		if err := new(Command).UnmarshalBinary(b); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i, wrong := range [][]byte{{commandVersion, byte(Transact), cmdDir, byte(Keys), 1, '/', 0, 0, 0}, {commandVersion, byte(Transact), 0, byte(Keys), 1, '/', 1, 'v', 0, 0},
		{commandVersion, byte(Transact), 0, byte(Keys), 2, '/', 'a', 0, 0, 0}, {commandVersion, byte(Transact), 0, 'x', 1, '/', 0, 0, 0}} {
		if err := new(Command).UnmarshalBinary(wrong); err == nil {
			t.Errorf("head %d was read", i)
		}
	}
}

// A transaction in a transaction in a transaction is looked at no deeper than
// the first of them: a stack that follows them all is what somebody may be
// after.
func TestNestedTransactionsAreNotFollowed(t *testing.T) {
	b := []byte{commandVersion, byte(Transact), 0, byte(Keys), 1, '/', 0, 0, 0}
	for range 1000 {
		b = appendString([]byte{commandVersion, byte(Transact), 0, byte(Keys), 1, '/', 0, 0, 1}, string(b))
	}
	allocated := testing.AllocsPerRun(1, func() {
		if err := new(Command).UnmarshalBinary(b); err == nil {
			t.Error("it was read")
		}
	})
	if allocated > 20 {
		t.Errorf("%v allocations were made for it", allocated)
	}
}

// The history of a transaction whose events are larger than a memtable is
// whole after a power cut, like that of any batch.
func TestALargeTransactionSurvivesAPowerCutWhole(t *testing.T) {
	fs := vfs.NewCrashableMem()
	options := Options{FS: fs, MemTableBytes: 256 << 10}
	s, err := Open("tree", options)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var operations []Command
	for i := range MaxOperations {
		operations = append(operations, set(fmt.Sprint("/", i%100), strings.Repeat("v", 8<<10)))
	}
	for range 3 {
		mustApply(t, s, transaction(operations...))
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	options.FS = fs.CrashClone(vfs.CrashCloneCfg{})
	again, err := Open("tree", options)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if past := &again.hub.mu.history; again.Index() != 3*MaxOperations || past.count != 3*MaxOperations {
		t.Errorf("after the cut: index %d, %d events", again.Index(), past.count)
	}
}

// BenchmarkTransaction replaces keys chosen at random in transactions of some
// operations. The time is one operation's; beside it stands what a batch of as
// many commands takes.
func BenchmarkTransaction(b *testing.B) {
	const keys = 10_000
	s := benchTree(b, b.TempDir(), keys)
	for _, size := range []int{1, 8, 64} {
		for _, kind := range []string{"transaction", "batch"} {
			b.Run(fmt.Sprintf("operations=%d/%s", size, kind), func(b *testing.B) {
				rnd := rand.New(rand.NewPCG(1, uint64(size)))
				operations := make([]Command, size)
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; i += size {
					for j := range operations {
						operations[j] = Command{Op: Set, Path: benchPath(rnd.IntN(keys)), Value: randomValue(rnd), Now: 1}
					}
					if kind == "transaction" {
						applyNext(b, s, []Command{transaction(operations...)})
					} else {
						applyNext(b, s, operations)
					}
				}
			})
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}
