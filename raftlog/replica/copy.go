package replica

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog"
)

// errMoving says that files changed while they were copied, in a way that a
// copy cannot show. It is worth another try.
var errMoving = errors.New("the files were changed while they were copied")

// copyMember copies the files of the member in dir, whose log is in logDir, to
// the new directory to. The member may run meanwhile; what comes out is
// what it would find after a crash, or cannot be opened, or the error is
// errMoving.
//
// Both engines write a table, sync it, and then name it in their MANIFEST. So a
// MANIFEST that is read first names only tables that are whole; one may be gone
// again, and then the copy cannot be opened. The tree is copied before the
// log: the log keeps what the tree had not made durable at that time. The
// log's mark is copied before the log, which then holds at least what
// the mark promises. What the log's MANIFEST does not name yet is in its
// write-ahead files; those that are done with are removed or used again, but
// never before the MANIFEST says so: if it is the same afterwards, all were there.
func copyMember(fs vfs.FS, dir, logDir, to string) error {
	toLog := fs.PathJoin(to, "log")
	tree, err := pinEngine(fs, fs.PathJoin(dir, "tree"))
	defer tree.release()
	if err != nil {
		return err
	}
	mark, err := readAll(fs, fs.PathJoin(logDir, raftlog.MarkFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := pinEngine(fs, fs.PathJoin(logDir, "entries"))
	defer log.release()
	if err != nil {
		return err
	}
	again, err := readManifests(fs, log.dir)
	if err != nil {
		return err
	}
	if !maps.EqualFunc(log.small, again, bytes.Equal) {
		return errMoving
	}
	text, err := readAll(fs, fs.PathJoin(dir, identityFile))
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return log.write(fs.PathJoin(toLog, "entries")) },
		func() error { return tree.write(fs.PathJoin(to, "tree")) },
		func() error { return writeFiles(fs, toLog, map[string][]byte{raftlog.MarkFile: mark}) },
		func() error { return writeFiles(fs, to, map[string][]byte{identityFile: text}) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// pinned are the files of an engine, held so that they stay what they were.
type pinned struct {
	fs     vfs.FS
	dir    string
	small  map[string][]byte   // what names the others
	logs   map[string][]byte   // write-ahead files
	tables map[string]vfs.File // never written again; open, so that they stay though they are removed
}

// pinEngine takes hold of the files in dir.
func pinEngine(fs vfs.FS, dir string) (p *pinned, err error) {
	p = &pinned{fs: fs, dir: dir, logs: map[string][]byte{}, tables: map[string]vfs.File{}}
	if p.small, err = readManifests(fs, dir); err != nil {
		return p, err
	}
	names, err := fs.List(dir)
	if err != nil {
		return p, err
	}
	slices.Sort(names) // a write-ahead file is begun when the one before it is done
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		switch {
		case strings.HasSuffix(name, ".log"):
			p.logs[name], err = readAll(fs, path)
		case isTable(name):
			p.tables[name], err = fs.Open(path, vfs.SequentialReadsOption)
		}
		if errors.Is(err, os.ErrNotExist) { // whether that matters shows later
			delete(p.logs, name)
			delete(p.tables, name)
			err = nil
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

func isTable(name string) bool {
	return engineFile.MatchString(name) && (strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")) &&
		!strings.HasPrefix(name, "restore-")
}

// release lets go of the files.
func (p *pinned) release() {
	for _, f := range p.tables {
		if f != nil {
			_ = f.Close() // it was only read
		}
	}
}

// write writes the files to the new directory to. Tables are linked where that
// can be: whoever opens the copy removes a table, or leaves it as it is.
func (p *pinned) write(to string) error {
	if err := makeDir(p.fs, to); err != nil {
		return err
	}
	for name, f := range p.tables {
		path := p.fs.PathJoin(to, name)
		if p.fs.Link(p.fs.PathJoin(p.dir, name), path) == nil {
			continue
		}
		if err := copyTo(p.fs, path, f); err != nil {
			return err
		}
	}
	return errors.Join(writeFiles(p.fs, to, p.logs), writeFiles(p.fs, to, p.small))
}

// readManifests reads the files of an engine that name its other files.
func readManifests(fs vfs.FS, dir string) (map[string][]byte, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, name := range names {
		if !strings.HasPrefix(name, "MANIFEST-") && !strings.HasPrefix(name, "marker.") && !strings.HasPrefix(name, "OPTIONS-") || strings.HasSuffix(name, ".dbtmp") {
			continue
		}
		text, err := readAll(fs, fs.PathJoin(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, errMoving
		}
		if err != nil {
			return nil, err
		}
		all[name] = text
	}
	return all, nil
}

// readAll reads a file that may grow meanwhile. It reads the end first: so
// there is no piece from before a write ahead of one from after it, which
// would look like damage.
func readAll(fs vfs.FS, path string) ([]byte, error) {
	const piece = 4 << 10
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	text := make([]byte, info.Size())
	for end := len(text); end > 0 && err == nil; {
		from := (end - 1) / piece * piece
		_, err = f.ReadAt(text[from:end], int64(from))
		end = from
	}
	if errors.Is(err, io.EOF) {
		err = errMoving // it has become shorter
	}
	return text, errors.Join(err, f.Close())
}

// writeFiles makes files with the given contents in dir.
func writeFiles(fs vfs.FS, dir string, files map[string][]byte) error {
	for name, text := range files {
		if err := copyTo(fs, fs.PathJoin(dir, name), bytes.NewReader(text)); err != nil {
			return err
		}
	}
	return nil
}

func copyTo(fs vfs.FS, path string, r io.Reader) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, r); err != nil {
		err = fmt.Errorf("copy to %s: %w", path, err)
	}
	return errors.Join(err, f.Close())
}
