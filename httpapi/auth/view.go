package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"keytree/store"
)

// The Auth space, drawn as a tree:
//
//	/enabled      true or false
//	/layout       1
//	/users/NAME   a User
//	/roles/NAME   a Role
//
// All but layout is as etcd has it below its own /2, which is a directory
// that takes an index when it is made. The root of the Auth space is always
// there; layout takes that index, and says which drawing to read by.
const layout = "1"

var (
	top         = store.Root(store.Auth)
	layoutPath  = top.Child("layout")
	enabledPath = top.Child("enabled")
	usersPath   = top.Child("users")
	rolesPath   = top.Child("roles")
)

// view is what this member has read of the Auth space at one version of it.
// Users and roles are read when they are first asked for; each is at least as
// new as the version.
type view struct {
	version uint64
	enabled bool

	mu sync.RWMutex
	// Under mu. There are entries for what exists only, so the tree bounds
	// them and not the names clients think of.
	accounts map[string]*account
	roles    map[string]*Role
}

// account is a user as it counts in decisions.
type account struct {
	name  string
	hash  string // of the password; empty: nobody can be this user
	root  bool   // holds the root role
	roles []*Role
}

// current is a view of the Auth space as this member has it now.
func (a *Authority) current() (*view, error) {
	if v := a.view.Load(); v != nil && v.version == a.tree.AuthVersion() {
		return v, nil
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	version := a.tree.AuthVersion() // before anything is read
	if v := a.view.Load(); v != nil && v.version == version {
		return v, nil
	}
	v := &view{version: version, accounts: map[string]*account{}, roles: map[string]*Role{}}
	var err error
	if v.enabled, err = a.readSwitch(); err != nil {
		return nil, err
	}
	a.view.Store(v)
	return v, nil
}

// Enabled reports whether users and roles count at all.
func (a *Authority) Enabled() (bool, error) {
	v, err := a.current()
	if err != nil {
		return false, err
	}
	return v.enabled, nil
}

// readSwitch reads whether auth is on. What is neither on nor off is an error:
// damage must not open the door.
func (a *Authority) readSwitch() (bool, error) {
	mark, _, err := a.get(layoutPath)
	if err != nil {
		return false, err
	}
	if mark != "" && mark != layout {
		return false, fmt.Errorf("auth: users and roles have the layout %q of another version", mark)
	}
	value, _, err := a.get(enabledPath)
	if err != nil || value == "" {
		return false, err
	}
	var on bool
	if err := json.Unmarshal([]byte(value), &on); err != nil {
		return false, fmt.Errorf("auth: the switch is neither on nor off: %w", err)
	}
	return on, nil
}

// account is the user called name, or nil if nobody can be that user.
func (a *Authority) account(v *view, name string) (*account, error) {
	v.mu.RLock()
	found := v.accounts[name]
	v.mu.RUnlock()
	if found != nil {
		return found, nil
	}
	u, index, err := a.readUser(name)
	if err != nil {
		return nil, unlessRefused(err)
	}
	name = strings.Clone(name) // it may be a piece of a header, with a password in it
	who := &account{name: name, hash: u.Password}
	if !a.hasher.Valid(u.Password) {
		a.complain(index, "the record of a user has no password that can be compared: nobody can be that user", "user", name)
		who.hash = ""
	}
	for _, r := range u.Roles {
		role, err := a.role(v, r)
		if err != nil {
			return nil, err
		}
		if role != nil {
			who.root = who.root || role.Name == RootRole
			who.roles = append(who.roles, role)
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if other := v.accounts[name]; other != nil {
		return other, nil
	}
	v.accounts[name] = who
	return who, nil
}

// role is the role called name, or nil if it is not there.
func (a *Authority) role(v *view, name string) (*Role, error) {
	v.mu.RLock()
	found := v.roles[name]
	v.mu.RUnlock()
	if found != nil {
		return found, nil
	}
	r, _, err := a.readRole(name)
	if err != nil {
		return nil, unlessRefused(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if other := v.roles[name]; other != nil {
		return other, nil
	}
	v.roles[name] = &r
	return &r, nil
}

// unlessRefused is err, or nil if it only says that something is not there.
func unlessRefused(err error) error {
	var refusal *Error
	if errors.As(err, &refusal) {
		return nil
	}
	return err
}

// readUser reads the record of a user and the index it was written at.
func (a *Authority) readUser(name string) (User, store.Index, error) {
	missing := refuse(Missing, "User %s does not exist.", name)
	if !isName(name) {
		return User{}, 0, missing
	}
	value, index, err := a.get(usersPath.Child(name))
	if err != nil {
		return User{}, 0, err
	}
	if index == 0 {
		return User{}, 0, missing
	}
	var u User
	if err := json.Unmarshal([]byte(value), &u); err != nil || u.Name != name {
		a.complain(index, "the record of a user is damaged: nobody can be that user", "user", name)
		u = User{Name: name}
	}
	return u.withRoot(), index, nil
}

// readRole reads the record of a role and the index it was written at.
func (a *Authority) readRole(name string) (Role, store.Index, error) {
	if name == RootRole {
		return rootRole(), 0, nil
	}
	missing := refuse(Missing, "Role %s does not exist.", name)
	if !isName(name) {
		return Role{}, 0, missing
	}
	value, index, err := a.get(rolesPath.Child(name))
	if err != nil {
		return Role{}, 0, err
	}
	if index == 0 {
		return Role{}, 0, missing
	}
	var r Role
	if err := json.Unmarshal([]byte(value), &r); err != nil || r.Name != name {
		a.complain(index, "the record of a role is damaged: it grants nothing", "role", name)
		r = Role{Name: name}
	}
	return r, index, nil
}

// complain logs what is wrong with the record written at index, once.
func (a *Authority) complain(index store.Index, text, what, name string) {
	if _, known := a.complaints.LoadOrStore(index, nil); !known {
		a.logger.Error(text, what, name)
	}
}

// get is the value at p and the index it was written at, which is 0 if there
// is none.
func (a *Authority) get(p store.Path) (string, store.Index, error) {
	n, _, err := a.tree.Get(p)
	var refusal *store.Error
	if errors.As(err, &refusal) && (refusal.Code == store.CodeKeyNotFound || refusal.Code == store.CodeNotDir) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, fmt.Errorf("auth: reading %s: %w", p, err)
	}
	return n.Value, n.Modified, nil
}

// names are the users or roles there are, sorted. Hidden ones are left out, as
// in every listing of the dialect.
func (a *Authority) names(dir store.Path) ([]string, error) {
	l, err := a.tree.List(dir, false)
	var refusal *store.Error
	if errors.As(err, &refusal) && refusal.Code == store.CodeKeyNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("auth: listing %s: %w", dir, err)
	}
	var names []string
	for l.Next() {
		if item := l.Item(); item.Kind == store.Leaf {
			names = append(names, string(item.Path[len(dir.String())+1:]))
		}
	}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("auth: listing %s: %w", dir, err)
	}
	return names, nil
}

// isName reports whether name is one element of a path, and so can be that of
// a user or role. What a record lists as a role can be anything.
func isName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= maxName && !strings.Contains(name, "/")
}

// maxName is the length of the longest name in bytes.
const maxName = 1024
