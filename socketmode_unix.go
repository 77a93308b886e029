//go:build unix

package main

import "syscall"

// closeToOthers lets the file of a socket that is not bound yet come into being
// for the owner and the group only.
func closeToOthers(fd uintptr) error { return syscall.Fchmod(int(fd), socketMode) }
