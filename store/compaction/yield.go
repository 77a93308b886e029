package compaction

import (
	"runtime"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Yielding is fs with tables that let other goroutines run after each write.
// Two goroutines of the engine write a table and wake each other; Go runs such
// a pair before all that have waited for longer, and with few processors and
// two tables everybody else stands still until these are written. Logs do not
// yield: somebody waits for them.
func Yielding(fs vfs.FS) vfs.FS { return yieldingFS{fs} }

type yieldingFS struct{ vfs.FS }

// Create implements vfs.FS.
func (fs yieldingFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, category)
	if err != nil || !strings.HasSuffix(name, ".sst") {
		return f, err
	}
	return yieldingFile{f}, nil
}

// Unwrap implements vfs.FS.
func (fs yieldingFS) Unwrap() vfs.FS { return fs.FS }

type yieldingFile struct{ vfs.File }

// Write implements vfs.File.
func (f yieldingFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	runtime.Gosched()
	return n, err
}
