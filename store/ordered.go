package store

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// ordered knows the highest names of directories in which keys are made in
// order. The names made there rise with the index, so that the next one is
// known to be free without looking for it, which would cost the disk's part of
// making it once more (BenchmarkApplyInOrder). Without it all answers are the
// same (TestKeysInOrderAreTheSameWithoutMemory). It belongs to the txn.
type ordered map[Path]highest

// highest is a name that no child of a directory comes after. Until it is
// known, nothing is said of the children.
type highest struct {
	name  string
	known bool
}

// mostOrdered is how many directories are remembered.
const mostOrdered = 64

// orderedName is how a key is called that is made in order.
func orderedName(i Index) string {
	var b [20]byte
	for at := len(b) - 1; at >= 0; at-- {
		b[at] = '0' + byte(i%10)
		i /= 10
	}
	return string(b[:])
}

// isFree reports whether there is certainly no node at p, which is about to be
// made in order. A directory's highest name is looked up when it is seen for
// the second time: it costs more than to look for p.
func (t *txn) isFree(p Path) bool {
	dir := p.Parent()
	top, seen := t.ordered[dir]
	switch {
	case !seen && len(t.ordered) < mostOrdered && t.ordered != nil:
		t.ordered[dir] = highest{}
	case !seen:
		t.ordered = ordered{dir: {}}
	case !top.known:
		top = highest{t.highestName(dir), true}
		t.ordered[dir] = top
	}
	return top.known && p.Base() > top.name
}

// made is told of every node that is made.
func (o ordered) made(p Path) {
	if len(o) == 0 {
		return
	}
	dir := p.Parent()
	if top := o[dir]; top.known && p.Base() > top.name {
		o[dir] = highest{p.Base(), true}
	}
}

// forget makes unknown what is known of dir: it was learnt in a trial that came
// to nothing.
func (o ordered) forget(dir Path) {
	if _, seen := o[dir]; seen {
		o[dir] = highest{}
	}
}

// highestName is a name that no child of dir comes after.
func (t *txn) highestName(dir Path) (name string) {
	for p, r := range t.nodes {
		if r != nil && p.Parent() == dir {
			name = max(name, p.Base())
		}
	}
	prefix := appendDirPrefix(nil, dir)
	it, err := t.s.db.NewIter(&pebble.IterOptions{LowerBound: with(prefix, sepName), UpperBound: with(prefix, sepDir)})
	if err != nil {
		t.check(err)
		return name
	}
	if it.Last() {
		p, ok := nodePath(it.Key())
		if !ok {
			t.check(errBadRecord)
		}
		name = max(name, p.Base())
	}
	t.check(errors.Join(it.Error(), it.Close()))
	return name
}
