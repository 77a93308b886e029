//go:build !linux

package raftlog

import "errors"

// extend is for systems that have no cheap way.
func extend(uintptr, int64, int64) error { return errors.ErrUnsupported }
