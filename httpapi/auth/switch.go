package auth

import (
	"context"
	"errors"
	"strconv"

	"keytree/store"
)

var errNoRoot = refuse(Exists, "No root user available, please create one")

// Enable makes users and roles count. There must be a root user; guests get a
// role that lets them do everything unless they have one.
func (a *Authority) Enable(ctx context.Context, by string) error {
	if on, err := a.Enabled(); err != nil {
		return err
	} else if on {
		return refuse(Exists, "already enabled")
	}
	// Without a quorum there is no change anyway. Only what to say then depends
	// on what is here.
	barred := a.tree.Barrier(ctx)
	if _, _, err := a.readUser(RootUser); isMissing(err) {
		return errNoRoot
	} else if err := errors.Join(barred, err); err != nil {
		return err
	}
	guest := Role{Name: GuestRole, Permissions: everything()}
	if _, _, err := a.readRole(GuestRole); isMissing(err) {
		if _, err := a.create(ctx, rolesPath.Child(GuestRole), guest); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if err := a.turn(ctx, true); err != nil {
		return err
	}
	// The root user is another record: it may have gone meanwhile.
	if _, _, err := a.readUser(RootUser); isMissing(err) {
		if err := a.turn(ctx, false); err != nil {
			return err
		}
		return errNoRoot
	} else if err != nil {
		return err
	}
	a.logger.Info("auth is enabled", "by", by)
	return nil
}

// Disable lets everybody do everything.
func (a *Authority) Disable(ctx context.Context, by string) error {
	if on, err := a.Enabled(); err != nil {
		return err
	} else if !on {
		return refuse(Exists, "already disabled")
	}
	if err := a.turn(ctx, false); err != nil {
		return err
	}
	a.logger.Info("auth is disabled", "by", by)
	return nil
}

func (a *Authority) turn(ctx context.Context, on bool) error {
	return a.change(ctx, store.Command{Op: store.Update, Path: enabledPath, Value: strconv.FormatBool(on)})
}
