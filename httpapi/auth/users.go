package auth

import (
	"context"
	"slices"
)

// Users are all users by name, as they count. Those whose names begin with an
// underscore are left out.
func (a *Authority) Users() ([]User, error) {
	names, err := a.names(usersPath)
	if err != nil {
		return nil, err
	}
	var users []User
	for _, name := range names {
		u, _, err := a.readUser(name)
		if isMissing(err) {
			continue // gone since
		}
		if err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, nil
}

// User is the user called name, as it counts.
func (a *Authority) User(name string) (User, error) {
	u, _, err := a.readUser(name)
	return u, err
}

// PutUser does what u asks for: it makes a user, or changes what u gives of
// one that is there. Only making is asked for when u has roles. It returns the
// user as recorded, and whether u left open if there was one and there was
// none. by is who asks for it, for the log.
func (a *Authority) PutUser(ctx context.Context, by string, u User) (recorded User, made bool, err error) {
	for _, name := range slices.Concat([]string{u.Name}, u.Roles, u.Grant) {
		if len(name) > maxName {
			return u, false, refuse(Invalid, "a name may have %d bytes", maxName)
		}
	}
	if len(u.Roles) > 0 {
		recorded, err = a.makeUser(ctx, by, u)
		return recorded, false, err
	}
	if err := a.tree.Barrier(ctx); err != nil {
		return u, false, err
	}
	if len(u.Grant) == 0 && len(u.Revoke) == 0 {
		_, _, err := a.readUser(u.Name)
		if isMissing(err) {
			recorded, err = a.makeUser(ctx, by, u)
			return recorded, true, err
		}
	}
	recorded, err = a.changeUser(ctx, by, u)
	return recorded, false, err
}

func (a *Authority) makeUser(ctx context.Context, by string, u User) (User, error) {
	if u.Password == "" {
		return u, refuse(Invalid, "Cannot create user %s with an empty password", u.Name)
	}
	hash, err := a.checks.hash(ctx, u.Password)
	if err != nil {
		return u, err
	}
	record := User{Name: u.Name, Password: hash, Roles: u.Roles}.withRoot()
	made, err := a.create(ctx, usersPath.Child(u.Name), record)
	if err != nil {
		return u, err
	}
	if !made {
		return u, refuse(Exists, "User %s already exists.", u.Name)
	}
	a.logger.Info("created a user", "user", u.Name, "roles", record.Roles, "by", by)
	return record, nil
}

// changeUser changes a user that is there. What others change meanwhile is not
// lost: u is then carried out on top of it.
func (a *Authority) changeUser(ctx context.Context, by string, u User) (User, error) {
	newPassword := u.Password != ""
	if newPassword {
		hash, err := a.checks.hash(ctx, u.Password)
		if err != nil {
			return u, err
		}
		u.Password = hash
	}
	for {
		old, index, err := a.readUser(u.Name)
		if err != nil {
			return u, err
		}
		merged, err := old.merge(u)
		if err != nil {
			return u, err
		}
		swapped, err := a.swap(ctx, usersPath.Child(u.Name), index, merged)
		if err != nil {
			return u, err
		}
		if swapped {
			a.logger.Info("changed a user", "user", u.Name, "granted", u.Grant, "revoked", u.Revoke, "password", changed(newPassword), "by", by)
			return merged, nil
		}
	}
}

func changed(is bool) string {
	if is {
		return "changed"
	}
	return "kept"
}

// DeleteUser removes a user. While auth is on the root user stays.
func (a *Authority) DeleteUser(ctx context.Context, by, name string) error {
	missing := refuse(Missing, "User %s does not exist", name)
	if !isName(name) {
		return missing
	}
	if name == RootUser {
		return a.deleteRoot(ctx, by, missing)
	}
	removed, err := a.remove(ctx, usersPath.Child(name))
	if err != nil {
		return err
	}
	if !removed {
		return missing
	}
	a.logger.Info("removed a user", "user", name, "by", by)
	return nil
}

// deleteRoot removes the root user while auth is off. The switch is another
// record, so it is looked at afterwards too: if auth was turned on meanwhile,
// nobody could turn it off again without root.
func (a *Authority) deleteRoot(ctx context.Context, by string, missing error) error {
	needed := refuse(Forbidden, "Cannot delete root user while auth is enabled.")
	if err := a.tree.Barrier(ctx); err != nil {
		return err
	}
	if on, err := a.Enabled(); err != nil {
		return err
	} else if on {
		return needed
	}
	path := usersPath.Child(RootUser)
	record, _, err := a.get(path)
	if err != nil {
		return err
	}
	removed, err := a.remove(ctx, path)
	if err != nil {
		return err
	}
	if !removed {
		return missing
	}
	on, err := a.Enabled()
	if err != nil {
		return err
	}
	if on {
		if _, err := a.createValue(ctx, path, record); err != nil {
			return err
		}
		return needed
	}
	a.logger.Info("removed a user", "user", RootUser, "by", by)
	return nil
}
