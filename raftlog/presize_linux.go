package raftlog

import "syscall"

// extend makes a file of length more bytes from offset on, which are zeros.
func extend(fd uintptr, offset, length int64) error {
	return syscall.Fallocate(int(fd), 0, offset, length)
}
