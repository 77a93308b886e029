package httpapi

import "net/http"

// Compatible is the etcd release whose dialect this is. Clients that compare
// versions go on working.
const Compatible = "3.4.23"

// version answers /version: etcd's two fields, then Keytree's own.
func (a *API) version(*http.Request) (reply, error) {
	cluster := a.Cluster.Version()
	if cluster == "" {
		cluster = "not_decided"
	}
	b := appendString([]byte(`{"etcdserver":`), Compatible)
	b = appendString(append(b, `,"etcdcluster":`...), cluster)
	b = appendString(append(b, `,"keytree":`...), a.Version)
	return reply{content: contentJSON, body: append(b, '}')}, nil
}
