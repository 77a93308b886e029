package main

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/httpapi"
	"keytree/httpapi/tlsfiles"
	"keytree/stats"
)

// newRegistry makes what /metrics shows of a member; quota may be nil.
func (m *running) newRegistry(journal *journal, quota *httpapi.Quota) (*prometheus.Registry, error) {
	r := prometheus.NewRegistry()
	err := errors.Join(
		m.replica.Stats().Register(r),
		r.Register(stats.NewBuild(Version)),
		m.authority.Register(r),
		journal.register(r),
		m.secure.register(r),
	)
	if quota != nil {
		err = errors.Join(err, quota.Register(r))
	}
	return r, err
}

// register shows in r when the certificates expire that others are shown.
func (s *security) register(r prometheus.Registerer) error {
	return errors.Join(registerExpiry(r, "client", s.clients), registerExpiry(r, "peer", s.peers))
}

func registerExpiry(r prometheus.Registerer, side string, f *tlsfiles.Files) error {
	if f == nil || f.NotAfter().IsZero() {
		return nil
	}
	return r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "keytree_tls_certificate_expiry_timestamp_seconds",
		Help:        "When the certificate in use on that side expires, in seconds since 1970.",
		ConstLabels: prometheus.Labels{"side": side},
	}, func() float64 { return float64(f.NotAfter().Unix()) }))
}
