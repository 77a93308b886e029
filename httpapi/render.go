package httpapi

import (
	"strconv"
	"time"

	"keytree/store"
)

// A node in JSON, its fields in this order:
//
//	key           but not of the root
//	value         of keys, but not in the removal of one
//	dir           of directories
//	expiration    of what does not live forever
//	ttl           the same, unless it is just over
//	nodes         of directories that are listed and have children to show
//	modifiedIndex, createdIndex    but not of the root

// appendGet appends the answer to a read of n, which is a key, at the time now.
func appendGet(b []byte, n *store.Node, now int64) []byte {
	b = append(b, `{"action":"get","node":`...)
	b = appendNode(b, n, now, true)
	return append(b, "}\n"...)
}

// appendEvent appends e as writers and watchers see it.
func appendEvent(b []byte, e *store.Event) []byte {
	b = append(b, `{"action":"`...)
	b = append(b, e.Action.String()...)
	b = append(b, `","node":`...)
	b = appendNode(b, &e.Node, e.Now, !e.Action.Removes())
	if e.Prev != nil {
		b = append(b, `,"prevNode":`...)
		b = appendNode(b, e.Prev, e.Now, true)
	}
	return append(b, "}\n"...)
}

// appendAction appends the answer to a writer who wants to hear no more than
// that it succeeded.
func appendAction(b []byte, a store.Action) []byte {
	b = append(b, `{"action":"`...)
	b = append(b, a.String()...)
	return append(b, "\"}\n"...)
}

func appendNode(b []byte, n *store.Node, now int64, valued bool) []byte {
	b = appendName(b, n.Path.String(), n.Dir)
	if valued && !n.Dir {
		b = append(b, `,"value":`...)
		b = appendString(b, n.Value)
	}
	b = appendExpiry(b, n.Expiry, now)
	return appendIndices(b, n.Modified, n.Created)
}

// appendName begins a node: all that comes before a key's value or a
// directory's life.
func appendName[T text](b []byte, path T, dir bool) []byte {
	b = append(b, '{')
	if len(path) > 1 {
		b = append(b, `"key":`...)
		b = appendString(b, path)
		if dir {
			b = append(b, ',')
		}
	}
	if dir {
		b = append(b, `"dir":true`...)
	}
	return b
}

func appendExpiry(b []byte, e store.Expiry, now int64) []byte {
	if e == store.Never {
		return b
	}
	b = append(b, `,"expiration":"`...)
	b = e.Time().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if ttl := e.TTL(now); ttl != 0 {
		b = append(b, `,"ttl":`...)
		b = strconv.AppendInt(b, ttl, 10)
	}
	return b
}

// appendIndices ends a node.
func appendIndices(b []byte, modified, created store.Index) []byte {
	var digits []byte // of modified
	if modified != 0 {
		b = append(b, `,"modifiedIndex":`...)
		from := len(b)
		b = strconv.AppendUint(b, uint64(modified), 10)
		digits = b[from:]
	}
	switch {
	case created == 0:
	case created == modified: // as of most nodes: the text is there already
		b = append(b, `,"createdIndex":`...)
		b = append(b, digits...)
	default:
		b = append(b, `,"createdIndex":`...)
		b = strconv.AppendUint(b, uint64(created), 10)
	}
	return append(b, '}')
}
