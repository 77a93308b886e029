package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"keytree/httpapi/auth"
)

// maxSecurity is how long the body of a request on /v2/auth may be, in bytes.
const maxSecurity = 64 << 10

// routeAuth is /v2/auth: users, roles and the switch.
func (a *API) routeAuth(r chi.Router) {
	if a.Auth == nil {
		return
	}
	const all = "GET,PUT,DELETE"
	users := a.guarded("GET", nil, deeds{"GET": a.users})
	user := a.guarded(all, nil, deeds{"GET": a.user, "PUT": a.putUser, "DELETE": a.deleteUser})
	roles := a.guarded("GET", nil, deeds{"GET": a.roles})
	role := a.guarded(all, nil, deeds{"GET": a.role, "PUT": a.putRole, "DELETE": a.deleteRole})
	r.Handle("/v2/auth/users", users)
	r.Handle("/v2/auth/users/*", a.oneOf(users, user))
	r.Handle("/v2/auth/roles", roles)
	r.Handle("/v2/auth/roles/*", a.oneOf(roles, role))
	r.Handle("/v2/auth/enable", a.guarded(all, verbs{"GET": a.enabled}, deeds{"PUT": a.enable, "DELETE": a.disable}))
}

// oneOf is one of the things that list lists, or list itself when none is
// named. A path that goes on is wrong whoever asks, and whatever for.
func (a *API) oneOf(list, one http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch name := named(r); {
		case name == "":
			list.ServeHTTP(w, r)
		case strings.Contains(name, "/"):
			a.serve(w, r, func(*http.Request) (reply, error) {
				return reply{}, &problem{http.StatusBadRequest, "Invalid path"}
			})
		default:
			one.ServeHTTP(w, r)
		}
	})
}

// named is the user or role in the path of r.
func named(r *http.Request) string { return strings.TrimSuffix(chi.URLParam(r, "*"), "/") }

// securityReply is what the answers on /v2/auth have in common.
func securityReply() reply { return reply{content: contentJSON, cluster: true} }

// users answers GET /v2/auth/users. Roles that are listed but not there are
// left out.
func (a *API) users(r *http.Request, _ string) (reply, error) {
	answer := securityReply()
	if err := r.ParseForm(); err != nil {
		return answer, errNoForm
	}
	users, err := a.Auth.Users()
	if err != nil {
		return answer, securityProblem(err)
	}
	if users == nil {
		answer.body = []byte(`{"users":null}` + "\n")
		return answer, nil
	}
	b := []byte(`{"users":[`)
	for i, u := range users {
		if i > 0 {
			b = append(b, ',')
		}
		roles, err := a.rolesThere(u.Roles)
		if err != nil {
			return answer, securityProblem(err)
		}
		b = appendUserWithRoles(b, u.Name, roles)
	}
	answer.body = append(b, "]}\n"...)
	return answer, nil
}

