package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"keytree/raftlog/member"
)

// member answers GET /v2/members, and below it, where there is nothing but
// the leader.
func (a *API) member(r *http.Request) (reply, error) {
	answer := reply{content: contentJSON, cluster: true}
	switch chi.URLParam(r, "*") {
	case "":
		answer.body = a.appendMembers(nil)
		return answer, nil
	case "leader":
		leader, found := a.Cluster.Leader()
		if !found {
			return answer, &problem{http.StatusServiceUnavailable, "During election"}
		}
		answer.body = append(appendMember(nil, leader), '\n')
		return answer, nil
	}
	return answer, &problem{http.StatusNotFound, "Not found"}
}

func (a *API) appendMembers(b []byte) []byte {
	b = append(b, `{"members":[`...)
	for i, m := range a.Cluster.Members() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMember(b, m)
	}
	return append(b, "]}\n"...)
}

func appendMember(b []byte, m member.Member) []byte {
	b = appendString(append(b, `{"id":`...), m.ID.String())
	b = appendString(append(b, `,"name":`...), m.Name)
	b = appendStrings(append(b, `,"peerURLs":`...), m.PeerURLs)
	b = appendStrings(append(b, `,"clientURLs":`...), m.ClientURLs)
	if m.Learner {
		b = append(b, learnerField...)
	}
	return append(b, '}')
}

// learnerField marks a member that does not vote, in the word of etcd's own
// lists. The lists of the dialect know none, so the others go without.
const learnerField = `,"isLearner":true`

// machines answers /v2/machines: the client URLs of all members.
func (a *API) machines(*http.Request) (reply, error) {
	var urls []string
	for _, m := range a.Cluster.Members() {
		urls = append(urls, m.ClientURLs...)
	}
	slices.Sort(urls)
	return reply{content: contentSniff, body: []byte(strings.Join(urls, ", "))}, nil
}
