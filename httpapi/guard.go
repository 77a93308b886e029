package httpapi

import (
	"net/http"

	"keytree/store"
)

// Guard decides who may do what with keys. It may be called from any
// goroutine.
type Guard interface {
	// Allow returns nil or a *store.Error with CodeUnauthorized.
	Allow(Access) error
}

// Access is what somebody wants to do.
type Access struct {
	User, Password string
	Basic          bool // User and Password were given, in a form that could be read
	Header         bool // there was an Authorization header, readable or not

	Path      store.Path
	Raw       string // as it came after /v2/keys, a trailing slash included
	Method    string
	Recursive bool
}

// permit asks the guard whether q is allowed.
func (a *API) permit(r *http.Request, q *keyRequest) error {
	if a.Guard == nil {
		return nil
	}
	wish := Access{Path: q.path, Raw: q.raw, Method: r.Method, Recursive: q.recursive}
	wish.Header = r.Header.Get("Authorization") != ""
	wish.User, wish.Password, wish.Basic = r.BasicAuth()
	return a.Guard.Allow(wish)
}
