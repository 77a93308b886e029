package httpapi

import (
	"errors"
	"net/http"

	"keytree/httpapi/auth"
	"keytree/store"
)

// permit asks whether who sent r may do what q asks for.
func (a *API) permit(w http.ResponseWriter, r *http.Request, q *keyRequest) error {
	return a.allow(w, r, auth.Wish{
		Key:       q.raw,
		Write:     r.Method != http.MethodGet && r.Method != http.MethodHead,
		Recursive: q.recursive,
	})
}

// allow asks whether who sent r may have their wish.
func (a *API) allow(w http.ResponseWriter, r *http.Request, wish auth.Wish) error {
	if a.Auth == nil {
		return nil
	}
	if on, err := a.Auth.Enabled(); err != nil || !on {
		return err
	}
	claim := a.claim(r)
	user, err := a.Auth.Allow(r.Context(), &claim, wish)
	noteUser(w, user)
	return decided(err)
}

// allowSomething asks whether who sent r may do anything with any key.
func (a *API) allowSomething(w http.ResponseWriter, r *http.Request) error {
	if a.Auth == nil {
		return nil
	}
	if on, err := a.Auth.Enabled(); err != nil || !on {
		return err
	}
	claim := a.claim(r)
	user, err := a.Auth.AllowSomething(r.Context(), &claim)
	noteUser(w, user)
	return decided(err)
}

// decided is an answer of the authority in the words of the dialect.
func decided(err error) error {
	switch {
	case errors.Is(err, auth.ErrDenied):
		return &store.Error{Code: store.CodeUnauthorized, Cause: denied}
	case errors.Is(err, auth.ErrBusy):
		return &store.Error{Code: store.CodeRaft, Cause: auth.ErrBusy.Error()}
	}
	return err
}

// permitBody refuses a body that may be long to those who could not do anything
// with it: else everybody could fill the memory with bodies, which are read
// before all else is looked at.
func (a *API) permitBody(w http.ResponseWriter, r *http.Request, raw string) error {
	if 0 <= r.ContentLength && r.ContentLength <= freeBody {
		return nil
	}
	q := keyRequest{raw: raw} // with less right than this nothing is allowed
	err := a.permit(w, r, &q)
	if err != nil {
		abandonBody(w, r)
	}
	return err
}

// denied is all that is said to who may not do something.
const denied = "Insufficient credentials"

// claim is who r says sent it.
func (a *API) claim(r *http.Request) auth.Claim {
	c := auth.Claim{From: r.RemoteAddr}
	if named := r.Header["Authorization"]; len(named) > 0 && named[0] != "" {
		c.Given = true
		c.User, c.Password, c.Readable = r.BasicAuth()
		return c
	}
	if a.ClientCertAuth && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		c.Certificate = r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	return c
}

// deed is an endpoint that wants to know who asks; by is empty while auth is
// off.
type deed func(r *http.Request, by string) (reply, error)

// deeds says which deed is done for which method.
type deeds map[string]deed

// byAnyone is e as a deed.
func byAnyone(e endpoint) deed {
	return func(r *http.Request, _ string) (reply, error) { return e(r) }
}

// guarded is on, with deeds that are left to those who hold the root role.
func (a *API) guarded(allowed string, open verbs, root deeds) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, do := open[r.Method], root[r.Method]
		if e == nil && do == nil {
			methodNotAllowed(w, allowed)
			return
		}
		if e == nil {
			by, err := a.requireRoot(w, r)
			e = func(r *http.Request) (reply, error) {
				if err != nil {
					return reply{}, err
				}
				return do(r, by)
			}
		}
		a.serve(w, r, e)
	})
}

// requireRoot is the name of who sent r, if they hold the root role; while
// auth is off nobody has a name.
func (a *API) requireRoot(w http.ResponseWriter, r *http.Request) (string, error) {
	if a.Auth == nil {
		return "", nil
	}
	if on, err := a.Auth.Enabled(); err != nil || !on {
		return "", err
	}
	claim := a.claim(r)
	user, err := a.Auth.AllowRoot(r.Context(), &claim)
	noteUser(w, user)
	switch {
	case errors.Is(err, auth.ErrDenied):
		return user, &problem{http.StatusUnauthorized, denied}
	case errors.Is(err, auth.ErrBusy):
		return user, &problem{http.StatusServiceUnavailable, auth.ErrBusy.Error()}
	}
	return user, err
}
