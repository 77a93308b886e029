package stats

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	trendEvery   = 5 * time.Second
	trendSpan    = 15 * time.Minute
	trendSamples = int(trendSpan/trendEvery) + 1 // with one at each end
)

// Trends remembers how a member has fared lately: while Run runs, some of its
// numbers as they were every five seconds, for a quarter of an hour. Its
// methods may be called from any goroutine.
type Trends struct {
	of   *Member
	http *prometheus.Registry // holds the counters of requests alone

	mu struct { // everything inside is guarded
		sync.Mutex
		samples []sample // a ring once it is full
		oldest  int
	}
}

// NewTrends makes the trends of m, without a sample.
func NewTrends(m *Member) *Trends {
	t := &Trends{of: m, http: prometheus.NewRegistry()}
	t.http.MustRegister(m.HTTP.collectors()...) // nothing else is in there
	return t
}

// Run takes samples until ctx is done. It is called once.
func (t *Trends) Run(ctx context.Context) error {
	tick := time.NewTicker(trendEvery)
	defer tick.Stop()
	for {
		t.add(t.sample(time.Now()))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (t *Trends) add(s sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.samples) < trendSamples {
		t.mu.samples = append(t.mu.samples, s)
		return
	}
	t.mu.samples[t.mu.oldest] = s
	t.mu.oldest = (t.mu.oldest + 1) % trendSamples
}

// AppendJSON appends the samples, oldest first, to b: one object on a line.
func (t *Trends) AppendJSON(b []byte) []byte {
	var answer struct {
		Every   int      `json:"every"` // seconds between two samples
		Samples []sample `json:"samples"`
	}
	answer.Every = int(trendEvery / time.Second)
	t.mu.Lock()
	answer.Samples = make([]sample, 0, len(t.mu.samples))
	answer.Samples = append(answer.Samples, t.mu.samples[t.mu.oldest:]...)
	answer.Samples = append(answer.Samples, t.mu.samples[:t.mu.oldest]...)
	t.mu.Unlock()
	return append(appendMarshalled(b, answer), '\n')
}

// sample is what the numbers were at a time. Those of requests and events
// count from the start of the member.
type sample struct {
	Time     string    `json:"time"` // RFC 3339, UTC
	Requests byRequest `json:"requests"`
	Seconds  byRequest `json:"seconds"` // how long the successful ones took, all together
	Failed   uint64    `json:"failed"`
	Watchers int       `json:"watchers"`
	Pending  int       `json:"pending"` // proposals waiting for their result
	RSS      uint64    `json:"rss"`     // bytes of memory; 0 where that is unknown
	Events   uint64    `json:"events"`
}

// byRequest is a number for each kind of request.
type byRequest [requests]float64

// MarshalJSON shows the numbers under the labels of the metrics.
func (n byRequest) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for r, v := range n {
		b = append(b, '"')
		b = append(b, Request(r).String()...)
		b = append(b, `":`...)
		b = strconv.AppendFloat(b, v, 'f', -1, 64)
		b = append(b, ',')
	}
	b[len(b)-1] = '}'
	return b, nil
}

// sample reads the numbers as they are now.
func (t *Trends) sample(now time.Time) sample {
	s := sample{
		Time:     now.UTC().Format(time.RFC3339),
		Watchers: t.of.Watchers(),
		RSS:      ResidentBytes(),
	}
	if pending := t.of.sources.Pending; pending != nil {
		s.Pending = pending()
	}
	if events := t.of.sources.Events; events != nil {
		s.Events = events()
	}
	t.readRequests(&s)
	return s
}

// readRequests takes over the counters of requests.
func (t *Trends) readRequests(s *sample) {
	families, _ := t.http.Gather() // counters that were registered together do not contradict each other
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == failedName {
				s.Failed += uint64(m.GetCounter().GetValue())
				continue
			}
			for _, label := range m.GetLabel() {
				r, known := requestOf(label.GetValue())
				switch {
				case !known:
				case family.GetName() == receivedName:
					s.Requests[r] = m.GetCounter().GetValue()
				case family.GetName() == durationsName:
					s.Seconds[r] = m.GetHistogram().GetSampleSum()
				}
			}
		}
	}
}
