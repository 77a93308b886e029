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
	remembered      prometheus.GaugeFunc
}

// newCounters makes counters; waiting is how many passwords wait in line,
// remembered how many are known to be right.
func newCounters(waiting, remembered func() int) *counters {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "keytree_auth_verifications_total",
		Help: "Passwords offered, by what became of them; a count. Those that begin with remembered did not need bcrypt.",
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
			Help: "Runs of bcrypt, to compare a password or to hash a new one; a count.",
		}),
		waiting: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keytree_auth_queue_length",
			Help: "Passwords that wait for bcrypt; a count.",
		}, func() float64 { return float64(waiting()) }),
		remembered: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "keytree_auth_remembered_users",
			Help: "Users whose password was found right and is remembered, by a keyed digest; a count.",
		}, func() float64 { return float64(remembered()) }),
	}
}

func (c *counters) register(r prometheus.Registerer) error {
	return errors.Join(r.Register(c.verifications), r.Register(c.hashed), r.Register(c.waiting), r.Register(c.remembered))
}
