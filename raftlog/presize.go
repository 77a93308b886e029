package raftlog

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// presized is a file system on which a fresh write-ahead log has its full
// size, of zeros, from the start. Pebble reserves the space, but has the file
// grow into it: then every sync has to write the new size too, which makes it
// half as slow again. What lies behind the end of a log is no matter, logs that
// are used again have much more of it.
type presized struct{ vfs.FS }

// Create implements vfs.FS.
func (p presized) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := p.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".log") || f.Fd() == vfs.InvalidFd {
		return f, err
	}
	return presizedFile{f}, nil
}

// Unwrap implements vfs.FS.
func (p presized) Unwrap() vfs.FS { return p.FS }

type presizedFile struct{ vfs.File }

// Preallocate implements vfs.File.
func (f presizedFile) Preallocate(offset, length int64) error {
	if err := extend(f.Fd(), offset, length); err != nil {
		return f.File.Preallocate(offset, length) // a file system that does not know how
	}
	return nil
}
