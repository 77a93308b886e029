package store

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Capture is the whole tree at one moment. Taking it costs next to nothing
// however large the tree is. It must be closed.
type Capture struct {
	s      *Store
	view   *pebble.Snapshot
	cursor cursor
	past   []*Event // the history by its slots
	swaps  uint64
}

// Capture takes the tree as an Apply left it, the last one or one that runs
// beside it. Any goroutine may call it.
func (s *Store) Capture() (*Capture, error) {
	s.turn.Lock() // view and history shall be of one moment
	c := &Capture{s: s, swaps: s.swaps.Load(), view: s.db.NewSnapshot(), past: slices.Clone(s.hub.mu.history.ring)}
	s.turn.Unlock()
	var err error
	if c.cursor, err = readCursor(c.view); err != nil {
		return nil, errors.Join(fmt.Errorf("capture the tree: %w", err), c.view.Close())
	}
	return c, nil
}

// Position is where the captured tree stands.
func (c *Capture) Position() uint64 { return c.cursor.position }

// Index is the number of mutations up to there.
func (c *Capture) Index() Index { return c.cursor.index }

// Size is about how many bytes WriteTo will write. What was written lately is
// not counted, and what was replaced lately is counted twice.
func (c *Capture) Size() (int64, error) {
	levels, err := c.s.db.SSTables(pebble.WithProperties())
	if err != nil {
		return 0, fmt.Errorf("size of the tree: %w", err)
	}
	var size uint64
	for _, tables := range levels {
		for _, t := range tables {
			size += t.Properties.RawKeySize + t.Properties.RawValueSize
		}
	}
	return int64(size), nil
}

// Close gives up the moment.
func (c *Capture) Close() error { return c.view.Close() }

// The stream of a capture:
//
//	"keytree tree 1\n"
//	(len key  len value)*   in the order of keys; len is a uvarint, then the bytes
//	0x00                    no key is empty
//	count(8)  crc32c(4)     of the pairs, and of all bytes before the checksum
//
// A change of the format takes another number in the first line.
const captureMagic = "keytree tree 1\n"

// The longest key and value a stream may claim. They only guard memory
// against a damaged stream.
const (
	maxStreamKey   = 4 << 20
	maxStreamValue = 64 << 20
)

// ErrSwapped says that a Restore has replaced the tree that was captured.
var ErrSwapped = errors.New("the tree was replaced by one from the leader")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteTo writes the captured tree for Restore to read.
func (c *Capture) WriteTo(w io.Writer) (written int64, err error) {
	sum := crc32.New(castagnoli)
	out := &counter{w: w}
	buf := bufio.NewWriterSize(io.MultiWriter(out, sum), 64<<10)
	if _, err := buf.WriteString(captureMagic); err != nil {
		return out.n, err
	}
	count, err := c.writePairs(buf)
	if err != nil {
		return out.n, err
	}
	_ = buf.WriteByte(0) // Flush reports
	_, _ = buf.Write(binary.BigEndian.AppendUint64(nil, count))
	if err := buf.Flush(); err != nil {
		return out.n, err
	}
	_, err = out.Write(sum.Sum(nil))
	return out.n, err
}

func (c *Capture) writePairs(w *bufio.Writer) (count uint64, err error) {
	it, err := c.view.NewIter(nil)
	if err != nil {
		return 0, err
	}
	// A Restore leaves nothing for snapshots that were taken before it; only
	// iterators go on to see what was there.
	if c.s.swaps.Load() != c.swaps {
		return 0, errors.Join(ErrSwapped, it.Close())
	}
	p := pairWriter{w: w}
	it.First()
	err = p.writeAll(it, keyHistory)
	for slot, e := range c.past {
		if e != nil && err == nil {
			err = p.write(historyKey(slot), e.append(nil))
		}
	}
	if err == nil {
		it.SeekGE([]byte{keyHistory + 1})
		err = p.writeAll(it, math.MaxUint8)
	}
	return p.count, errors.Join(err, it.Close())
}

// pairWriter writes pairs and counts them.
type pairWriter struct {
	w     *bufio.Writer
	head  []byte
	count uint64
}

// writeAll writes the pairs that it comes to, before keys that begin with end.
func (p *pairWriter) writeAll(it *pebble.Iterator, end byte) error {
	for ; it.Valid() && it.Key()[0] < end; it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := p.write(it.Key(), value); err != nil {
			return err
		}
	}
	return nil
}

