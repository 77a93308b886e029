package peer

import (
	"sync"
	"time"

	"go.etcd.io/raft/v3/raftpb"
)

// maxAppends bounds what is remembered of a peer. What is sent beyond it is
// not measured.
const maxAppends = 256

// appends remembers which appends went to a peer when, to tell how long it
// takes to answer. Any goroutine may use it.
type appends struct {
	mu struct { // everything inside is guarded
		sync.Mutex
		ring    [maxAppends]sentAppend
		head, n int
	}
}

type sentAppend struct {
	term, last uint64 // last is the position of its last entry
	at         time.Time
}

// add notes that m is sent at a time.
func (a *appends) add(m *raftpb.Message, at time.Time) {
	last := m.GetIndex() + uint64(len(m.GetEntries()))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.n < maxAppends {
		a.mu.ring[(a.mu.head+a.mu.n)%maxAppends] = sentAppend{m.GetTerm(), last, at}
		a.mu.n++
	}
}

// answered is when an append was sent that m, a MsgAppResp, answers; it is to
// be called until it says no more.
func (a *appends) answered(m *raftpb.Message) (at time.Time, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.GetReject() {
		a.mu.n = 0 // raft goes back and sends them again
	}
	for a.mu.n > 0 {
		s := a.mu.ring[a.mu.head]
		if s.term > m.GetTerm() || s.term == m.GetTerm() && s.last > m.GetIndex() {
			break
		}
		a.mu.head = (a.mu.head + 1) % maxAppends
		a.mu.n--
		if s.term == m.GetTerm() {
			return s.at, true
		}
	}
	return time.Time{}, false
}

// forget is called when what was sent is lost.
func (a *appends) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.n = 0
}
