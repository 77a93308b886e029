package auth

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// counters tell what became of the passwords that were offered.
type counters struct {
	verifications   *prometheus.CounterVec
	rememberedRight prometheus.Counter
	rememberedWrong prometheus.Counter
	right, wrong    prometheus.Counter
	turnedAway      prometheus.Counter
	unanswered      prometheus.Counter
	hashed          prometheus.Counter
	waiting         prometheus.GaugeFunc
}

// newCounters makes counters; waiting is how many passwords wait in line.
func newCounters(waiting func() int) *counters {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "keytree_auth_verifications_total",
		Help: "Passwords offered, by what became of them.",
	}, []string{"outcome"})
	return &counters{
		verifications:   v,
		rememberedRight: v.WithLabelValues("remembered_right"),
		rememberedWrong: v.WithLabelValues("remembered_wrong"),
		right:           v.WithLabelValues("right"),
		wrong:           v.WithLabelValues("wrong"),
		turnedAway:      v.WithLabelValues("turned_away"),
		unanswered:      v.WithLabelValues("unanswered"),
		hashed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "keytree_auth_bcrypt_total",
			Help: "Runs of bcrypt, to compare a password or to hash a new one.",
		}),
		waiting: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keytree_auth_queue_length",
			Help: "Passwords that wait for bcrypt.",
		}, func() float64 { return float64(waiting()) }),
	}
}

func (c *counters) register(r prometheus.Registerer) error {
	return errors.Join(r.Register(c.verifications), r.Register(c.hashed), r.Register(c.waiting))
}
