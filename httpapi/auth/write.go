package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"keytree/store"
)

// change has the tree carry out c, on a space that is laid out.
func (a *Authority) change(ctx context.Context, c store.Command) error {
	if err := a.layOut(ctx); err != nil {
		return err
	}
	return a.do(ctx, c)
}

func (a *Authority) do(ctx context.Context, c store.Command) error {
	done, err := a.tree.Do(ctx, c)
	if err != nil {
		return err
	}
	return done.Err
}

// layOut makes what every Auth space has. Several members may do so at a time.
func (a *Authority) layOut(ctx context.Context) error {
	if _, index, err := a.get(enabledPath); err != nil || index != 0 {
		return err // the switch is made last
	}
	for _, c := range []store.Command{
		{Op: store.Create, Path: layoutPath, Value: layout},
		{Op: store.Create, Path: usersPath, Dir: true},
		{Op: store.Create, Path: rolesPath, Dir: true},
		{Op: store.Create, Path: enabledPath, Value: "false"},
	} {
		if err := a.do(ctx, c); err != nil && !hasCode(err, store.CodeKeyExists) {
			return err
		}
	}
	return nil
}

// create makes a record and reports false if there is one already.
func (a *Authority) create(ctx context.Context, p store.Path, record any) (bool, error) {
	value, err := json.Marshal(record)
	if err != nil {
		return false, fmt.Errorf("auth: recording %s: %w", p, err)
	}
	return a.createValue(ctx, p, string(value))
}

func (a *Authority) createValue(ctx context.Context, p store.Path, value string) (bool, error) {
	err := a.change(ctx, store.Command{Op: store.Create, Path: p, Value: value})
	if hasCode(err, store.CodeKeyExists) {
		return false, nil
	}
	return err == nil, err
}

// swap replaces the record that was written at index and reports false if it
// has changed since or is gone: then this member knows by now.
func (a *Authority) swap(ctx context.Context, p store.Path, index store.Index, record any) (bool, error) {
	value, err := json.Marshal(record)
	if err != nil {
		return false, fmt.Errorf("auth: recording %s: %w", p, err)
	}
	err = a.change(ctx, store.Command{Op: store.CompareAndSwap, Path: p, Value: string(value), PrevIndex: index})
	if hasCode(err, store.CodeCompareFailed) || hasCode(err, store.CodeKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}

// remove deletes a record and reports false if there is none.
func (a *Authority) remove(ctx context.Context, p store.Path) (bool, error) {
	err := a.change(ctx, store.Command{Op: store.Delete, Path: p})
	if hasCode(err, store.CodeKeyNotFound) {
		return false, nil
	}
	return err == nil, err
}

func hasCode(err error, code store.Code) bool {
	var refusal *store.Error
	return errors.As(err, &refusal) && refusal.Code == code
}

func isMissing(err error) bool {
	var refusal *Error
	return errors.As(err, &refusal) && refusal.Kind == Missing
}
