package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A syncMark remembers, beside the log, the number of the newest batch that was
// synced. It is written after each sync and not synced itself: so it never says
// too much, and a process that is killed leaves it behind whole. What a damaged
// end of the write-ahead log has taken can so be told from what a power cut has
// kept from being written.
//
//	version(1)=1 number(8) crc32c(4)
//
// Numbers begin anew with each process, so that Open sets the mark back, and
// syncs that.
type syncMark struct {
	file vfs.File
	buf  [markSize]byte
}

const (
	// MarkFile lies beside the log. Who copies the files of a log that is open
	// copies it first: it may say too little, and must not say too much.
	MarkFile = "synced"
	markSize = 13
)

// readMark is the number in the mark of a directory; 0 if there is no mark, or
// none that can be read.
func readMark(fs vfs.FS, dir string) (uint64, error) {
	f, err := fs.Open(fs.PathJoin(dir, MarkFile))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("open the mark of the log: %w", err)
	}
	var b [markSize]byte
	n, _ := f.ReadAt(b[:], 0) // one that is too short has not been written
	if err := f.Close(); err != nil {
		return 0, fmt.Errorf("close the mark of the log: %w", err)
	}
	if n < markSize || b[0] != diskVersion || binary.BigEndian.Uint32(b[9:]) != crc32.Checksum(b[:9], castagnoli) {
		return 0, nil
	}
	return binary.BigEndian.Uint64(b[1:]), nil
}

// openMark sets the mark of a directory back.
func openMark(fs vfs.FS, dir string) (*syncMark, error) {
	f, err := fs.OpenReadWrite(fs.PathJoin(dir, MarkFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("open the mark of the log: %w", err)
	}
	m := &syncMark{file: f}
	if err := errors.Join(m.set(0), f.Sync(), syncDir(fs, dir)); err != nil {
		return nil, errors.Join(fmt.Errorf("set back the mark of the log: %w", err), f.Close())
	}
	return m, nil
}

func (m *syncMark) set(number uint64) error {
	b := m.buf[:]
	b[0] = diskVersion
	binary.BigEndian.PutUint64(b[1:], number)
	binary.BigEndian.PutUint32(b[9:], crc32.Checksum(b[:9], castagnoli))
	if _, err := m.file.WriteAt(b, 0); err != nil {
		return fmt.Errorf("mark the log: %w", err)
	}
	return nil
}
