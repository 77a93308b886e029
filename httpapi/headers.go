package httpapi

import (
	"net/http"
	"strconv"

	"keytree/raftlog/member"
	"keytree/store"
)

// Header names in canonical form: they are put into the header map as they
// stand, without http.Header.Set having to look.
const (
	headerClusterID = "X-Etcd-Cluster-Id"
	headerIndex     = "X-Etcd-Index"
	headerPosition  = "X-Raft-Index"
	headerTerm      = "X-Raft-Term"
)

// Content types. The lists are shared by all answers and never changed.
var (
	contentJSON  = []string{"application/json"}
	contentUTF8  = []string{"application/json; charset=utf-8"}
	contentProm  = []string{"text/plain; version=0.0.4; charset=utf-8"}
	contentSniff []string // the server looks at the first bytes
)

// marks are the headers that tell where the log stands, as texts. Between two
// writes all answers have the same, so the latest ones are kept: a read then
// allocates none of them.
type marks struct {
	clusterID              member.ID
	at, term               uint64
	cluster, position, era [1]string
}

// progress returns the marks of this moment.
func (a *API) progress() *marks {
	id := a.Cluster.ClusterID()
	at, term := a.Progress.Progress()
	m := a.marks.Load()
	if m != nil && m.at == at && m.term == term && m.clusterID == id {
		return m
	}
	last := m
	m = &marks{clusterID: id, at: at, term: term}
	m.position[0] = strconv.FormatUint(at, 10)
	if last != nil && last.term == term && last.clusterID == id {
		m.cluster, m.era = last.cluster, last.era
	} else {
		m.cluster[0] = id.String()
		m.era[0] = strconv.FormatUint(term, 10)
	}
	a.marks.Store(m) // the latest writer wins; any of them will do
	return m
}

// indexMark is a store's index as a header, kept for the same reason.
type indexMark struct {
	index store.Index
	text  [1]string
}

func (a *API) indexHeader(i store.Index) []string {
	m := a.index.Load()
	if m == nil || m.index != i {
		m = &indexMark{index: i, text: [1]string{strconv.FormatUint(uint64(i), 10)}}
		if i != 0 { // errors of parsing carry zero: they would push the useful one out
			a.index.Store(m)
		}
	}
	return m.text[:]
}

// setKeyHeaders sets the headers of a successful answer on /v2/keys.
func (a *API) setKeyHeaders(h http.Header, index store.Index) {
	m := a.progress()
	h["Content-Type"] = contentJSON
	h[headerClusterID] = m.cluster[:]
	h[headerIndex] = a.indexHeader(index)
	h[headerPosition] = m.position[:]
	h[headerTerm] = m.era[:]
}