// rolesThere are those of the named roles that there are.
func (a *API) rolesThere(names []string) (roles []auth.Role, err error) {
	for _, name := range names {
		role, err := a.Auth.Role(name)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// errNoForm answers a query that cannot be read, on the two requests whose
// query etcd reads, without using it.
var errNoForm = &problem{http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError)}

// user answers GET /v2/auth/users/NAME. Other than in the list, each role must
// be there.
func (a *API) user(r *http.Request, _ string) (reply, error) {
	answer := securityReply()
	if err := r.ParseForm(); err != nil {
		return answer, errNoForm
	}
	u, err := a.Auth.User(named(r))
	if err != nil {
		return answer, securityProblem(err)
	}
	roles := make([]auth.Role, len(u.Roles))
	for i, name := range u.Roles {
		if roles[i], err = a.Auth.Role(name); err != nil {
			return answer, securityProblem(err)
		}
	}
	answer.body = append(appendUserWithRoles(nil, u.Name, roles), '\n')
	return answer, nil
}

// putUser answers PUT /v2/auth/users/NAME. One with roles makes a user; one
// without does too unless there is one, and only then is it a 201.
func (a *API) putUser(r *http.Request, by string) (reply, error) {
	answer := securityReply()
	var u auth.User
	if err := readSecurity(r, &u); err != nil {
		return answer, err
	}
	switch {
	case u.Name != named(r):
		return answer, &problem{http.StatusBadRequest, "User JSON name does not match the name in the URL"}
	case len(u.Roles) > 0 && len(u.Grant)+len(u.Revoke) > 0:
		return answer, &problem{http.StatusBadRequest, "User JSON contains both roles and grant/revoke"}
	}
	ctx, cancel := a.within(r.Context())
	defer cancel()
	recorded, made, err := a.Auth.PutUser(ctx, by, u)
	if err != nil {
		return answer, securityProblem(err)
	}
	if made {
		answer.status = http.StatusCreated
	}
	answer.body = appendString([]byte(`{"user":`), recorded.Name)
	answer.body = append(appendList(append(answer.body, `,"roles":`...), recorded.Roles), "}\n"...)
	return answer, nil
}

// deleteUser answers DELETE /v2/auth/users/NAME.
func (a *API) deleteUser(r *http.Request, by string) (reply, error) {
	ctx, cancel := a.within(r.Context())
	defer cancel()
	return securityReply(), securityProblem(a.Auth.DeleteUser(ctx, by, named(r)))
}

// roles answers GET /v2/auth/roles.
func (a *API) roles(*http.Request, string) (reply, error) {
	answer := securityReply()
	roles, err := a.Auth.Roles()
	if err != nil {
		return answer, securityProblem(err)
	}
	answer.body = append(appendRoles([]byte(`{"roles":`), roles), "}\n"...)
	return answer, nil
}

// role answers GET /v2/auth/roles/NAME.
func (a *API) role(r *http.Request, _ string) (reply, error) {
	answer := securityReply()
	role, err := a.Auth.Role(named(r))
	if err != nil {
		return answer, securityProblem(err)
	}
	answer.body = append(appendRole(nil, &role), '\n')
	return answer, nil
}

// putRole answers PUT /v2/auth/roles/NAME. One that grants or revokes changes
// a role, any other makes one.
func (a *API) putRole(r *http.Request, by string) (reply, error) {
	answer := securityReply()
	var role auth.Role
	if err := readSecurity(r, &role); err != nil {
		return answer, err
	}
	if role.Name != named(r) {
		return answer, &problem{http.StatusBadRequest, "Role JSON name does not match the name in the URL"}
	}
	ctx, cancel := a.within(r.Context())
	defer cancel()
	var err error
	switch {
	case role.Grant.IsEmpty() && role.Revoke.IsEmpty():
		answer.status = http.StatusCreated
		err = a.Auth.MakeRole(ctx, by, role)
	case !role.Permissions.IsEmpty():
		err = &problem{http.StatusBadRequest, "Role JSON contains both permissions and grant/revoke"}
	default:
		role, err = a.Auth.ChangeRole(ctx, by, role)
	}
	if err != nil {
		return answer, securityProblem(err)
	}
	answer.body = append(appendRole(nil, &role), '\n')
	return answer, nil
}

// deleteRole answers DELETE /v2/auth/roles/NAME.
func (a *API) deleteRole(r *http.Request, by string) (reply, error) {
	ctx, cancel := a.within(r.Context())
	defer cancel()
	return securityReply(), securityProblem(a.Auth.DeleteRole(ctx, by, named(r)))
}

// enabled answers GET /v2/auth/enable.
func (a *API) enabled(*http.Request) (reply, error) {
	answer := securityReply()
	on, err := a.Auth.Enabled()
	if err != nil {
		return answer, err
	}
	answer.body = fmt.Appendf(nil, `{"enabled":%t}`+"\n", on)
	return answer, nil
}

// enable answers PUT /v2/auth/enable.
func (a *API) enable(r *http.Request, by string) (reply, error) {
	ctx, cancel := a.within(r.Context())
	defer cancel()
	return securityReply(), securityProblem(a.Auth.Enable(ctx, by))
}

// disable answers DELETE /v2/auth/enable.
func (a *API) disable(r *http.Request, by string) (reply, error) {
	ctx, cancel := a.within(r.Context())
	defer cancel()
	return securityReply(), securityProblem(a.Auth.Disable(ctx, by))
}

// readSecurity reads the first JSON value in the body of r. What comes after
// it does not matter, nor does what it says of unknown things.
func readSecurity(r *http.Request, into any) error {
	err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxSecurity)).Decode(into)
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", maxSecurity)}
	case err != nil:
		return &problem{http.StatusBadRequest, "Invalid JSON in request body."}
	}
	return nil
}

// securityProblem is err with the status that the dialect has for it.
func securityProblem(err error) error {
	var refusal *auth.Error
	if !errors.As(err, &refusal) {
		if errors.Is(err, auth.ErrBusy) {
			return &problem{http.StatusServiceUnavailable, auth.ErrBusy.Error()}
		}
		return err
	}
	status := map[auth.Kind]int{
		auth.Missing:   http.StatusNotFound,
		auth.Exists:    http.StatusConflict,
		auth.Invalid:   http.StatusBadRequest,
		auth.Forbidden: http.StatusForbidden,
	}[refusal.Kind]
	return &problem{status, refusal.Error()}
}

func isMissing(err error) bool {
	var refusal *auth.Error
	return errors.As(err, &refusal) && refusal.Kind == auth.Missing
}

// appendUserWithRoles appends a user with what its roles allow.
func appendUserWithRoles(b []byte, name string, roles []auth.Role) []byte {
	b = appendString(append(b, `{"user":`...), name)
	if len(roles) > 0 {
		b = appendRoles(append(b, `,"roles":`...), roles)
	}
	return append(b, '}')
}

func appendRoles(b []byte, roles []auth.Role) []byte {
	b = append(b, '[')
	for i := range roles {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRole(b, &roles[i])
	}
	return append(b, ']')
}

func appendRole(b []byte, r *auth.Role) []byte {
	b = appendString(append(b, `{"role":`...), r.Name)
	b = appendPermissions(append(b, `,"permissions":`...), &r.Permissions)
	if r.Grant != nil {
		b = appendPermissions(append(b, `,"grant":`...), r.Grant)
	}
	if r.Revoke != nil {
		b = appendPermissions(append(b, `,"revoke":`...), r.Revoke)
	}
	return append(b, '}')
}

func appendPermissions(b []byte, p *auth.Permissions) []byte {
	b = appendList(append(b, `{"kv":{"read":`...), p.Keys.Read)
	b = appendList(append(b, `,"write":`...), p.Keys.Write)
	return append(b, "}}"...)
}

// appendList appends a list, or null for one that is not there.
func appendList(b []byte, list []string) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	return appendStrings(b, list)
}
