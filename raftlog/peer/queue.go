package peer

import (
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

const (
	// maxQueue bounds the bytes that wait for a peer. It is above what raft
	// has on its way to one follower, so that a slow one loses nothing.
	maxQueue = 128 << 20
	// While there is no connection only the newest messages are kept: raft
	// sends what matters again, and the rest would be stale.
	maxIdleMessages = 64
	maxIdleBytes    = 1 << 20
)

// A queue holds the messages that wait for one peer. Any goroutine may put
// messages in; one, the peer's writer, takes them out.
type queue struct {
	wake chan struct{} // holds a token when the writer is to take something

	mu struct { // everything inside is guarded
		sync.Mutex
		urgent fifo // what carries no entries
		bulk   fifo // appends, and proposals on their way to the leader
		bytes  int  // in both
		open   bool // the writer has a connection
		full   bool // something was dropped since there was room
		lost   int  // messages dropped since lost was taken
	}
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put adds m, or drops it if too much waits. It reports whether that is news.
func (q *queue) put(m *raftpb.Message) (overflow bool) {
	n := weight(m)
	q.mu.Lock()
	if q.mu.open && q.mu.bytes > 0 && q.mu.bytes+n > maxQueue {
		overflow = !q.mu.full
		q.mu.full = true
		q.mu.lost++
		q.mu.Unlock()
		return overflow
	}
	list := &q.mu.urgent
	if carries(m) {
		list = &q.mu.bulk
	}
	if q.mu.open {
		list.push(waiting{m: m})
		q.mu.bytes += n
	} else {
		list.push(waiting{m, time.Now()})
		q.mu.bytes += n
		q.trim()
	}
	q.mu.Unlock()
	return false
}

// trim keeps the newest messages only. q.mu must be held.
func (q *queue) trim() {
	for _, list := range []*fifo{&q.mu.bulk, &q.mu.urgent} {
		for list.len() > maxIdleMessages || list.len() > 1 && q.mu.bytes > maxIdleBytes {
			q.discard(list)
		}
	}
}

// discard drops the oldest message of list. q.mu must be held.
func (q *queue) discard(list *fifo) {
	q.mu.bytes -= weight(list.pop().m)
	q.mu.lost++
}

// expire drops what has waited for a connection since before a time. A
// proposal must not come true when nobody remembers it.
func (q *queue) expire(before time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, list := range []*fifo{&q.mu.bulk, &q.mu.urgent} {
		for list.len() > 0 && list.list[list.head].since.Before(before) {
			q.discard(list)
		}
	}
}

// setOpen says whether there is a connection.
func (q *queue) setOpen(open bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.mu.open = open; !open {
		q.trim()
	}
}

// next appends to batch what shall be sent next: all that is urgent, and bulk
// up to limit bytes, or one message.
func (q *queue) next(batch []*raftpb.Message, limit int) []*raftpb.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.mu.urgent.len() > 0 {
		batch = q.take(&q.mu.urgent, batch)
	}
	for start := q.mu.bytes; q.mu.bulk.len() > 0 && start-q.mu.bytes < limit; {
		batch = q.take(&q.mu.bulk, batch)
	}
	if q.mu.bytes < maxQueue/2 {
		q.mu.full = false
	}
	return batch
}

// take moves a message from list to batch. q.mu must be held.
func (q *queue) take(list *fifo, batch []*raftpb.Message) []*raftpb.Message {
	m := list.pop().m
	q.mu.bytes -= weight(m)
	return append(batch, m)
}

// drop forgets all that waits.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.lost += q.mu.urgent.len() + q.mu.bulk.len()
	q.mu.urgent, q.mu.bulk, q.mu.bytes = fifo{}, fifo{}, 0
}

// takeLost is how many messages were dropped since it was last called.
func (q *queue) takeLost() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.mu.lost
	q.mu.lost = 0
	return n
}

// empty is whether nothing waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.urgent.len()+q.mu.bulk.len() == 0
}

// carries is whether m has entries, or goes the same way as those that have
// and must not overtake them.
func carries(m *raftpb.Message) bool {
	return m.GetType() == raftpb.MsgApp || m.GetType() == raftpb.MsgProp
}

// weight is about how many bytes m takes.
func weight(m *raftpb.Message) int {
	n := 64 + len(m.GetContext())
	for _, e := range m.GetEntries() {
		n += 32 + len(e.GetData())
	}
	return n
}

// A waiting message. Since when is known only if there was no connection.
type waiting struct {
	m     *raftpb.Message
	since time.Time
}

// A fifo is a list that is filled at one end and emptied at the other.
type fifo struct {
	list []waiting
	head int
}

func (f *fifo) len() int { return len(f.list) - f.head }

func (f *fifo) push(w waiting) {
	if len(f.list) == cap(f.list) && f.head > len(f.list)/2 {
		n := copy(f.list, f.list[f.head:])
		clear(f.list[n:])
		f.list, f.head = f.list[:n], 0
	}
	f.list = append(f.list, w)
}

func (f *fifo) pop() waiting {
	w := f.list[f.head]
	f.list[f.head] = waiting{}
	if f.head++; f.head == len(f.list) {
		f.list, f.head = f.list[:0], 0
	}
	return w
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
