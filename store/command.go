package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Op is what a command asks for.
type Op byte

// The values lie in logs: they are never renumbered.
const (
	Set              Op = 1 // make or replace a key, or make a directory
	Create           Op = 2 // make what must not exist
	CreateInOrder    Op = 3 // make a child named by its index
	Update           Op = 4 // change what must exist
	Delete           Op = 5
	CompareAndSwap   Op = 6
	CompareAndDelete Op = 7
	Sweep            Op = 8 // remove what is due
	Transact         Op = 9 // several of the others but Sweep, or nothing
)

func (o Op) String() string {
	names := [...]string{"", "set", "create", "createInOrder", "update", "delete", "compareAndSwap", "compareAndDelete", "sweep", "transact"}
	if int(o) < len(names) && o > 0 {
		return names[o]
	}
	return fmt.Sprintf("op %d", byte(o))
}

// Command is one requested mutation, complete in itself.
type Command struct {
	Op    Op
	Path  Path // of CreateInOrder, the directory; of Sweep, nothing; of Transact, the root of the space it is in
	Value string
	Dir   bool // Set, Create, CreateInOrder: make a directory. Delete: an empty directory may go

	Recursive bool // Delete: a directory may go with all beneath it
	Refresh   bool // keep the value, change the lifetime, wake nobody

	PrevValue string // compared if not empty
	PrevIndex Index  // compared with Modified if not zero

	Expires bool          // the node shall live for TTL from Now
	TTL     time.Duration // may be zero or negative: due at once

	Limit int // Sweep: how many nodes go at most; 0: any number
	Bytes int // Sweep: once the values that went have so many bytes, no more go; 0: any number

	Transaction *Transaction // of Transact, which has nothing else

	// Now is the log's clock in nanoseconds since 1970 when the command
	// entered the log. It travels beside the command, not inside it.
	Now int64
}

// The binary form of a command, version 1:
//
//	version(1)=1  op(1)  flags(1)  space(1)  len path  len value
//	[len prevValue]  [prevIndex uvarint]  [ttl 8 bytes]  [limit uvarint]
//	[bytes uvarint]  [transaction]
//
// where len is a uvarint followed by that many bytes, and the bracketed parts
// stand there when their flag is set; the transaction of a Transact, which
// sets no flag, is drawn in transaction.go. A change of meaning takes a new
// version.
const (
	commandVersion = 1

	cmdDir       = 1 << 0
	cmdRecursive = 1 << 1
	cmdRefresh   = 1 << 2
	cmdPrevValue = 1 << 3
	cmdPrevIndex = 1 << 4
	cmdExpires   = 1 << 5
	cmdLimit     = 1 << 6
	cmdBytes     = 1 << 7
)

var errBadCommand = errors.New("store: damaged command")

// AppendBinary appends the binary form of c, without Now, to b.
func (c *Command) AppendBinary(b []byte) ([]byte, error) {
	var flags byte
	set := func(on bool, bit byte) {
		if on {
			flags |= bit
		}
	}
	set(c.Dir, cmdDir)
	set(c.Recursive, cmdRecursive)
	set(c.Refresh, cmdRefresh)
	set(c.PrevValue != "", cmdPrevValue)
	set(c.PrevIndex != 0, cmdPrevIndex)
	set(c.Expires, cmdExpires)
	set(c.Limit != 0, cmdLimit)
	set(c.Bytes != 0, cmdBytes)

	b = append(b, commandVersion, byte(c.Op), flags, byte(c.Path.space))
	b = appendString(b, c.Path.name)
	b = appendString(b, c.Value)
	if c.PrevValue != "" {
		b = appendString(b, c.PrevValue)
	}
	if c.PrevIndex != 0 {
		b = binary.AppendUvarint(b, uint64(c.PrevIndex))
	}
	if c.Expires {
		b = binary.BigEndian.AppendUint64(b, uint64(c.TTL))
	}
	if c.Limit != 0 {
		b = binary.AppendUvarint(b, uint64(c.Limit))
	}
	if c.Bytes != 0 {
		b = binary.AppendUvarint(b, uint64(c.Bytes))
	}
	if c.Op == Transact {
		return c.Transaction.append(b, c.Path.space)
	}
	return b, nil
}

// UnmarshalBinary sets c to the command in b and leaves Now at zero. It keeps
// nothing of b.
func (c *Command) UnmarshalBinary(b []byte) error {
	if len(b) < 4 || b[0] != commandVersion {
		return errBadCommand
	}
	head, n := binary.Uvarint(b[4:])
	if n <= 0 || head > uint64(len(b)-4-n) {
		return errBadCommand
	}
	// Path and values have bytes of their own: whoever remembers one of them
	// shall not hold on to the others.
	name, rest := b[4+n:][:head], b[4+n:][head:]
	d := decoder{b: rest}
	flags := b[2]
	*c = Command{
		Op:        Op(b[1]),
		Dir:       flags&cmdDir != 0,
		Recursive: flags&cmdRecursive != 0,
		Refresh:   flags&cmdRefresh != 0,
		Expires:   flags&cmdExpires != 0,
	}
	if c.Op < Set || c.Op > Transact {
		return errBadCommand
	}
	c.Path = Path{Space(b[3]), string(name)}
	c.Value = d.string()
	if flags&cmdPrevValue != 0 {
		c.PrevValue = d.string()
	}
	if flags&cmdPrevIndex != 0 {
		c.PrevIndex = Index(d.uvarint())
	}
	if c.Expires {
		c.TTL = time.Duration(d.uint64())
	}
	if flags&cmdLimit != 0 {
		c.Limit = int(d.uvarint())
	}
	if flags&cmdBytes != 0 {
		c.Bytes = int(d.uvarint())
	}
	if c.Op == Transact {
		c.Transaction = d.transaction(c.Path.space)
		d.failed = d.failed || flags != 0 || c.Value != ""
	}
	if d.failed || len(d.b) > 0 || !c.Path.valid(c.Op) {
		return errBadCommand
	}
	return nil
}

// valid reports whether p is a path that ParsePath could have made; a Sweep
// has none, a Transact that of a root.
func (p Path) valid(o Op) bool {
	if o == Sweep {
		return p == Path{}
	}
	if p.space != Keys && p.space != Cluster && p.space != Auth {
		return false
	}
	if o == Transact {
		return p == Root(p.space)
	}
	return p.name != "" && ParsePath(p.space, p.name) == p
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// decoder takes values off the front of b. After a failure it answers zeros;
// failed is asked once at the end.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes are the next n bytes; they stay b's.
func (d *decoder) bytes(n uint64) []byte {
	if uint64(len(d.b)) < n {
		d.failed, d.b = true, nil
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) string() string { return string(d.bytes(d.uvarint())) }

func (d *decoder) uint64() uint64 {
	b := d.bytes(8)
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}