func (p *pairWriter) write(key, value []byte) error {
	p.head = binary.AppendUvarint(p.head[:0], uint64(len(key)))
	p.head = append(p.head, key...)
	p.head = binary.AppendUvarint(p.head, uint64(len(value)))
	p.count++
	if _, err := p.w.Write(p.head); err != nil {
		return err
	}
	_, err := p.w.Write(value)
	return err
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// Restore replaces the whole tree, history and cursor included, by the one in
// r, which a Capture has written. The new tree is built beside the old one and
// takes its place in one step, durable when Restore returns: after an error
// or a crash the old tree stands untouched. All watches end. It must not run
// beside Apply.
func (s *Store) Restore(r io.Reader) error {
	w := tableWriter{s: s}
	err := readStream(r, w.put)
	if err = errors.Join(err, w.finish()); err != nil {
		return errors.Join(fmt.Errorf("restore: %w", err), s.removeTables())
	}
	// Until the swap the old tree may come back, with its history.
	if err := s.Flush(); err != nil {
		return errors.Join(fmt.Errorf("restore: %w", err), s.removeTables())
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	everything := pebble.KeyRange{Start: []byte{0}, End: []byte{0xff}}
	s.swaps.Add(1)
	if _, err := s.db.IngestAndExcise(context.Background(), w.paths, nil, nil, everything); err != nil {
		return errors.Join(fmt.Errorf("restore: swap the trees: %w", err), s.removeTables())
	}
	if err := s.reload(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if _, err := s.flush(); err != nil { // for a memtable of which something is known
		return fmt.Errorf("restore: %w", err)
	}
	s.turn.memtable = newMemtable(s.opts.MemTableBytes)
	return nil
}

// tableWriter writes sorted pairs into tables that lie beside the tree's own.
type tableWriter struct {
	s     *Store
	paths []string
	out   *sstable.Writer
	bytes int
}

const (
	tablePrefix = "restore-"
	tableBytes  = 64 << 20
)

func (w *tableWriter) put(key, value []byte) error {
	if w.out == nil {
		path := w.s.opts.FS.PathJoin(w.s.dir, fmt.Sprintf("%s%06d.sst", tablePrefix, len(w.paths)))
		f, err := w.s.opts.FS.Create(path, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		w.paths = append(w.paths, path)
		w.out = sstable.NewWriter(objstorageprovider.NewFileWritable(f), w.s.tables)
	}
	if err := w.out.Set(key, value); err != nil {
		return err
	}
	if w.bytes += len(key) + len(value); w.bytes < tableBytes {
		return nil
	}
	return w.finish()
}

// finish ends the present table, if there is one.
func (w *tableWriter) finish() error {
	if w.out == nil {
		return nil
	}
	err := w.out.Close()
	w.out, w.bytes = nil, 0
	return err
}

// removeTables removes what an unfinished Restore has left.
func (s *Store) removeTables() error {
	names, err := s.opts.FS.List(s.dir)
	for _, name := range names {
		if strings.HasPrefix(name, tablePrefix) {
			err = errors.Join(err, s.opts.FS.Remove(s.opts.FS.PathJoin(s.dir, name)))
		}
	}
	return err
}

// readStream hands the pairs of a capture's stream to put, and reports what is
// wrong with the stream.
func readStream(r io.Reader, put func(key, value []byte) error) error {
	in := &summer{r: bufio.NewReaderSize(r, 64<<10), sum: crc32.New(castagnoli)}
	magic := make([]byte, len(captureMagic))
	if _, err := io.ReadFull(in, magic); err != nil {
		return fmt.Errorf("the stream is cut off: %w", err)
	}
	if string(magic) != captureMagic {
		return fmt.Errorf("not a tree's stream: it begins with %q", magic)
	}
	var key, value []byte
	for count := uint64(0); ; count++ {
		var err error
		if key, err = in.chunk(key, maxStreamKey); err != nil {
			return err
		}
		if len(key) == 0 {
			return in.finish(count)
		}
		if value, err = in.chunk(value, maxStreamValue); err != nil {
			return err
		}
		if err := put(key, value); err != nil {
			return err
		}
	}
}

// summer reads and sums up what it read.
type summer struct {
	r   *bufio.Reader
	sum hash.Hash32
	one [1]byte
}

func (in *summer) Read(b []byte) (int, error) {
	n, err := in.r.Read(b)
	_, _ = in.sum.Write(b[:n]) // a hash does not fail
	return n, err
}

func (in *summer) ReadByte() (byte, error) {
	_, err := io.ReadFull(in, in.one[:])
	return in.one[0], err
}

// chunk reads a length and that many bytes, into b if they fit.
func (in *summer) chunk(b []byte, most uint64) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return b, fmt.Errorf("the stream is cut off: %w", err)
	}
	if n > most {
		return b, fmt.Errorf("the stream is damaged: it claims a chunk of %d bytes", n)
	}
	if uint64(cap(b)) < n {
		b = make([]byte, n)
	}
	b = b[:n]
	if _, err := io.ReadFull(in, b); err != nil {
		return b, fmt.Errorf("the stream is cut off: %w", err)
	}
	return b, nil
}

// finish checks the count and the checksum at the end.
func (in *summer) finish(count uint64) error {
	var tail [8]byte
	if _, err := io.ReadFull(in, tail[:]); err != nil {
		return fmt.Errorf("the stream is cut off: %w", err)
	}
	sum := in.sum.Sum(nil)
	var want [4]byte
	if _, err := io.ReadFull(in, want[:]); err != nil {
		return fmt.Errorf("the stream is cut off: %w", err)
	}
	if binary.BigEndian.Uint64(tail[:]) != count || [4]byte(sum) != want {
		return errors.New("the stream is damaged: its checksum does not fit")
	}
	return nil
}
