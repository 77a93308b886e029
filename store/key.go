package store

import (
	"bytes"
	"encoding/binary"
)

// The keys of the tree's Pebble, told apart by their first byte:
//
//	N space (01 esc(dir))* 00 esc(name)   a node, filed under its parent
//	T expiry(8) nodekey                   the due list: a hint, checked against the node
//	H slot(4)                             the event history, slot = index mod length
//	A                                     the cursor: position, index, note
//
// esc writes the bytes 00 01 02 as 02 03, 02 04, 02 05, which keeps the order
// of names. With P = N space (01 esc(element))* of a directory, its children
// are exactly the keys in [P 00, P 01) in name order, and all beneath it
// exactly those in [P 00, P 02).
const (
	keyNode    = 'N'
	keyDue     = 'T'
	keyHistory = 'H'
	keyCursor  = 'A'

	sepName = 0x00
	sepDir  = 0x01
	escape  = 0x02
)

var cursorKey = []byte{keyCursor}

// appendNodeKey appends the key of the node at p. A root has no node.
func appendNodeKey(b []byte, p Path) []byte {
	b = append(b, keyNode, byte(p.space))
	for i := 0; i < len(p.name); {
		end := p.next(i)
		sep := byte(sepDir)
		if end == len(p.name) {
			sep = sepName
		}
		b = appendEscaped(append(b, sep), p.name[i+1:end])
		i = end
	}
	return b
}

// appendDirPrefix appends P of the directory at p, which its children's keys
// begin with.
func appendDirPrefix(b []byte, p Path) []byte {
	b = append(b, keyNode, byte(p.space))
	if p.IsRoot() {
		return b
	}
	for i := 0; i < len(p.name); {
		end := p.next(i)
		b = appendEscaped(append(b, sepDir), p.name[i+1:end])
		i = end
	}
	return b
}

func appendEscaped(b []byte, name string) []byte {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c <= escape {
			return appendEscapedRare(append(b, name[:i]...), name[i:])
		}
	}
	return append(b, name...)
}

func appendEscapedRare(b []byte, name string) []byte {
	for i := 0; i < len(name); i++ {
		if c := name[i]; c <= escape {
			b = append(b, escape, c+3)
		} else {
			b = append(b, c)
		}
	}
	return b
}

// appendUnescaped appends the name that was escaped.
func appendUnescaped(b, escaped []byte) []byte {
	if bytes.IndexByte(escaped, escape) < 0 {
		return append(b, escaped...)
	}
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c == escape && i+1 < len(escaped) {
			i++
			c = escaped[i] - 3
		}
		b = append(b, c)
	}
	return b
}

// appendNodePath appends the name of the path that key, a node's key, stands
// for. It reports false if key is not one.
func appendNodePath(b, key []byte) ([]byte, bool) {
	if len(key) < 4 || key[0] != keyNode {
		return b, false
	}
	named := false
	for i := 2; i < len(key); i++ {
		switch c := key[i]; {
		case c > escape:
			b = append(b, c)
		case c == escape:
			if i++; i == len(key) || key[i] < 3 || key[i] > 5 {
				return b, false
			}
			b = append(b, key[i]-3)
		default:
			if named {
				return b, false
			}
			named = c == sepName
			b = append(b, '/')
		}
	}
	return b, named
}

// nodePath is the path of a node's key.
func nodePath(key []byte) (Path, bool) {
	name, ok := appendNodePath(nil, key)
	if !ok {
		return Path{}, false
	}
	return Path{Space(key[1]), string(name)}, true
}

// appendDueKey appends the due list's key for a node that ends at e.
func appendDueKey(b []byte, e Expiry, p Path) []byte {
	return appendNodeKey(appendDueBound(b, e), p)
}

// appendDueBound appends the least key of the due list for nodes ending at e.
func appendDueBound(b []byte, e Expiry) []byte {
	b = append(b, keyDue)
	return binary.BigEndian.AppendUint64(b, uint64(e)^1<<63) // dates before 1970 sort first
}

// parseDueKey takes a key of the due list apart.
func parseDueKey(key []byte) (Expiry, Path, bool) {
	if len(key) < 9 || key[0] != keyDue {
		return 0, Path{}, false
	}
	p, ok := nodePath(key[9:])
	return Expiry(binary.BigEndian.Uint64(key[1:]) ^ 1<<63), p, ok
}

func historyKey(slot int) []byte {
	return binary.BigEndian.AppendUint32([]byte{keyHistory}, uint32(slot))
}

// with returns prefix followed by c, in bytes of its own.
func with(prefix []byte, c byte) []byte {
	return append(prefix[:len(prefix):len(prefix)], c)
}
