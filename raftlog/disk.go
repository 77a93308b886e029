package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"

	"keytree/store/compaction"
)

// What is on disk, in one Pebble with its WAL on, in Dir/entries:
//
//	'L' position(8, big endian) -> kind(1) term(uvarint) data
//	'S'                         -> version(1) term(8) vote(8) commit(8)
//	'I'                         -> version(1) member id(8) truncated position(8) its term(8)
//	'R'                         -> version(1) position(8) term(8)
//
// kind is 0x10 plus raft's entry type. Entries start right after the truncated
// position and have no holes. 'R' is there while a snapshot is being restored:
// it tells a machine that stands beyond the log by right from one whose log has
// lost its end. Numbers are big endian. Dir/incoming holds snapshots on their
// way in and is emptied by Open. A change of layout changes the version bytes.
const (
	keyEntry     = 'L'
	keyHardState = 'S'
	keyIdentity  = 'I'
	keyRestoring = 'R'

	diskVersion = 1
	entryKind   = 0x10
)

type hardState struct{ term, vote, commit uint64 }

// A place is a position and the term of the entry there.
type place struct{ position, term uint64 }

// disk is the durable half of the log. The append loop writes; reading is
// allowed to any goroutine.
type disk struct {
	db   *pebble.DB
	log  *pebbleLogger
	fs   vfs.FS
	dir  string
	mark *syncMark
	done func() // releases what was made for this disk alone

	stalls compaction.Stalls

	// The writer's, counted from the start of the process.
	commits, synced uint64
}

func openDisk(c Config) (*disk, error) {
	d := &disk{log: &pebbleLogger{Logger: c.Logger}, fs: c.FS, dir: c.Dir, done: func() {}}
	if c.Cache == nil {
		c.Cache = pebble.NewCache(2 * c.MemTableBytes)
		d.done = c.Cache.Unref
	}
	if err := c.FS.MkdirAll(d.path(""), 0o700); err != nil {
		d.done()
		return nil, fmt.Errorf("make log directory: %w", err)
	}
	if err := d.checkFiles(); err != nil {
		d.done()
		return nil, err
	}
	fs := compaction.Yielding(c.FS)
	if !c.brief {
		fs = presized{fs}
	}
	po := &pebble.Options{
		FS:                          fs,
		Cache:                       c.Cache,
		Logger:                      d.log,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                uint64(c.MemTableBytes),
		MemTableStopWritesThreshold: 4,
		L0StopWritesThreshold:       1000,
		MaxOpenFiles:                100,
		EventListener:               &pebble.EventListener{},
	}
	po.Experimental.CompactionScheduler = compaction.New()
	d.stalls.Observe(po.EventListener)
	db, err := pebble.Open(d.path(""), po)
	if err != nil {
		d.done()
		if pebble.IsCorruptionError(err) {
			return nil, d.corrupt("Pebble refuses it", err)
		}
		return nil, fmt.Errorf("open log: %w", err)
	}
	d.db = db
	if d.mark, err = openMark(c.FS, c.Dir); err != nil {
		d.done()
		return nil, errors.Join(err, db.Close())
	}
	return d, nil
}

// checkFiles looks for damage that Pebble would take for the end of a file.
func (d *disk) checkFiles() error {
	last, err := scanForDamage(d.fs, d.path(""))
	if err != nil {
		return d.corrupt("its write-ahead log is broken in the middle", err)
	}
	marked, err := readMark(d.fs, d.dir)
	if err != nil {
		return err
	}
	// Without any batch the newest log is one that has just been begun.
	if last > 0 && marked > last {
		return d.corrupt(fmt.Sprintf("its write-ahead log ends with batch %d, but batch %d had been written and synced", last, marked), nil)
	}
	return nil
}

func (d *disk) path(name string) string {
	return d.fs.PathJoin(d.dir, "entries", name)
}

func (d *disk) close() error {
	defer d.done()
	if err := errors.Join(d.db.Close(), d.mark.file.Close()); err != nil {
		return fmt.Errorf("close log: %w", err)
	}
	return nil
}

func (d *disk) corrupt(found string, err error) error {
	return &CorruptError{Dir: d.dir, Found: found, Err: err}
}

// readError tells damage from a disk that does not answer.
func (d *disk) readError(what string, err error) error {
	if pebble.IsCorruptionError(err) {
		return d.corrupt(what+" cannot be read", err)
	}
	return fmt.Errorf("read %s: %w", what, err)
}

// get reads one of the small records; it is nil if there is none.
func (d *disk) get(key byte, size int) ([]byte, error) {
	v, closer, err := d.db.Get([]byte{key})
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	name := fmt.Sprintf("record %q", key)
	if err != nil {
		return nil, d.readError(name, err)
	}
	defer func() { _ = closer.Close() }() // reading is over
	if len(v) != 1+size || v[0] != diskVersion {
		return nil, d.corrupt(fmt.Sprintf("%s has unknown form %x", name, v), nil)
	}
	return append([]byte(nil), v[1:]...), nil
}

// identity reads the member's id and the place the log starts after.
func (d *disk) identity() (id uint64, truncated place, ok bool, err error) {
	v, err := d.get(keyIdentity, 24)
	if err != nil || v == nil {
		return 0, place{}, false, err
	}
	n := numbers(v)
	return n[0], place{n[1], n[2]}, true, nil
}

func (d *disk) hardState() (hardState, error) {
	v, err := d.get(keyHardState, 24)
	if err != nil || v == nil {
		return hardState{}, err
	}
	n := numbers(v)
	return hardState{n[0], n[1], n[2]}, nil
}

