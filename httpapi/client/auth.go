package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// User is somebody with a password.
type User struct {
	Name  string
	Roles []string // names; nil: none
}

// Role is what its holders may do.
type Role struct {
	Name        string
	Permissions Permissions
}

// Permissions are patterns of keys. One that ends in * stands for all keys
// that begin with the rest of it.
type Permissions struct {
	Read  []string `json:"read"`
	Write []string `json:"write"`
}

const (
	usersPath  = "/v2/auth/users"
	rolesPath  = "/v2/auth/roles"
	enablePath = "/v2/auth/enable"
)

// Users are the names of all users.
func (c *Client) Users(ctx context.Context) ([]string, error) {
	var list struct {
		Users []named `json:"users"`
	}
	err := c.askJSON(ctx, request{method: http.MethodGet, path: usersPath}, &list, status(http.StatusOK))
	return names(list.Users), err
}

// User is the user called name.
func (c *Client) User(ctx context.Context, name string) (*User, error) {
	return c.askUser(ctx, http.MethodGet, name, nil)
}

// PutUser sets the password of a user, who is created if need be, and reports
// whether that was so.
func (c *Client) PutUser(ctx context.Context, name, password string) (created bool, err error) {
	p, ok := below(usersPath, name)
	if !ok {
		return false, errInvalidPath()
	}
	r := withJSON(request{method: http.MethodPut, path: p}, userRecord{Name: name, Password: password})
	got, err := c.askStatus(ctx, r, nil, status(http.StatusOK, http.StatusCreated))
	return got == http.StatusCreated, err
}

// RemoveUser removes a user.
func (c *Client) RemoveUser(ctx context.Context, name string) error {
	return c.remove(ctx, usersPath, name)
}

// GrantUser gives roles to a user, and answers with all the user then has.
func (c *Client) GrantUser(ctx context.Context, name string, roles ...string) (*User, error) {
	return c.askUser(ctx, http.MethodPut, name, &userRecord{Name: name, Grant: roles})
}

// RevokeUser takes roles from a user, and answers with those that are left.
func (c *Client) RevokeUser(ctx context.Context, name string, roles ...string) (*User, error) {
	return c.askUser(ctx, http.MethodPut, name, &userRecord{Name: name, Revoke: roles})
}

// userRecord is a user as it is sent.
type userRecord struct {
	Name     string   `json:"user"`
	Password string   `json:"password,omitempty"`
	Roles    []string `json:"roles"`
	Grant    []string `json:"grant,omitempty"`
	Revoke   []string `json:"revoke,omitempty"`
}

func (c *Client) askUser(ctx context.Context, method, name string, change *userRecord) (*User, error) {
	p, ok := below(usersPath, name)
	if !ok {
		return nil, errInvalidPath()
	}
	r := request{method: method, path: p}
	if change != nil {
		r = withJSON(r, change)
	}
	var u struct {
		Name  string  `json:"user"`
		Roles []named `json:"roles"`
	}
	if err := c.askJSON(ctx, r, &u, status(http.StatusOK)); err != nil {
		return nil, err
	}
	return &User{Name: u.Name, Roles: names(u.Roles)}, nil
}

// Roles are the names of all roles.
func (c *Client) Roles(ctx context.Context) ([]string, error) {
	var list struct {
		Roles []named `json:"roles"`
	}
	err := c.askJSON(ctx, request{method: http.MethodGet, path: rolesPath}, &list, terse(http.StatusOK))
	return names(list.Roles), err
}

// Role is the role called name.
func (c *Client) Role(ctx context.Context, name string) (*Role, error) {
	return c.askRole(ctx, http.MethodGet, name, nil, http.StatusOK)
}

// AddRole makes a role that may do nothing.
func (c *Client) AddRole(ctx context.Context, name string) error {
	_, err := c.askRole(ctx, http.MethodPut, name, &roleRecord{Name: name}, http.StatusCreated)
	return err
}

// RemoveRole removes a role. Who holds it keeps its name, to no effect.
func (c *Client) RemoveRole(ctx context.Context, name string) error {
	return c.remove(ctx, rolesPath, name)
}

// GrantRole lets holders of a role do more, and answers with all they may.
func (c *Client) GrantRole(ctx context.Context, name string, p Permissions) (*Role, error) {
	return c.askRole(ctx, http.MethodPut, name, &roleRecord{Name: name, Grant: &keyed{p}}, http.StatusOK)
}

// RevokeRole lets holders of a role do less, and answers with what they may.
func (c *Client) RevokeRole(ctx context.Context, name string, p Permissions) (*Role, error) {
	return c.askRole(ctx, http.MethodPut, name, &roleRecord{Name: name, Revoke: &keyed{p}}, http.StatusOK)
}

// roleRecord is a role as it travels.
type roleRecord struct {
	Name        string `json:"role"`
	Permissions keyed  `json:"permissions"`
	Grant       *keyed `json:"grant,omitempty"`
	Revoke      *keyed `json:"revoke,omitempty"`
}

type keyed struct {
	KV Permissions `json:"kv"`
}

func (c *Client) askRole(ctx context.Context, method, name string, change *roleRecord, good int) (*Role, error) {
	p, ok := below(rolesPath, name)
	if !ok {
		return nil, errInvalidPath()
	}
	r := request{method: method, path: p}
	if change != nil {
		r = withJSON(r, change)
	}
	var now roleRecord
	if err := c.askJSON(ctx, r, &now, status(good)); err != nil {
		return nil, err
	}
	return &Role{Name: now.Name, Permissions: now.Permissions.KV}, nil
}

func (c *Client) remove(ctx context.Context, collection, name string) error {
	p, ok := below(collection, name)
	if !ok {
		return errInvalidPath()
	}
	return c.askJSON(ctx, request{method: http.MethodDelete, path: p}, nil, status(http.StatusOK))
}

// AuthEnabled reports whether users and roles count.
func (c *Client) AuthEnabled(ctx context.Context) (bool, error) {
	var now struct {
		Enabled bool `json:"enabled"`
	}
	err := c.askJSON(ctx, request{method: http.MethodGet, path: enablePath}, &now, status(http.StatusOK))
	return now.Enabled, err
}

// EnableAuth makes users and roles count. There must be a user called root.
func (c *Client) EnableAuth(ctx context.Context) error {
	return c.askJSON(ctx, request{method: http.MethodPut, path: enablePath}, nil, status(http.StatusOK))
}

// DisableAuth lets everybody do everything again.
func (c *Client) DisableAuth(ctx context.Context) error {
	return c.askJSON(ctx, request{method: http.MethodDelete, path: enablePath}, nil, status(http.StatusOK))
}

// errInvalidPath is what a server says to a name that cannot be one.
func errInvalidPath() error {
	return &StatusError{Status: http.StatusBadRequest, Message: "Invalid path"}
}

// named is the name of a user or role. In answers it is that alone, or all
// there is to say about it.
type named string

// UnmarshalJSON reads both.
func (n *named) UnmarshalJSON(text []byte) error {
	if text[0] != '{' {
		return json.Unmarshal(text, (*string)(n))
	}
	var whole struct{ User, Role string }
	err := json.Unmarshal(text, &whole)
	*n = named(whole.User + whole.Role)
	return err
}

func names(list []named) (texts []string) {
	for _, n := range list {
		texts = append(texts, string(n))
	}
	return texts
}
