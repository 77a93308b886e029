package auth

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

const (
	// RootRole is the role that may do everything. It is built in and has no
	// record. RootUser always holds it.
	RootRole = "root"
	RootUser = "root"

	// GuestRole is what those may do who say no name.
	GuestRole = "guest"
)

// User is the record of a user, as it lies in the tree and as it is asked to
// be changed. The JSON is that of etcd's own records, so that these can be
// copied as they are.
type User struct {
	Name     string   `json:"user"`
	Password string   `json:"password,omitempty"` // in the tree, its bcrypt hash
	Roles    []string `json:"roles"`
	Grant    []string `json:"grant,omitempty"` // in a request, roles to add
	Revoke   []string `json:"revoke,omitempty"`
}

// Role is the record of a role, as User is of a user.
type Role struct {
	Name        string       `json:"role"`
	Permissions Permissions  `json:"permissions"`
	Grant       *Permissions `json:"grant,omitempty"` // in a request, patterns to add
	Revoke      *Permissions `json:"revoke,omitempty"`
}

// Permissions are the patterns of the keys that may be read and written.
type Permissions struct {
	Keys Patterns `json:"kv"`
}

// Patterns are what keys are compared with. A list that was not given is nil,
// which is not the same as an empty one: the dialect shows it as null.
type Patterns struct {
	Read  []string `json:"read"`
	Write []string `json:"write"`
}

// IsEmpty reports whether p has no patterns.
func (p *Permissions) IsEmpty() bool {
	return p == nil || len(p.Keys.Read) == 0 && len(p.Keys.Write) == 0
}

// rootRole is the role that has no record.
func rootRole() Role {
	return Role{Name: RootRole, Permissions: everything()}
}

func everything() Permissions {
	return Permissions{Patterns{Read: []string{"/*"}, Write: []string{"/*"}}}
}

// withRoot is u as it counts: the root user holds the root role, whatever its
// record says.
func (u User) withRoot() User {
	if u.Name == RootUser && !slices.Contains(u.Roles, RootRole) {
		u.Roles = append(slices.Clone(u.Roles), RootRole)
	}
	return u
}

// merge is the record old after the change u, whose password is hashed
// already.
func (old User) merge(u User) (User, error) {
	merged := User{Name: old.Name, Password: old.Password}
	if u.Password != "" {
		merged.Password = u.Password
	}
	set := setOf(old.Roles)
	for _, r := range u.Grant {
		if set[r] {
			return merged, refuse(Exists, "Granting duplicate role %s for user %s", r, u.Name)
		}
		set[r] = true
	}
	for _, r := range u.Revoke {
		if !set[r] {
			return merged, refuse(Exists, "Revoking ungranted role %s for user %s", r, u.Name)
		}
		delete(set, r)
	}
	merged.Roles = sorted(set)
	if reflect.DeepEqual(old, merged) {
		return merged, refuse(Invalid, "User not updated. Use grant/revoke/password to update the user.")
	}
	return merged, nil
}

// merge is the record old after the change r: first what it grants, then what
// it revokes. To revoke what was never granted does nothing.
func (old Role) merge(r Role) (Role, error) {
	merged := Role{Name: old.Name, Permissions: old.Permissions}
	keys := &merged.Permissions.Keys
	if r.Grant != nil {
		var err error
		if keys.Read, err = granted(keys.Read, r.Grant.Keys.Read, "read"); err != nil {
			return merged, err
		}
		if keys.Write, err = granted(keys.Write, r.Grant.Keys.Write, "write"); err != nil {
			return merged, err
		}
	}
	if r.Revoke != nil {
		keys.Read = revoked(keys.Read, r.Revoke.Keys.Read)
		keys.Write = revoked(keys.Write, r.Revoke.Keys.Write)
	}
	if reflect.DeepEqual(old, merged) {
		return merged, refuse(Invalid, "Role not updated. Use grant/revoke to update the role.")
	}
	return merged, nil
}

func granted(have, more []string, kind string) ([]string, error) {
	set := setOf(have)
	for _, p := range more {
		if set[p] {
			return nil, refuse(Exists, "Granting duplicate %s permission %s", kind, p)
		}
		set[p] = true
	}
	return sorted(set), nil
}

func revoked(have, less []string) []string {
	set := setOf(have)
	for _, p := range less {
		delete(set, p)
	}
	return sorted(set)
}

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}

// sorted is never nil.
func sorted(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for s := range set {
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// Kind says what stood in the way of a change.
type Kind int

const (
	Missing   Kind = iota + 1 // what is to be shown or changed is not there
	Exists                    // what is to be made is there already
	Invalid                   // it cannot be asked for
	Forbidden                 // it may not be done by anybody
)

// Error is a refusal to show or change users, roles or the switch, in the
// words of the dialect.
type Error struct {
	Kind Kind
	text string
}

func (e *Error) Error() string { return "auth: " + e.text }

func refuse(k Kind, format string, args ...any) error {
	return &Error{k, fmt.Sprintf(format, args...)}
}

var (
	// ErrDenied says that somebody may not do what was wanted, or is not who
	// they claim to be.
	ErrDenied = errors.New("auth: insufficient credentials")

	// ErrBusy says that too many passwords wait to be looked at.
	ErrBusy = errors.New("auth: too many passwords are waiting to be checked")
)
