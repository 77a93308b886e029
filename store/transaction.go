package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// Transaction is what a Transact command carries. If all compares hold, the
// operations are done in their order, each of them on what those before it
// have left, and each with an event and an index of its own. If a compare does
// not hold, or an operation is refused, nothing is done.
type Transaction struct {
	Compares   []Compare
	Operations []Command // neither Sweep nor Transact; their Now is that of the whole
}

// Compare is what a transaction expects of the node at a path: that there is
// one, and what is known of it; or that there is none.
type Compare struct {
	Path      Path
	PrevValue string // if not empty, the node is a key with this value
	PrevIndex Index  // if not zero, its Modified, also of a directory
	Missing   bool   // there is no node; then nothing else is given
}

// How much one transaction may hold.
const (
	MaxCompares   = 128
	MaxOperations = 128
)

// transact carries out the transaction of c. The error is a refusal that says
// which compare or operation was refused, counted from 0, and then the
// transaction has left no trace.
func (t *txn) transact(c *Command) ([]*Event, error) {
	t.now = c.Now
	for i := range c.Transaction.Compares {
		if err := t.holds(&c.Transaction.Compares[i]); err != nil {
			return nil, t.blame("compare", i, err)
		}
	}
	operations := c.Transaction.Operations
	events := make([]*Event, 0, len(operations))
	t.try()
	for i := range operations {
		one := operations[i]
		one.Now = c.Now
		e, err := t.do(&one)
		if err != nil {
			t.takeBack(operations)
			return nil, t.blame("operation", i, err)
		}
		events = append(events, e)
	}
	t.keep()
	return events, nil
}

// holds refuses if c does not hold.
func (t *txn) holds(c *Compare) error {
	r, err := &record{dir: true}, error(nil)
	if !c.Path.IsRoot() {
		r, err = t.lookup(c.Path)
	}
	switch {
	case c.Missing && r != nil:
		return t.refuse(CodeKeyExists, c.Path.name)
	case c.Missing:
		return nil // beneath a key there is none either
	case err != nil:
		return err
	case r == nil:
		return t.missing(c.Path)
	case r.dir && c.PrevValue != "":
		return t.refuse(CodeNotFile, c.Path.name)
	}
	if cause := r.difference(c.PrevValue, c.PrevIndex); cause != "" {
		return t.refuse(CodeCompareFailed, cause)
	}
	return nil
}

// blame is the refusal err, which the ith part of a transaction got, as that
// of the whole.
func (t *txn) blame(part string, i int, err error) error {
	cause := part + " " + strconv.Itoa(i)
	refusal := err.(*Error)
	if refusal.Cause != "" {
		cause += ": " + refusal.Cause
	}
	return t.refuse(refusal.Code, cause)
}

// The binary form of a transaction, which stands at the end of that of its
// command:
//
//	n uvarint, n times:  flags(1)  len path  [len prevValue]  [prevIndex uvarint]
//	n uvarint, n times:  len command
//
// first the compares, then the operations, each of them a command of its own
// in the same space.
const (
	cmpMissing   = 1 << 0
	cmpPrevValue = 1 << 1
	cmpPrevIndex = 1 << 2
	cmpKnown     = cmpMissing | cmpPrevValue | cmpPrevIndex
)

var errUnfit = errors.New("store: not fit for a transaction")

// Size is at least the length of the binary form of tr.
func (tr *Transaction) Size() (bytes int) {
	for i := range tr.Compares {
		c := &tr.Compares[i]
		bytes += len(c.Path.name) + len(c.PrevValue) + partSize
	}
	for i := range tr.Operations {
		c := &tr.Operations[i]
		bytes += len(c.Path.name) + len(c.Value) + len(c.PrevValue) + partSize
	}
	return bytes + 2*binary.MaxVarintLen16
}

// partSize is what a compare or an operation takes at most beside its texts:
// head, lengths, index and lifetime.
const partSize = 64

// append appends the binary form of tr, in space s.
func (tr *Transaction) append(b []byte, s Space) ([]byte, error) {
	if len(tr.Compares) > MaxCompares || len(tr.Operations) > MaxOperations {
		return nil, fmt.Errorf("%d compares and %d operations: %w", len(tr.Compares), len(tr.Operations), errUnfit)
	}
	b = binary.AppendUvarint(b, uint64(len(tr.Compares)))
	for i := range tr.Compares {
		c := &tr.Compares[i]
		if !c.fits(s) {
			return nil, fmt.Errorf("compare %d: %w", i, errUnfit)
		}
		b = c.append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(tr.Operations)))
	var one []byte
	for i := range tr.Operations {
		c := &tr.Operations[i]
		if !c.fits(s) {
			return nil, fmt.Errorf("operation %d: %w", i, errUnfit)
		}
		var err error
		if one, err = c.AppendBinary(one[:0]); err != nil {
			return nil, err
		}
		b = binary.AppendUvarint(b, uint64(len(one)))
		b = append(b, one...)
	}
	return b, nil
}

func (c *Compare) append(b []byte) []byte {
	var flags byte
	if c.Missing {
		flags |= cmpMissing
	}
	if c.PrevValue != "" {
		flags |= cmpPrevValue
	}
	if c.PrevIndex != 0 {
		flags |= cmpPrevIndex
	}
	b = append(b, flags)
	b = appendString(b, c.Path.name)
	if c.PrevValue != "" {
		b = appendString(b, c.PrevValue)
	}
	if c.PrevIndex != 0 {
		b = binary.AppendUvarint(b, uint64(c.PrevIndex))
	}
	return b
}

// fits reports whether c can stand in a transaction of space s.
func (c *Compare) fits(s Space) bool {
	return c.Path.space == s && c.Path.valid(Set) && (!c.Missing || c.PrevValue == "" && c.PrevIndex == 0)
}

// fits reports whether c can stand in a transaction of space s.
func (c *Command) fits(s Space) bool {
	return c.Op >= Set && c.Op < Sweep && c.Path.space == s
}

// transaction takes a transaction of space s.
func (d *decoder) transaction(s Space) *Transaction {
	tr := &Transaction{}
	if n := d.count(MaxCompares); n > 0 {
		tr.Compares = make([]Compare, n)
	}
	for i := range tr.Compares {
		c := &tr.Compares[i]
		flags := d.byte()
		c.Path = Path{s, d.string()}
		c.Missing = flags&cmpMissing != 0
		if flags&cmpPrevValue != 0 {
			c.PrevValue = d.string()
		}
		if flags&cmpPrevIndex != 0 {
			c.PrevIndex = Index(d.uvarint())
		}
		d.failed = d.failed || flags&^cmpKnown != 0 || !c.fits(s)
	}
	if n := d.count(MaxOperations); n > 0 {
		tr.Operations = make([]Command, n)
	}
	for i := range tr.Operations {
		one := d.bytes(d.uvarint())
		// The op is looked at first: a transaction in a transaction in a
		// transaction would be decoded to any depth.
		d.failed = d.failed || len(one) < 2 || Op(one[1]) >= Sweep
		if d.failed {
			return nil
		}
		c := &tr.Operations[i]
		d.failed = c.UnmarshalBinary(one) != nil || !c.fits(s)
	}
	return tr
}

// count is a number of things, of which there may be most.
func (d *decoder) count(most uint64) int {
	n := d.uvarint()
	if n > most {
		d.failed, n = true, 0
	}
	return int(n)
}

func (d *decoder) byte() byte {
	b := d.bytes(1)
	if len(b) < 1 {
		return 0
	}
	return b[0]
}
