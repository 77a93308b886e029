package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Log is the file that records go to. Its methods may be called from any
// goroutine.
type Log struct {
	path     string
	logger   *slog.Logger
	failures atomic.Uint64

	// The lock is held while a line is written: a line that the disk took only
	// half of has to be ended before the next.
	mu struct {
		sync.Mutex
		file       *os.File // nil after Close
		torn       bool     // the file does not end with the end of a line
		buffer     []byte
		complained time.Time
	}
}

// complaints about a file that takes no records come this long apart.
const complaints = time.Minute

// Open opens the file at path to append to, or makes it, for its owner alone.
// A nil logger is silent.
func Open(path string, logger *slog.Logger) (*Log, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	file, torn, err := openFile(path)
	if err != nil {
		return nil, err
	}
	l := &Log{path: path, logger: logger}
	l.mu.file, l.mu.torn = file, torn
	return l, nil
}

var errNoFile = errors.New("it is neither a file nor a terminal")

// openFile opens the file at path, and tells whether it ends amid a line.
func openFile(path string) (file *os.File, torn bool, err error) {
	// Reading too: to see the end, and because the opening of a pipe would wait
	// for a reader otherwise.
	file, err = os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, fmt.Errorf("open the audit log: %w", err)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
	case info.Mode().IsRegular() && info.Size() > 0:
		var last [1]byte
		_, err = file.ReadAt(last[:], info.Size()-1)
		torn = last[0] != '\n'
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeCharDevice == 0: // a pipe that nobody empties would hold all requests
		err = errNoFile
	}
	if err != nil {
		return nil, false, fmt.Errorf("open the audit log %s: %w", path, errors.Join(err, file.Close()))
	}
	return file, torn, nil
}

// Reopen goes on with whatever stands at the path now, which is made if it is
// not there: after the file was moved away, the next record is the first of a
// new one. Every record is in one of the two. After an error all goes on as
// before.
func (l *Log) Reopen() error {
	next, torn, err := openFile(l.path)
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.mu.file
	if old != nil {
		l.mu.file, l.mu.torn = next, torn
	}
	l.mu.Unlock()
	if old == nil {
		return errors.Join(fs.ErrClosed, next.Close())
	}
	if err := old.Close(); err != nil {
		return fmt.Errorf("close the audit log that was: %w", err)
	}
	return nil
}

// Write appends the line of r. When it returns, the operating system has the
// line, and it outlives this process; it is not synced to the disk. A failure
// is counted, and logged once in a minute: what was asked for goes on.
func (l *Log) Write(r Record) {
	l.mu.Lock()
	failure, tell := l.write(&r), false
	if failure != nil {
		l.failures.Add(1)
		now := time.Now()
		if tell = l.mu.complained.IsZero() || now.Sub(l.mu.complained) >= complaints; tell {
			l.mu.complained = now
		}
	}
	l.mu.Unlock()
	if tell {
		l.logger.Error("writing the audit log failed", "path", l.path, "lost", l.failures.Load(), "error", failure)
	}
}

// write appends the line of r in one piece. l.mu must be held.
func (l *Log) write(r *Record) error {
	if l.mu.file == nil {
		return fs.ErrClosed
	}
	b := l.mu.buffer[:0]
	if l.mu.torn {
		b = append(b, '\n')
	}
	b, err := r.AppendLine(b)
	if err != nil {
		return err
	}
	l.mu.buffer = b
	n, err := l.mu.file.Write(b)
	if n > 0 {
		l.mu.torn = b[n-1] != '\n'
	}
	return err
}

// Failures is the number of records that were lost, or written in part.
func (l *Log) Failures() uint64 { return l.failures.Load() }

// Close closes the file. Records that come later are lost, and counted.
func (l *Log) Close() error {
	l.mu.Lock()
	file := l.mu.file
	l.mu.file = nil
	l.mu.Unlock()
	if file == nil {
		return nil
	}
	return file.Close()
}
