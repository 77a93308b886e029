package main

import (
	"fmt"
	"time"
)

// A kind says what a client asks for.
type kind int

const (
	set      kind = iota
	create        // only if there is none
	swap          // only if it is as expected
	remove        // whatever is there
	removeIf      // only if it is as expected
	enqueue       // an in-order key
	read          // with quorum
	glance        // what the member has; may be old
)

func (k kind) String() string {
	return [...]string{"set", "create", "swap", "remove", "removeIf", "enqueue", "read", "glance"}[k]
}

// writes reports whether the kind changes something when it is done.
func (k kind) writes() bool { return k < read }

// An outcome is what became of an operation.
type outcome int

const (
	unknown outcome = iota // no answer, or one that does not tell; it may still be done
	done
	refused // the server said no: op.code
)

func (o outcome) String() string { return [...]string{"unknown", "done", "refused"}[o] }

// A node is a key as an answer shows it. The zero node is none.
type node struct {
	value             string
	created, modified uint64
}

// An op is one request of one client. No two operations write the same value.
type op struct {
	client int
	member string // asked
	life   int    // of that member's process, when asked
	kind   kind
	key    string // for enqueue the directory
	value  string // to be written
	expect node   // condition of swap and removeIf
	byIdx  bool   // the condition was told as an index

	call, ret time.Duration // since the beginning
	outcome   outcome
	status    int    // of HTTP; 0 without an answer
	code      int    // of an error
	header    uint64 // X-Etcd-Index
	found     node   // after the operation, for a removal zero
	before    node   // prevNode
	index     uint64 // of its event; for an unknown outcome 0, or what others saw
	name      string // key answered to enqueue
}

func (o op) String() string {
	end := "..."
	if o.ret != forever {
		end = fmt.Sprintf("%.6f", o.ret.Seconds())
	}
	s := fmt.Sprintf("%.6f-%s client %d at %s: %v %s", o.call.Seconds(), end, o.client, o.member, o.kind, o.key)
	if o.value != "" {
		s += " value=" + o.value
	}
	if o.kind == swap || o.kind == removeIf {
		s += fmt.Sprintf(" expect=%v", o.expect)
	}
	s += " " + o.outcome.String()
	switch {
	case o.outcome == refused:
		s += fmt.Sprintf(" %d", o.code)
	case o.kind.writes():
		s += fmt.Sprintf(" index=%d before=%v", o.index, o.before)
	default:
		s += fmt.Sprintf(" found=%v", o.found)
	}
	return s + fmt.Sprintf(" header=%d", o.header)
}

// Codes of refusals.
const (
	codeNotFound = 100
	codeCompare  = 101
	codeExists   = 105
)
