package store

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"time"
)

// Index counts the successful mutations of a store, in all three spaces
// together. It is the X-Etcd-Index of the dialect.
type Index uint64

// Node is what stands at a path: a key with a value, or a directory.
type Node struct {
	Path              Path
	Value             string
	Dir               bool
	Created, Modified Index
	Expiry            Expiry
	Children          []Node // in listings only, in name order
}

// Expiry is a node's end of life in nanoseconds since 1970, on the log's
// clock. Never means that the node lives until somebody removes it.
type Expiry int64

// Never is the Expiry of a permanent node.
const Never Expiry = 0

// Time is e as a UTC date. It must not be asked of Never.
func (e Expiry) Time() time.Time { return time.Unix(0, int64(e)).UTC() }

// TTL is the time from now to e in whole seconds, rounded up. It is zero or
// negative once e has passed, and never below what 64 bits of nanoseconds
// can tell (recorded: ttl_02).
func (e Expiry) TTL(now int64) int64 {
	left := int64(e) - now
	if e < 0 && now > 0 && left > 0 {
		left = math.MinInt64
	}
	s := left / int64(time.Second)
	if left > s*int64(time.Second) {
		s++
	}
	return s
}

// A record is the part of a node that is stored under its key:
//
//	flags(1)  bit 0: directory, bit 1: an expiry follows
//	created   uvarint
//	modified  uvarint, as the distance from created
//	expiry    8 bytes, big endian, only with bit 1
//	value     the rest; absent in directories
//
// A new field takes a new flag bit; an unknown bit is refused as damage.
type record struct {
	created, modified Index
	expiry            Expiry
	dir               bool
	value             string
}

const (
	flagDir     = 1 << 0
	flagExpires = 1 << 1
	flagsKnown  = flagDir | flagExpires
)

var errBadRecord = errors.New("store: damaged node record")

func (r *record) node(p Path) Node {
	return Node{Path: p, Value: r.value, Dir: r.dir, Created: r.created, Modified: r.modified, Expiry: r.expiry}
}

// size is the length of what append adds.
func (r *record) size() int {
	n := 1 + uvarintLen(uint64(r.created)) + uvarintLen(uint64(r.modified-r.created)) + len(r.value)
	if r.expiry != Never {
		n += 8
	}
	return n
}

func uvarintLen(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func (r *record) append(b []byte) []byte {
	var flags byte
	if r.dir {
		flags |= flagDir
	}
	if r.expiry != Never {
		flags |= flagExpires
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(r.created))
	b = binary.AppendUvarint(b, uint64(r.modified-r.created))
	if r.expiry != Never {
		b = binary.BigEndian.AppendUint64(b, uint64(r.expiry))
	}
	return append(b, r.value...)
}

// recordHead is a decoded record whose value still lies in the bytes it came
// from.
type recordHead struct {
	created, modified Index
	expiry            Expiry
	dir               bool
	value             []byte
}

func parseRecord(b []byte) (h recordHead, err error) {
	if len(b) == 0 || b[0]&^flagsKnown != 0 {
		return h, errBadRecord
	}
	flags := b[0]
	b = b[1:]
	created, n := binary.Uvarint(b)
	if n <= 0 {
		return h, errBadRecord
	}
	b = b[n:]
	later, n := binary.Uvarint(b)
	if n <= 0 {
		return h, errBadRecord
	}
	b = b[n:]
	h.created, h.modified = Index(created), Index(created+later)
	h.expiry = Never
	if flags&flagExpires != 0 {
		if len(b) < 8 {
			return h, errBadRecord
		}
		h.expiry = Expiry(binary.BigEndian.Uint64(b))
		b = b[8:]
	}
	h.dir = flags&flagDir != 0
	if h.dir && len(b) > 0 {
		return h, errBadRecord
	}
	h.value = b
	return h, nil
}

func (h *recordHead) record() *record {
	return &record{created: h.created, modified: h.modified, expiry: h.expiry, dir: h.dir, value: string(h.value)}
}
