package httpapi

import (
	"context"
	"net/http"
	"time"
)

// patience is how long a healthy cluster may take to agree.
const patience = time.Second

// health answers /health: whether there is a leader and a quorum behind it.
func (a *API) health(r *http.Request) (reply, error) {
	healthy := a.healthy(r.Context())
	if !healthy && r.Context().Err() != nil {
		return reply{}, r.Context().Err() // the client did not wait: nothing is known
	}
	a.Stats.Health.Checked(healthy)
	if healthy {
		return reply{content: contentSniff, body: []byte(`{"health":"true"}`)}, nil
	}
	return reply{
		status:  http.StatusServiceUnavailable,
		content: []string{"text/plain; charset=utf-8"},
		nosniff: true,
		body:    []byte(`{"health":"false"}` + "\n"),
	}, nil
}

func (a *API) healthy(ctx context.Context) bool {
	if _, found := a.Cluster.Leader(); !found {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return a.Keyspace.Barrier(ctx) == nil
}
