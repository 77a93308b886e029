package raftlog

import (
	"encoding/binary"
)

// A barrier is one question to the leader, "how far is the log committed?", on
// behalf of all who came before it was asked. It is done when this member's
// machine has applied that far.
type barrier struct {
	done chan struct{}
	err  error // set before done is closed
}

func newBarrier() *barrier { return &barrier{done: make(chan struct{})} }

func (b *barrier) finish(err error) {
	b.err = err
	close(b.done)
}

// reads asks for one barrier at a time. The core owns it.
type reads struct {
	salt  uint64   // makes contexts of this process unlike those of its earlier lives
	tries uint64   // and every try unlike every other: an old answer proves nothing
	asked *barrier // waits for raft's answer; nil when nobody does
	// sent says that raft was asked for asked; if not, nobody led when it came.
	sent    bool
	elapsed int       // ticks since
	waiting []waiting // answered, but the machine is not there yet; in position order
}

type waiting struct {
	position uint64
	*barrier
}

func (r *reads) context() []byte {
	r.tries++
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.salt), r.tries)
}

func (r *reads) isCurrent(context []byte) bool {
	return r.asked != nil && r.sent && len(context) == 16 &&
		binary.BigEndian.Uint64(context) == r.salt && binary.BigEndian.Uint64(context[8:]) == r.tries
}

// readIdle says whether a new barrier may be asked for.
func (c *core) readIdle() bool { return c.reads.asked == nil }

// read asks for a barrier. readIdle must hold.
func (c *core) read(b *barrier) {
	c.reads.asked, c.reads.sent = b, false
	c.askRead()
}

// askRead asks raft, unless nobody could answer. A leader cannot before it has
// committed an entry of its own term: until then it does not know how far the
// log was committed, not even when it is the only voter.
func (c *core) askRead() {
	if c.reads.asked == nil || c.leader == 0 || c.leading() && c.commit < c.termStart {
		return
	}
	c.reads.sent, c.reads.elapsed = true, 0
	c.raw.ReadIndex(c.reads.context())
}

// answerRead takes raft's answer to one try.
func (c *core) answerRead(position uint64, context []byte) {
	if !c.reads.isCurrent(context) {
		return
	}
	c.reads.waiting = append(c.reads.waiting, waiting{position, c.reads.asked})
	c.reads.asked = nil
	c.finishReads()
}

func (c *core) finishReads() {
	w := c.reads.waiting
	for len(w) > 0 && w[0].position <= c.applied {
		w[0].finish(nil)
		w = w[1:]
	}
	if c.reads.waiting = w; len(w) == 0 {
		c.reads.waiting = nil
	}
}

// retryRead is called with every tick.
func (c *core) retryRead() {
	if c.reads.asked == nil {
		return
	}
	if c.reads.elapsed++; !c.reads.sent || c.reads.elapsed >= c.electionTicks {
		c.askRead()
	}
}

// stopReads fails everyone who still waits.
func (c *core) stopReads(err error) {
	if c.reads.asked != nil {
		c.reads.asked.finish(err)
	}
	for _, w := range c.reads.waiting {
		w.finish(err)
	}
	c.reads = reads{}
}
