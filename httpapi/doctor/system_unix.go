//go:build linux || darwin

package doctor

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// writable is nil if this process may make files in dir.
func writable(dir string) error {
	const write, search = 2, 1
	if err := syscall.Access(dir, write|search); err != nil {
		return &fs.PathError{Op: "access", Path: dir, Err: err}
	}
	return nil
}

// owner is whose a file is.
func owner(info fs.FileInfo) (uid int, known bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(s.Uid), true
}

// openFiles is how many a process may have. Go has raised it as far as it can.
func openFiles() (most uint64, known bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return l.Cur, true
}

// holder is the process that has locked a file. It takes no lock itself.
func holder(name string) (pid int, held, known bool) {
	f, err := os.Open(name)
	if err != nil {
		return 0, false, errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lock); err != nil {
		return 0, false, false
	}
	return int(lock.Pid), lock.Type != syscall.F_UNLCK, true
}
