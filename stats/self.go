package stats

import (
	"encoding/json"
	"sync"
	"time"
)

// State is what part a member plays in the cluster.
type State string

const (
	Leading   State = "StateLeader"
	Following State = "StateFollower"
	Electing  State = "StateCandidate"
)

// Self tells about one member: who it is, whom it follows, and the append
// messages it exchanged.
type Self struct {
	name, id string
	start    time.Time

	mu struct { // everything inside is guarded
		sync.Mutex
		state       State
		leader      string
		leaderSince time.Time
		sent, got   rate
	}
}

func newSelf(name, id string, start time.Time) *Self {
	s := &Self{name: name, id: id, start: start}
	s.mu.state = Following
	return s
}

// Became notes the part the member plays from at on and who leads; leader is
// empty while nobody does.
func (s *Self) Became(state State, leader string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.state = state
	if s.mu.leader != leader {
		s.mu.leader, s.mu.leaderSince = leader, at
	}
}

// SentAppend notes an append message of size bytes that left the member.
func (s *Self) SentAppend(size int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sent.add(size, at)
}

// ReceivedAppend notes an append message of size bytes that reached the member.
func (s *Self) ReceivedAppend(size int, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.got.add(size, at)
}

// AppendJSON appends the /v2/stats/self answer as of now to b.
func (s *Self) AppendJSON(b []byte, now time.Time) []byte {
	type leaderInfo struct {
		Leader    string    `json:"leader"`
		Uptime    string    `json:"uptime"`
		StartTime time.Time `json:"startTime"`
	}
	var answer struct {
		Name        string     `json:"name"`
		ID          string     `json:"id"`
		State       State      `json:"state"`
		StartTime   time.Time  `json:"startTime"`
		LeaderInfo  leaderInfo `json:"leaderInfo"`
		Received    uint64     `json:"recvAppendRequestCnt"`
		ReceiveRate float64    `json:"recvPkgRate,omitempty"`
		ReceiveFlow float64    `json:"recvBandwidthRate,omitempty"`
		Sent        uint64     `json:"sendAppendRequestCnt"`
		SendRate    float64    `json:"sendPkgRate,omitempty"`
		SendFlow    float64    `json:"sendBandwidthRate,omitempty"`
	}
	s.mu.Lock()
	answer.Name, answer.ID, answer.State, answer.StartTime = s.name, s.id, s.mu.state, s.start
	answer.LeaderInfo = leaderInfo{s.mu.leader, uptime(s.mu.leaderSince, now), s.mu.leaderSince}
	answer.Received, answer.Sent = s.mu.got.total, s.mu.sent.total
	answer.ReceiveRate, answer.ReceiveFlow = s.mu.got.perSecond(now)
	answer.SendRate, answer.SendFlow = s.mu.sent.perSecond(now)
	s.mu.Unlock()
	return appendMarshalled(b, answer)
}

// uptime is how long a leader has led; nobody has led for no time.
func uptime(since, now time.Time) string {
	if since.IsZero() {
		return "0s"
	}
	return now.Sub(since).String()
}

// appendMarshalled appends v, a struct of ours that JSON can always hold.
func appendMarshalled(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("stats: " + err.Error())
	}
	return append(b, text...)
}

// rate remembers when the last messages passed and how large they were.
type rate struct {
	total uint64
	last  [200]passage // a ring; total%len is the next to be overwritten
}

type passage struct {
	at   time.Time
	size int
}

func (r *rate) add(size int, at time.Time) {
	r.last[r.total%uint64(len(r.last))] = passage{at, size}
	r.total++
}

// perSecond is how many messages and bytes pass in a second, judged by the
// messages remembered; nothing once the newest is older than a second.
func (r *rate) perSecond(now time.Time) (messages, bytes float64) {
	n := min(r.total, uint64(len(r.last)))
	if n < 2 {
		return 0, 0
	}
	size := uint64(len(r.last))
	newest, oldest := r.last[(r.total-1)%size], r.last[(r.total-n)%size]
	span := newest.at.Sub(oldest.at).Seconds()
	if span <= 0 || now.Sub(newest.at) > time.Second {
		return 0, 0
	}
	sum := 0
	for i := range n {
		sum += r.last[i].size
	}
	return float64(n) / span, float64(sum) / span
}