func (d *disk) restoring() (p place, ok bool, err error) {
	v, err := d.get(keyRestoring, 16)
	if err != nil || v == nil {
		return place{}, false, err
	}
	n := numbers(v)
	return place{n[0], n[1]}, true, nil
}

func numbers(v []byte) []uint64 {
	var n []uint64
	for ; len(v) >= 8; v = v[8:] {
		n = append(n, binary.BigEndian.Uint64(v))
	}
	return n
}

// entries reads [lo, hi) until they exceed maxBytes, but at least one. A
// position that is missing ends the result.
func (d *disk) entries(lo, hi, maxBytes uint64) ([]*raftpb.Entry, error) {
	var list []*raftpb.Entry
	var size uint64
	err := d.scan(lo, hi, func(e *raftpb.Entry) bool {
		size += entrySize(e)
		if len(list) > 0 && size > maxBytes {
			return false
		}
		list = append(list, e)
		return true
	})
	return list, err
}

// scan visits the entries of [lo, hi), as long as they follow each other and
// visit wants more.
func (d *disk) scan(lo, hi uint64, visit func(*raftpb.Entry) bool) error {
	it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: entryKey(lo), UpperBound: entryKey(hi)})
	if err != nil {
		return d.readError("the entries", err)
	}
	defer func() { _ = it.Close() }() // its error is asked for below
	want := lo
	for it.First(); it.Valid(); it.Next() {
		if k := it.Key(); len(k) != 9 || binary.BigEndian.Uint64(k[1:]) != want {
			return d.corrupt(fmt.Sprintf("entry %d is missing, the next key is %x", want, k), nil)
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return d.readError(fmt.Sprintf("entry %d", want), err)
		}
		e, err := decodeEntry(want, v)
		if err != nil {
			return d.corrupt(fmt.Sprintf("entry %d cannot be understood", want), err)
		}
		if !visit(e) {
			return nil
		}
		want++
	}
	if err := it.Error(); err != nil {
		return d.readError(fmt.Sprintf("entry %d", want), err)
	}
	return nil
}

func entryKey(position uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyEntry}, position)
}

// entrySize is roughly what an entry costs in memory and in a message.
func entrySize(e *raftpb.Entry) uint64 { return uint64(len(e.GetData())) + 24 }

func encodedSize(e *raftpb.Entry) int {
	return 1 + uvarintLen(e.GetTerm()) + len(e.GetData())
}

// encodeEntry fills dst, which has encodedSize bytes.
func encodeEntry(dst []byte, e *raftpb.Entry) {
	dst[0] = entryKind | byte(e.GetType())
	n := binary.PutUvarint(dst[1:], e.GetTerm())
	copy(dst[1+n:], e.GetData())
}

// decodeEntry makes the entry of bytes that belong to someone else.
func decodeEntry(position uint64, v []byte) (*raftpb.Entry, error) {
	if len(v) < 2 || v[0]&^3 != entryKind || v[0]&3 > byte(raftpb.EntryConfChangeV2) {
		return nil, fmt.Errorf("entry of %d bytes has no known kind", len(v))
	}
	term, data, ok := cutUvarint(v[1:])
	if !ok {
		return nil, errors.New("entry has no term")
	}
	e := &raftpb.Entry{Term: new(term), Index: new(position)}
	if t := raftpb.EntryType(v[0] & 3); t != raftpb.EntryNormal {
		e.Type = t.Enum()
	}
	if len(data) > 0 {
		e.Data = append([]byte(nil), data...)
	}
	return e, nil
}

func uvarintLen(v uint64) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}

// The following add to a batch; the batch's commit is the caller's.

func putIdentity(b *pebble.Batch, id uint64, truncated place) error {
	return put(b, keyIdentity, id, truncated.position, truncated.term)
}

func putHardState(b *pebble.Batch, s hardState) error {
	return put(b, keyHardState, s.term, s.vote, s.commit)
}

func putRestoring(b *pebble.Batch, p place) error {
	return put(b, keyRestoring, p.position, p.term)
}

func put(b *pebble.Batch, key byte, values ...uint64) error {
	var buf [1 + 3*8]byte
	v := append(buf[:0], diskVersion)
	for _, n := range values {
		v = binary.BigEndian.AppendUint64(v, n)
	}
	return b.Set([]byte{key}, v, nil)
}

func putEntry(b *pebble.Batch, e *raftpb.Entry) error {
	op := b.SetDeferred(9, encodedSize(e))
	op.Key[0] = keyEntry
	binary.BigEndian.PutUint64(op.Key[1:], e.GetIndex())
	encodeEntry(op.Value, e)
	return op.Finish()
}

// newBatch starts a batch. Only one is in use at a time.
func (d *disk) newBatch() (*pebble.Batch, error) {
	b := d.db.NewBatch()
	return b, d.stamp(b)
}

// stamp begins a batch with what scanForDamage looks for.
func (d *disk) stamp(b *pebble.Batch) error {
	var buf [batchStamp]byte
	if err := b.LogData(appendBatchStamp(buf[:0], d.commits+1, d.synced), nil); err != nil {
		return fmt.Errorf("stamp a batch: %w", err)
	}
	return nil
}

// commit writes b and leaves it empty for the next.
func (d *disk) commit(b *pebble.Batch, sync bool) error {
	d.commits++
	err := b.Commit(&pebble.WriteOptions{Sync: sync})
	if err == nil {
		err = d.log.failure()
	}
	if err != nil {
		return fmt.Errorf("write to the log: %w", err)
	}
	if sync {
		d.synced = d.commits
		if err := d.mark.set(d.synced); err != nil {
			return err
		}
	}
	b.Reset()
	return d.stamp(b)
}
