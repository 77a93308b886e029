package httpapi

import (
	"net/http"
	"time"
)

// selfStats answers /v2/stats/self.
func (a *API) selfStats(*http.Request) (reply, error) {
	return reply{content: contentJSON, body: a.Stats.Self.AppendJSON(nil, time.Now())}, nil
}

// leaderStats answers /v2/stats/leader, on the leader only.
func (a *API) leaderStats(*http.Request) (reply, error) {
	leader, found := a.Cluster.Leader()
	if !found || leader.ID != a.Cluster.Self() {
		return reply{}, &problem{http.StatusForbidden, "not current leader"}
	}
	return reply{content: contentJSON, body: a.Stats.Leader.AppendJSON(nil, leader.ID.String())}, nil
}

// storeStats answers /v2/stats/store.
func (a *API) storeStats(*http.Request) (reply, error) {
	return reply{content: contentJSON, body: a.Stats.Store.AppendJSON(nil, a.Stats.Watchers())}, nil
}
