package raftlog

import (
	"errors"
	"fmt"
)

var (
	// ErrStopped is returned to callers who wait while Run ends.
	ErrStopped = errors.New("raftlog: stopped")
	// ErrNoLeader is returned by calls that only a known leader can serve.
	ErrNoLeader = errors.New("raftlog: no leader")
	// ErrExists is returned by Bootstrap when the directory holds a log already.
	ErrExists = errors.New("raftlog: a log exists already")
	// ErrNotBootstrapped is returned by Open when the directory holds no log.
	ErrNotBootstrapped = errors.New("raftlog: no log here, it must be bootstrapped first")
	// ErrTooLarge is returned by Propose for a buffer no member would accept.
	ErrTooLarge = errors.New("raftlog: proposal too large")
)

// A CorruptError says that the log on disk is damaged: something this member
// has promised to keep is gone. Open returns it and changes nothing.
type CorruptError struct {
	Dir   string
	Found string // what was found
	Err   error  // the cause below, may be nil
}

func (e *CorruptError) Error() string {
	cause := ""
	if e.Err != nil {
		cause = ": " + e.Err.Error()
	}
	return fmt.Sprintf("the raft log in %s is damaged: %s%s; this member must not run on it. "+
		"If other members are healthy, remove this member, delete its data directory and let it join anew; "+
		"otherwise restore a backup", e.Dir, e.Found, cause)
}

func (e *CorruptError) Unwrap() error { return e.Err }
