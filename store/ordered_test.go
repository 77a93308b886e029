package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestKeysInOrderAreTheSameWithoutMemory makes keys in order among other
// commands on the same directories, in one store that forgets before each
// batch what the highest names are, and in one that does not.
func TestKeysInOrderAreTheSameWithoutMemory(t *testing.T) {
	stores := [2]*Store{mustOpen(t), mustOpen(t)}
	rnd := rand.New(rand.NewPCG(5, 6))
	refused := 0
	for round := range 3000 {
		cmds := make([]Command, 1+rnd.IntN(4))
		for i := range cmds {
			cmds[i] = orderlyCommand(rnd, stores[0].Index())
			if rnd.IntN(6) == 0 {
				cmds[i] = orderlyTransaction(rnd, stores[0].Index())
			}
		}
		stores[0].txn.ordered = nil
		want, got := mustApply(t, stores[0], cmds...), mustApply(t, stores[1], cmds...)
		for i := range want {
			if fmt.Sprint(got[i].Err) != fmt.Sprint(want[i].Err) || !reflect.DeepEqual(got[i].Event, want[i].Event) || !reflect.DeepEqual(got[i].Events, want[i].Events) {
				t.Fatalf("round %d: %v of %v came to %+v, want %+v", round, cmds[i].Op, cmds[i].Path, got[i], want[i])
			}
			if want[i].Err != nil && cmds[i].Op == CreateInOrder {
				refused++
			}
		}
	}
	if refused == 0 {
		t.Error("no key in order was ever refused: this test shows nothing")
	}
}

// orderlyCommand often stands in the way of keys that are made in order.
func orderlyCommand(rnd *rand.Rand, index Index) Command {
	dir := ParsePath(Keys, fmt.Sprintf("/%d", rnd.IntN(3)))
	if rnd.IntN(4) == 0 {
		dir = dir.Child("in")
	}
	switch rnd.IntN(16) {
	case 0:
		return Command{Op: Delete, Path: dir, Recursive: true, Dir: true}
	case 1:
		return Command{Op: Set, Path: dir, Value: "a key in place of the directory"}
	case 2, 3, 4: // what a key made soon will be called
		return Command{Op: Set, Path: dir.Child(orderedName(index + 1 + Index(rnd.IntN(6)))), Value: "taken"}
	case 5:
		return Command{Op: Create, Path: dir.Child(fmt.Sprint(rnd.IntN(20))), Value: "elsewhere"}
	case 6:
		return Command{Op: Delete, Path: dir.Child(orderedName(index - min(index, Index(rnd.IntN(6)))))}
	}
	return Command{Op: CreateInOrder, Path: dir, Value: "in order"}
}

// orderlyTransaction is often refused, after some of its operations.
func orderlyTransaction(rnd *rand.Rand, index Index) Command {
	operations := make([]Command, 1+rnd.IntN(4))
	for i := range operations {
		operations[i] = orderlyCommand(rnd, index+Index(i))
	}
	if rnd.IntN(2) == 0 {
		operations = append(operations, Command{Op: Delete, Path: Root(Keys)})
	}
	return transaction(operations...)
}

func TestKeyInOrderIsRefusedWhereItsNameIsTakenByARestore(t *testing.T) {
	from, to := mustOpen(t), mustOpen(t)
	post := Command{Op: CreateInOrder, Path: ParsePath(Keys, "/q")}
	mustApply(t, to, post, post, post)
	mustApply(t, from, post, post, set("/q/"+orderedName(4), "taken"))
	if err := to.Restore(bytes.NewReader(mustWrite(t, from))); err != nil {
		t.Fatal(err)
	}
	if r := mustApply(t, to, post)[0]; r.Err == nil {
		t.Errorf("got %+v, want a refusal: the name is taken", r.Event)
	}
}

// What was learnt of a directory in a transaction that was taken back is not
// true: what it had removed is there again.
func TestKeysInOrderForgetWhatARefusedTransactionTaught(t *testing.T) {
	s := mustOpen(t)
	post := Command{Op: CreateInOrder, Path: ParsePath(Keys, "/q")}
	mustApply(t, s, set("/q/"+orderedName(5), "taken"))
	r := mustApply(t, s, transaction(remove("/q"), post, post, remove("/")))[0]
	if r.Err == nil {
		t.Fatal("it was not refused")
	}
	if top, seen := s.txn.ordered[post.Path]; !seen || top.known {
		t.Errorf("the highest name is said to be %q", top.name)
	}
	results := mustApply(t, s, post, post, post, post)
	if last := results[3]; results[2].Err != nil || last.Err == nil {
		t.Errorf("got %+v and %+v, want a refusal of the last: its name is taken", results[2], last)
	}
	mustApply(t, s, transaction(set("/q/zzz", "1"), remove("/")))
	if top := s.txn.ordered[post.Path]; top.known {
		t.Errorf("the highest name is said to be %q", top.name)
	}
}

func TestOnlySoManyDirectoriesOfKeysInOrderAreRemembered(t *testing.T) {
	s := mustOpen(t)
	for i := range 3 * mostOrdered {
		post := Command{Op: CreateInOrder, Path: ParsePath(Keys, fmt.Sprintf("/%d", i))}
		mustApply(t, s, post, post)
	}
	if n := len(s.txn.ordered); n > mostOrdered {
		t.Errorf("%d directories are remembered, want at most %d", n, mostOrdered)
	}
}
