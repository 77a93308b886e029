package raftlog

import (
	"context"
	"slices"
	"sync"
)

// A queue hands work from the raft loop to another loop.
type queue[T any] struct {
	mu     sync.Mutex
	list   []T
	closed bool
	wake   chan struct{} // holds one token while there is something to see
}

func newQueue[T any]() *queue[T] { return &queue[T]{wake: make(chan struct{}, 1)} }

func (q *queue[T]) push(v T) {
	q.mu.Lock()
	q.list = append(q.list, v)
	q.mu.Unlock()
	signal(q.wake)
}

// close lets take return what is left, and then nothing.
func (q *queue[T]) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.wake)
}

// take waits for work and takes all there is; spare is an old result to be
// filled next. It returns nothing when the queue is closed and empty.
func (q *queue[T]) take(spare []T) []T {
	for {
		q.mu.Lock()
		if len(q.list) > 0 || q.closed {
			list := q.list
			q.list = spare[:0]
			closed := q.closed
			q.mu.Unlock()
			if closed {
				signal(q.wake)
			}
			return list
		}
		q.mu.Unlock()
		<-q.wake
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// letters is what has come for the raft loop.
type letters struct {
	wrote     []*appendJob
	applied   []*applyJob
	captures  []*capture // nil: one that failed
	asks      []func(*core)
	messages  []incoming
	proposals []proposal
	barrier   *barrier // nil if nobody asked
}

// A mailbox gathers what is meant for the raft loop. The loop empties it whole,
// but leaves proposals in it while the disk is busy: then they share the next
// write, and putting one in wakes nobody.
type mailbox struct {
	wake     chan struct{}
	maxBytes int64

	mu struct {
		sync.Mutex
		letters
		bytes   int64         // in proposals, and those the loop gave back
		room    chan struct{} // closed when bytes shrink; nil if nobody waits
		hungry  bool          // the loop wants proposals
		eager   bool          // the loop wants to know at once what was applied
		stopped bool
		flood   int // bytes in messages
	}
}

// maxFlood bounds the messages waiting for a loop that does not get on: more
// are dropped, as a network would drop them.
const maxFlood = 256 << 20

func newMailbox(maxBytes int64) *mailbox {
	return &mailbox{wake: make(chan struct{}, 1), maxBytes: maxBytes}
}

// propose puts a proposal in, waiting for room until ctx ends. If it is wanted
// at once, the caller is to see to that.
func (b *mailbox) propose(ctx context.Context, buf []byte) (wanted bool, err error) {
	for {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		room, wanted, err := b.tryPropose(ctx, buf)
		if room == nil {
			return wanted, err
		}
		select {
		case <-room:
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}

// tryPropose returns a channel to wait on if there is no room.
func (b *mailbox) tryPropose(ctx context.Context, buf []byte) (room <-chan struct{}, wanted bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.stopped {
		return nil, false, ErrStopped
	}
	n := int64(len(buf))
	if b.mu.bytes > 0 && b.mu.bytes+n > b.maxBytes {
		if b.mu.room == nil {
			b.mu.room = make(chan struct{})
		}
		return b.mu.room, false, nil
	}
	b.mu.bytes += n
	b.mu.proposals = append(b.mu.proposals, proposal{ctx, buf})
	return nil, b.mu.hungry, nil
}

// release says that n bytes of proposals are in the log, or gone.
func (b *mailbox) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.bytes -= n
	if b.mu.room != nil {
		close(b.mu.room)
		b.mu.room = nil
	}
}

// giveBack returns proposals that raft did not take to the front. list stays
// the caller's: it is about to be filled anew.
func (b *mailbox) giveBack(list []proposal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.proposals = slices.Concat(list, b.mu.proposals)
}

// reclaim puts proposals that had left the queue back to its front.
func (b *mailbox) reclaim(list []proposal) {
	b.mu.Lock()
	for _, p := range list {
		b.mu.bytes += int64(len(p.buf))
	}
	b.mu.Unlock()
	b.giveBack(list)
}

// join joins the barrier that the loop will ask for next.
func (b *mailbox) join() (*barrier, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.stopped {
		return nil, ErrStopped
	}
	if b.mu.barrier == nil {
		b.mu.barrier = newBarrier()
		signal(b.wake)
	}
	return b.mu.barrier, nil
}

func (b *mailbox) message(in incoming) error {
	size := 128
	for _, e := range in.m.GetEntries() {
		size += int(entrySize(e))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.stopped {
		return ErrStopped
	}
	if b.mu.flood+size > maxFlood && in.file == "" {
		return nil
	}
	b.mu.flood += size
	b.mu.messages = append(b.mu.messages, in)
	signal(b.wake)
	return nil
}

// ask has f called by the raft loop.
func (b *mailbox) ask(f func(*core)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.stopped {
		return ErrStopped
	}
	b.mu.asks = append(b.mu.asks, f)
	signal(b.wake)
	return nil
}

// captured closes c if nobody is to take it any more.
func (b *mailbox) captured(c *capture) {
	b.mu.Lock()
	stopped := b.mu.stopped
	if !stopped {
		b.mu.captures = append(b.mu.captures, c)
	}
	b.mu.Unlock()
	if stopped {
		c.drop()
	}
	signal(b.wake)
}

// putWrote leaves it to the caller to have somebody see.
func (b *mailbox) putWrote(jobs []*appendJob) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.letters.wrote = append(b.mu.letters.wrote, jobs...)
}

// putApplied leaves it to the caller to have somebody see, if that is wanted.
func (b *mailbox) putApplied(jobs []*applyJob) (wanted bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.letters.applied = append(b.mu.letters.applied, jobs...)
	return b.mu.eager
}

// applied does not wake a loop that is not eager: it will see with the next
// that comes, or at the next tick.
func (b *mailbox) applied(jobs []*applyJob) {
	if b.putApplied(jobs) {
		signal(b.wake)
	}
}

// take empties the mailbox into l, whose slices are reused. Proposals are taken
// if wantProposals says so, knowing what was written and applied meanwhile; a barrier is
// taken if the last one is answered.
func (b *mailbox) take(l *letters, wantBarrier bool, wantProposals func(written, applied int) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	box := &b.mu.letters
	l.wrote, box.wrote = box.wrote, emptied(l.wrote)
	l.applied, box.applied = box.applied, emptied(l.applied)
	l.captures, box.captures = box.captures, emptied(l.captures)
	l.asks, box.asks = box.asks, emptied(l.asks)
	l.messages, box.messages = box.messages, emptied(l.messages)
	b.mu.flood = 0
	l.barrier = nil
	if wantBarrier {
		l.barrier, box.barrier = box.barrier, nil
	}
	if wantProposals(len(l.wrote), len(l.applied)) {
		l.proposals, box.proposals = box.proposals, emptied(l.proposals)
	} else {
		l.proposals = emptied(l.proposals)
	}
}

// settle says what the loop would take next, and whether it is there already.
func (b *mailbox) settle(wantBarrier, hungry, eager bool) (more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.hungry, b.mu.eager = hungry, eager
	return wantBarrier && b.mu.barrier != nil || hungry && len(b.mu.proposals) > 0 || eager && len(b.mu.letters.applied) > 0
}

// sweep drops proposals nobody waits for any more, while nobody takes them.
func (b *mailbox) sweep() (dropped int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.mu.proposals[:0]
	for _, p := range b.mu.proposals {
		if p.ctx.Err() != nil {
			dropped += int64(len(p.buf))
			continue
		}
		kept = append(kept, p)
	}
	clear(b.mu.proposals[len(kept):])
	b.mu.proposals = kept
	return dropped
}

// stop refuses everything from now on and fails those who wait for a barrier.
func (b *mailbox) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.stopped = true
	if b.mu.barrier != nil {
		b.mu.barrier.finish(ErrStopped)
		b.mu.barrier = nil
	}
	if b.mu.room != nil {
		close(b.mu.room)
		b.mu.room = nil
	}
	for _, c := range b.mu.captures {
		c.drop()
	}
	b.mu.letters = letters{}
}

// emptied is list to be filled anew, holding on to nothing.
func emptied[T any](list []T) []T {
	clear(list)
	return list[:0]
}
