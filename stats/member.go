package stats

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Config says whose numbers are counted.
type Config struct {
	Name, ID string
	Start    time.Time // when the member started
	Sources  Sources
}

// Member is the set of counters of one running member.
type Member struct {
	Store  *Store
	Self   *Self
	Leader *Leader
	HTTP   *HTTP
	Log    *Log
	Health *Health
	Peers  *Peers

	sources Sources
}

// New makes a set in which everything stands at zero.
func New(c Config) *Member {
	return &Member{
		Store:   &Store{},
		Self:    newSelf(c.Name, c.ID, c.Start),
		Leader:  newLeader(),
		HTTP:    newHTTP(),
		Log:     newLog(),
		Health:  newHealth(),
		Peers:   newPeers(c.ID),
		sources: c.Sources,
	}
}

// Watchers is the number of watches open now.
func (m *Member) Watchers() int {
	if m.sources.Watchers == nil {
		return 0
	}
	return m.sources.Watchers()
}

// Register shows the set, and the numbers of the process it runs in, in r.
func (m *Member) Register(r prometheus.Registerer) error {
	all := []prometheus.Collector{
		newSourced(m.sources, m.Store),
		files{},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	if m.sources.Figures != nil {
		all = append(all, newFigured(m.sources.Figures))
	}
	all = append(all, m.HTTP.collectors()...)
	all = append(all, m.Log.collectors()...)
	all = append(all, m.Health.collectors()...)
	all = append(all, m.Peers.collectors()...)
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// Health counts how /health was answered.
type Health struct {
	good, bad prometheus.Counter
}

func newHealth() *Health {
	return &Health{
		good: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_server_health_success",
			Help: "How often /health said true; a count.",
		}),
		bad: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "etcd_server_health_failures",
			Help: "How often /health said false; a count.",
		}),
	}
}

// Checked counts one answer.
func (h *Health) Checked(healthy bool) {
	if healthy {
		h.good.Inc()
	} else {
		h.bad.Inc()
	}
}

func (h *Health) collectors() []prometheus.Collector {
	return []prometheus.Collector{h.good, h.bad}
}
