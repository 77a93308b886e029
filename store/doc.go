// Package store is a tree of keys and directories on disk.
//
// It applies commands in the order it is given them, remembers the last
// thousand events, and wakes those who watch. Apply reads no clock and draws
// no random number: given the same commands a tree reaches the same state,
// byte for byte, on every member.
//
// Apply, Restore and Close belong to one goroutine. Everything else may be
// called from any number of goroutines at the same time, also while Apply
// runs: reads take no lock against it.
package store
