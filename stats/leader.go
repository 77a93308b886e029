package stats

import (
	"math"
	"sync"
	"time"
)

// Leader tells how fast the followers of a leading member answer.
type Leader struct {
	mu struct { // everything inside is guarded
		sync.Mutex
		followers map[string]*follower
	}
}

type follower struct {
	Latency latency `json:"latency"`
	Counts  counts  `json:"counts"`
}

// latency is in milliseconds. Before the first success the minimum is 2^63,
// which is what the dialect shows.
type latency struct {
	Current           float64 `json:"current"`
	Average           float64 `json:"average"`
	StandardDeviation float64 `json:"standardDeviation"`
	Minimum           float64 `json:"minimum"`
	Maximum           float64 `json:"maximum"`

	sum, squares float64
}

type counts struct {
	Fail    uint64 `json:"fail"`
	Success uint64 `json:"success"`
}

func newLeader() *Leader {
	l := &Leader{}
	l.mu.followers = make(map[string]*follower)
	return l
}

// Reached notes that the follower called id took an append message within d.
func (l *Leader) Reached(id string, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.follower(id)
	f.Counts.Success++
	f.Latency.add(float64(d)/float64(time.Millisecond), float64(f.Counts.Success))
}

// Missed notes that an append message did not get through to id.
func (l *Leader) Missed(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.follower(id).Counts.Fail++
}

// Forget drops what is known about id, which left the cluster.
func (l *Leader) Forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.mu.followers, id)
}

// Reset drops everything: the member has just begun to lead.
func (l *Leader) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.mu.followers)
}

// follower is the entry of id, made if needed. l.mu must be held.
func (l *Leader) follower(id string) *follower {
	f := l.mu.followers[id]
	if f == nil {
		f = &follower{}
		f.Latency.Minimum = 1 << 63
		l.mu.followers[id] = f
	}
	return f
}

// add takes the nth duration into account.
func (l *latency) add(ms, n float64) {
	l.sum += ms
	l.squares += ms * ms
	l.Current = ms
	l.Average = l.sum / n
	l.StandardDeviation = math.Sqrt(max(0, l.squares/n-l.Average*l.Average))
	l.Minimum = min(l.Minimum, ms)
	l.Maximum = max(l.Maximum, ms)
}

// AppendJSON appends the /v2/stats/leader answer of the leader called id to b.
func (l *Leader) AppendJSON(b []byte, id string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return appendMarshalled(b, struct {
		Leader    string               `json:"leader"`
		Followers map[string]*follower `json:"followers"`
	}{id, l.mu.followers})
}
