package httpapi

import (
	"net/http"
	"strconv"
	"time"
)

// NewPeerHandler makes the handler of the peer listeners: what members ask of
// each other in plain HTTP. c is the same as for New.
func NewPeerHandler(c Config) http.Handler {
	a := &API{Config: c.withDefaults(), began: time.Now()}
	routes := map[string]http.Handler{
		"/members": a.on("GET", verbs{"GET": a.peerMembers}),
		"/version": a.on("GET", verbs{"GET": a.version}),
	}
	if a.Reporter != nil {
		routes[statusPath] = a.on("GET", verbs{"GET": a.peerStatus})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			limitBodyTime(w)
		}
		if h, ok := routes[r.URL.Path]; ok {
			h.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

// peerMembers answers /members on the peer port: unlike on the client port,
// IDs are decimal numbers, and what a member that has not started lacks is
// left out (spec: http.md 7.9).
func (a *API) peerMembers(*http.Request) (reply, error) {
	b := []byte("[")
	for i, m := range a.Cluster.Members() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		b = strconv.AppendUint(b, uint64(m.ID), 10)
		b = appendStrings(append(b, `,"peerURLs":`...), m.PeerURLs)
		if m.Name != "" {
			b = appendString(append(b, `,"name":`...), m.Name)
		}
		if len(m.ClientURLs) > 0 {
			b = appendStrings(append(b, `,"clientURLs":`...), m.ClientURLs)
		}
		if m.Learner {
			b = append(b, learnerField...)
		}
		b = append(b, '}')
	}
	return reply{content: contentJSON, body: append(b, "]\n"...), cluster: true}, nil
}
