package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// killedLog makes a log of n proposals in a real directory and returns a copy
// of the files from before it was closed, as kill -9 leaves them.
func killedLog(t *testing.T, n int, data string) (c Config, dir string) {
	t.Helper()
	m := newFakeMachine(1, Note([]uint64{1}, nil, 1, 0))
	c = Config{ID: 1, Dir: filepath.Join(t.TempDir(), "log"), FS: vfs.Default, Machine: m, MemTableBytes: 1 << 20} // its files take that at least
	if err := Bootstrap(c, 1, 1, []uint64{1}); err != nil {
		t.Fatal(err)
	}
	l, stop := running(t, c)
	for i := range n {
		mustPropose(t, l, m, uint64(i+1), data)
	}
	copied := copyDir(t, c.Dir)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	c.Dir = copied
	return c, filepath.Join(c.Dir, "entries")
}

// copyDir copies a directory that may be in use: Pebble removes files it needs
// no more at any time.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	var err error
	for range 100 {
		to := t.TempDir()
		if err = os.CopyFS(to, os.DirFS(from)); err == nil {
			return to
		}
	}
	t.Fatal(err)
	return ""
}

// last opens the log with an empty machine and returns its last position.
func last(t *testing.T, c Config) (uint64, error) {
	t.Helper()
	c.Machine = newFakeMachine(1, Note([]uint64{1}, nil, 1, 0))
	l, err := Open(c)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	return l.Status().LastPosition, nil
}

// biggest is the largest file in dir with part in its name.
func biggest(t *testing.T, dir, part string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var found string
	var size int64 = -1
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && strings.Contains(filepath.Base(name), part) && info.Size() > size {
			found, size = name, info.Size()
		}
	}
	if found == "" {
		t.Fatalf("no %s in %v", part, names)
	}
	return found
}

