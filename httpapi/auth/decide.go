package auth

import (
	"context"
)

// Claim is who somebody says they are.
type Claim struct {
	Given    bool // somebody was named, in whatever form
	Readable bool // and it was a user with a password
	User     string
	Password string

	// Certificate is the common name of a verified client certificate. It
	// counts when nobody was named.
	Certificate string

	// From is the address the request came from. Whoever failed from there
	// lately waits behind those who did not.
	From string
}

// Wish is what somebody wants to do with a key.
type Wish struct {
	Key       string // as it was written, a slash at its end included
	Write     bool
	Recursive bool
}

// Allow decides whether who claims c may do w. Denied is ErrDenied; another
// error says that it could not be found out. The name is that of the user who
// asked: as verified, or as claimed when denied, and empty for a guest.
func (a *Authority) Allow(ctx context.Context, c *Claim, w Wish) (string, error) {
	v, who, err := a.proven(ctx, c)
	switch {
	case err != nil:
		return c.name(), err
	case !v.enabled:
		return "", nil
	case who == nil:
		return "", a.allowGuest(v, w)
	}
	for _, r := range who.roles {
		if r.Name == RootRole || r.Permissions.Keys.allow(w.Key, w.Write, w.Recursive) {
			return who.name, nil
		}
	}
	return who.name, ErrDenied
}

// allowGuest decides about who named nobody. Guests are asked for no more when
// they want a whole directory than for itself.
func (a *Authority) allowGuest(v *view, w Wish) error {
	guest, err := a.role(v, GuestRole)
	if err != nil {
		return err
	}
	if guest == nil || !guest.Permissions.Keys.allow(w.Key, w.Write, false) {
		return ErrDenied
	}
	return nil
}

// AllowSomething decides whether who claims c has any right on any key, as
// Allow does.
func (a *Authority) AllowSomething(ctx context.Context, c *Claim) (string, error) {
	v, who, err := a.proven(ctx, c)
	switch {
	case err != nil:
		return c.name(), err
	case !v.enabled:
		return "", nil
	case who == nil:
		guest, err := a.role(v, GuestRole)
		if err == nil && (guest == nil || guest.Permissions.IsEmpty()) {
			err = ErrDenied
		}
		return "", err
	}
	for _, r := range who.roles {
		if r.Name == RootRole || !r.Permissions.IsEmpty() {
			return who.name, nil
		}
	}
	return who.name, ErrDenied
}

// AllowRoot decides whether who claims c holds the root role, as Allow does.
func (a *Authority) AllowRoot(ctx context.Context, c *Claim) (string, error) {
	v, who, err := a.proven(ctx, c)
	switch {
	case err != nil:
		return c.name(), err
	case !v.enabled:
		return "", nil
	case who == nil || !who.root:
		return c.name(), ErrDenied
	}
	return who.name, nil
}

// proven is who claims c, and the view that is true in. To look at a password
// can take a while; if users have changed meanwhile it is done again.
func (a *Authority) proven(ctx context.Context, c *Claim) (*view, *account, error) {
	for {
		v, err := a.current()
		if err != nil {
			return nil, nil, err
		}
		if !v.enabled {
			return v, nil, nil
		}
		who, err := a.identify(ctx, v, c)
		if err != nil || v.version == a.tree.AuthVersion() {
			return v, who, err
		}
	}
}

// identify finds out who claims c; nil is a guest, as is who has a certificate
// that names no user. A user who was named must be proven: there is no falling
// back to guest.
func (a *Authority) identify(ctx context.Context, v *view, c *Claim) (*account, error) {
	if !c.Given {
		if c.Certificate == "" {
			return nil, nil
		}
		who, err := a.account(v, c.Certificate)
		if err != nil || who == nil || who.hash == "" {
			return nil, err
		}
		return who, nil
	}
	if !c.Readable || len(c.User) > maxName { // nobody has so long a name
		return nil, ErrDenied
	}
	who, err := a.account(v, c.User)
	if err != nil {
		return nil, err
	}
	var hash string
	if who != nil {
		hash = who.hash
	}
	right, err := a.checks.verify(ctx, check{user: c.User, hash: hash, password: c.Password, from: c.From})
	switch {
	case err != nil:
		return nil, err
	case !right:
		return nil, ErrDenied
	}
	return who, nil
}

// name is who c claims to be.
func (c *Claim) name() string {
	if c.Given {
		return c.User
	}
	return c.Certificate
}
