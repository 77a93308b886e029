package auth

import (
	"context"
	"slices"
	"strings"
)

// Roles are all roles by name, the root role among them. Those whose names
// begin with an underscore are left out.
func (a *Authority) Roles() ([]Role, error) {
	names, err := a.names(rolesPath)
	if err != nil {
		return nil, err
	}
	roles := []Role{rootRole()}
	for _, name := range names {
		r, _, err := a.readRole(name)
		if isMissing(err) {
			continue // gone since
		}
		if err != nil {
			return nil, err
		}
		roles = append(roles, r)
	}
	slices.SortFunc(roles, func(x, y Role) int { return strings.Compare(x.Name, y.Name) })
	return roles, nil
}

// Role is the role called name.
func (a *Authority) Role(name string) (Role, error) {
	r, _, err := a.readRole(name)
	return r, err
}

// MakeRole makes a role that is recorded as given. by is who asks for it, for
// the log.
func (a *Authority) MakeRole(ctx context.Context, by string, r Role) error {
	if err := checkRoleName(r.Name); err != nil {
		return err
	}
	made, err := a.create(ctx, rolesPath.Child(r.Name), r)
	if err != nil {
		return err
	}
	if !made {
		return refuse(Exists, "Role %s already exists.", r.Name)
	}
	a.logger.Info("created a role", "role", r.Name, "read", r.Permissions.Keys.Read, "write", r.Permissions.Keys.Write, "by", by)
	return nil
}

// ChangeRole grants and revokes what r says, on top of what others change
// meanwhile, and returns the role as recorded.
func (a *Authority) ChangeRole(ctx context.Context, by string, r Role) (Role, error) {
	if err := checkRoleName(r.Name); err != nil {
		return r, err
	}
	if err := a.tree.Barrier(ctx); err != nil {
		return r, err
	}
	for {
		old, index, err := a.readRole(r.Name)
		if err != nil {
			return r, err
		}
		merged, err := old.merge(r)
		if err != nil {
			return r, err
		}
		swapped, err := a.swap(ctx, rolesPath.Child(r.Name), index, merged)
		if err != nil {
			return r, err
		}
		if swapped {
			grant, revoke := patternsOf(r.Grant), patternsOf(r.Revoke)
			a.logger.Info("changed a role", "role", r.Name, "granted_read", grant.Read, "granted_write", grant.Write,
				"revoked_read", revoke.Read, "revoked_write", revoke.Write, "by", by)
			return merged, nil
		}
	}
}

func patternsOf(p *Permissions) Patterns {
	if p == nil {
		return Patterns{}
	}
	return p.Keys
}

// DeleteRole removes a role. Users may go on listing it.
func (a *Authority) DeleteRole(ctx context.Context, by, name string) error {
	if name == RootRole {
		return errRootRole
	}
	missing := refuse(Missing, "Role %s doesn't exist.", name)
	if !isName(name) {
		return missing
	}
	removed, err := a.remove(ctx, rolesPath.Child(name))
	if err != nil {
		return err
	}
	if !removed {
		return missing
	}
	a.logger.Info("removed a role", "role", name, "by", by)
	return nil
}

var errRootRole = refuse(Forbidden, "Cannot modify role root: is root role.")

func checkRoleName(name string) error {
	if name == RootRole {
		return errRootRole
	}
	if len(name) > maxName {
		return refuse(Invalid, "a name may have %d bytes", maxName)
	}
	return nil
}