func readAll(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeAll(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFlippedBitInTheWriteAheadLogIsRefused(t *testing.T) {
	for _, data := range []string{"small", strings.Repeat("large", 1000)} {
		t.Run(fmt.Sprint(len(data)), func(t *testing.T) {
			c, dir := killedLog(t, 40, data)
			name := biggest(t, dir, ".log")
			b := readAll(t, name)
			s := chunkScan{data: b, isLog: true, number: walNumber(t, name)}
			end := s.readable()
			// The proof is in the chunks behind; the last sync has none.
			lastChunk, chunks := 0, []int{}
			for at := 0; at < end; {
				found, ok := s.chunk(at)
				if !ok {
					at = (at/blockSize + 1) * blockSize
					continue
				}
				if found.first {
					chunks = append(chunks, at)
				}
				lastChunk, at = at, at+found.length
			}
			lost := 0
			for at := 0; at < end; at += max(1, end/300) {
				backup := slices.Clone(b)
				b[at] ^= 0x10
				writeAll(t, name, b)
				s.data = b
				damaged := c
				damaged.Dir = copyDir(t, c.Dir)
				position, err := last(t, damaged)
				var corrupt *CorruptError
				if err == nil {
					if position != 42 {
						lost++
						if at < chunks[max(0, len(chunks)-3)] {
							t.Errorf("a flip at byte %d of %d (last chunk at %d): got a log up to %d, want a refusal", at, end, lastChunk, position)
						}
					}
				} else if !errors.As(err, &corrupt) {
					t.Errorf("a flip at byte %d: got %v, want a CorruptError", at, err)
				}
				b = backup
			}
			t.Logf("%d of about 300 flips were taken for a torn tail", lost)
			writeAll(t, name, b)
		})
	}
}

func walNumber(t *testing.T, name string) uint32 {
	t.Helper()
	var n uint32
	if _, err := fmt.Sscanf(filepath.Base(name), "%d.log", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestATornTailLosesNothingSynced(t *testing.T) {
	c, dir := killedLog(t, 40, "some data")
	name := biggest(t, dir, ".log")
	b := readAll(t, name)
	s := chunkScan{data: b, isLog: true, number: walNumber(t, name)}
	// Half a record that was never synced.
	end := s.readable()
	torn := append(slices.Clone(b[:end]), b[:40]...)
	torn[end+4] = 200
	for _, tail := range [][]byte{b[:end], torn, append(slices.Clone(b[:end]), make([]byte, 5000)...)} {
		writeAll(t, name, tail)
		torn := c
		torn.Dir = copyDir(t, c.Dir)
		if position, err := last(t, torn); err != nil || position != 42 {
			t.Errorf("got a log up to %d, %v, want 42", position, err)
		}
	}
}

// A log that is used again has what an older one left behind its end. The stamp
// of batch 0x05NN there reads like the trailer of log NN-1.
func TestWhatAnOlderLogLeftBehindIsNoTrailer(t *testing.T) {
	c, dir := killedLog(t, 40, "some data")
	name := biggest(t, dir, ".log")
	b := readAll(t, name)
	s := chunkScan{data: b, isLog: true, number: walNumber(t, name)}
	torn := append(slices.Clone(b[:s.readable()]), b[:40]...)
	torn[len(torn)-30] ^= 1 // half a record, that was never synced
	old := append(make([]byte, 300), appendBatchStamp(nil, 0x0500+uint64(s.number)+1, 1)...)
	for _, behind := range [][]byte{
		slices.Concat(torn, old, make([]byte, 300)),
		slices.Concat(b[:s.readable()], make([]byte, 20), old, make([]byte, 300)),
	} {
		scan := chunkScan{data: behind, isLog: true, number: s.number}
		looks := false
		for at := range behind {
			looks = looks || scan.isTrailer(at)
		}
		if !looks {
			t.Fatal("the older log has nothing in it that looks like a trailer")
		}
		writeAll(t, name, behind)
		again := c
		again.Dir = copyDir(t, c.Dir)
		if position, err := last(t, again); err != nil || position != 42 {
			t.Errorf("got a log up to %d, %v, want 42", position, err)
		}
	}
}

func TestAFlippedBitInATableIsRefused(t *testing.T) {
	c, dir := killedLog(t, 100, strings.Repeat("x", 300))
	d, err := openDisk(c.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.db.Flush(), d.close()); err != nil {
		t.Fatal(err)
	}
	name := biggest(t, dir, ".sst")
	b := readAll(t, name)
	for _, at := range []int{10, len(b) / 4, len(b) / 2} {
		b[at] ^= 0x10
		writeAll(t, name, b)
		var corrupt *CorruptError
		if position, err := last(t, c); !errors.As(err, &corrupt) {
			t.Errorf("a flip at byte %d of %d: got a log up to %d, %v, want a CorruptError", at, len(b), position, err)
		}
		b[at] ^= 0x10
	}
	writeAll(t, name, b)
	if position, err := last(t, c); err != nil || position != 102 {
		t.Errorf("without flips: got a log up to %d, %v, want 102", position, err)
	}
}

func TestAFlippedBitInTheManifestIsRefused(t *testing.T) {
	c, dir := killedLog(t, 10, "some data")
	name := biggest(t, dir, "MANIFEST-")
	b := readAll(t, name)
	for _, at := range []int{0, 4, 6, len(b) / 2} {
		b[at] ^= 0x10
		writeAll(t, name, b)
		var corrupt *CorruptError
		if position, err := last(t, c); !errors.As(err, &corrupt) {
			t.Errorf("a flip at byte %d of %d: got a log up to %d, %v, want a CorruptError", at, len(b), position, err)
		}
		b[at] ^= 0x10
	}
}

func TestALogThatContradictsItselfIsRefused(t *testing.T) {
	for name, damage := range map[string]func(*pebble.DB) error{
		"hole":       func(db *pebble.DB) error { return db.Delete(entryKey(10), nil) },
		"nonsense":   func(db *pebble.DB) error { return db.Set(entryKey(10), []byte("?"), nil) },
		"end":        func(db *pebble.DB) error { return db.DeleteRange(entryKey(10), entryKey(math.MaxUint64), nil) },
		"identity":   func(db *pebble.DB) error { return db.Delete([]byte{keyIdentity}, nil) },
		"hard state": func(db *pebble.DB) error { return db.Delete([]byte{keyHardState}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			c, m := single(t, fs)
			l, stop := running(t, c)
			for i := range 20 {
				mustPropose(t, l, m, uint64(i+1), "x")
			}
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			d, err := openDisk(c.withDefaults())
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(damage(d.db), d.close()); err != nil {
				t.Fatal(err)
			}
			c.Machine = newFakeMachine(1, Note([]uint64{1}, nil, 1, 0))
			var corrupt *CorruptError
			if _, err := Open(c); !errors.As(err, &corrupt) {
				t.Errorf("got %v, want a CorruptError", err)
			} else {
				t.Log(err)
			}
		})
	}
}

func TestAMachineThatDoesNotFitTheLogIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	c, m := single(t, fs)
	l, stop := running(t, c)
	for i := range 20 {
		mustPropose(t, l, m, uint64(i+1), "x")
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	for name, machine := range map[string]*fakeMachine{
		"beyond the end":      newFakeMachine(50, Note([]uint64{1}, nil, 2, 0)),
		"before the start":    newFakeMachine(0, nil),
		"of another history":  newFakeMachine(5, Note([]uint64{1}, nil, 9, 0)),
		"with a foreign note": newFakeMachine(5, []byte("note")),
	} {
		c.Machine = machine
		if _, err := Open(c); err == nil {
			t.Errorf("a machine %s was accepted", name)
		}
	}
	c.ID, c.Machine = 2, m
	if _, err := Open(c); err == nil {
		t.Error("the log of another member was accepted")
	}
}

// After kill -9 the end of the log is there whole. Without the mark, as a power
// cut may leave it, a torn end is what it looks like.
func TestATornEndThatHadBeenSyncedIsRefused(t *testing.T) {
	for _, cut := range []int{1, 30, 700} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			c, dir := killedLog(t, 40, "some data")
			whole, err := last(t, Config{ID: 1, Dir: copyDir(t, c.Dir), FS: vfs.Default})
			if err != nil {
				t.Fatal(err)
			}
			name := biggest(t, dir, ".log")
			b := bytes.TrimRight(readAll(t, name), "\x00")
			writeAll(t, name, b[:len(b)-cut])
			unmarked := copyDir(t, c.Dir)
			var corrupt *CorruptError
			if at, err := last(t, c); !errors.As(err, &corrupt) {
				t.Errorf("the log ends at %d instead of %d, %v", at, whole, err)
			}
			if err := os.Remove(filepath.Join(unmarked, MarkFile)); err != nil {
				t.Fatal(err)
			}
			if at, err := last(t, Config{ID: 1, Dir: unmarked, FS: vfs.Default}); err != nil || at >= whole {
				t.Errorf("without the mark the log ends at %d, %v", at, err)
			}
		})
	}
}

// A mark that was not written whole says nothing.
func TestADamagedMarkIsNoMark(t *testing.T) {
	c, _ := killedLog(t, 5, "some data")
	name := filepath.Join(c.Dir, MarkFile)
	b := readAll(t, name)
	if marked, err := readMark(vfs.Default, c.Dir); err != nil || marked < 5 {
		t.Fatalf("the mark says %d, %v", marked, err)
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 1
		writeAll(t, name, bad)
		if marked, err := readMark(vfs.Default, c.Dir); err != nil || marked != 0 {
			t.Errorf("with byte %d flipped the mark says %d, %v", i, marked, err)
		}
		writeAll(t, name, b[:i])
		if marked, err := readMark(vfs.Default, c.Dir); err != nil || marked != 0 {
			t.Errorf("with %d bytes the mark says %d, %v", i, marked, err)
		}
	}
}
