package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/store/compaction"
)

// Options are the settings of a store. The zero value works.
type Options struct {
	FS             vfs.FS        // default: the operating system's
	Cache          *pebble.Cache // shared with other engines; default: one of its own, 32 MiB
	MemTableBytes  uint64        // writes gathered in memory before they go to disk; default 8 MiB
	CacheSpare     int64         // bytes of Cache that stay empty until the tree is large
	NodeCacheBytes int64         // default 24 MiB; negative: no node cache
	NodeCacheMost  int64         // to which the node cache may grow with what is on disk; default: not at all
	HistoryLength  int           // events kept; default 1000
	KeepHistory    bool          // keep all events that Open and Restore find, if they are more
	FlushEvery     uint64        // positions between two flushes at most; default 40,000
	CountBytes     bool          // answer Bytes; costs a walk over all keys in Open and Restore
	Logger         *slog.Logger  // default: silent
}

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MemTableBytes == 0 {
		o.MemTableBytes = 8 << 20
	}
	if o.NodeCacheBytes == 0 {
		o.NodeCacheBytes = 24 << 20
	}
	if o.HistoryLength == 0 {
		o.HistoryLength = 1000
	}
	if o.FlushEvery == 0 {
		o.FlushEvery = 40_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// Store is a tree on disk. See the package comment for who may call what.
type Store struct {
	opts   Options
	dir    string
	db     *pebble.DB
	engine *engine
	tables sstable.WriterOptions // of tables made for Restore

	cache  *caches
	blocks blockRoom // changed with turn held
	hub    *hub
	due    dueFloor

	// index is stored by Apply once all of it is readable, and loaded by
	// readers before they read: what they find is at least as new.
	index atomic.Uint64
	auth  atomic.Uint64 // changes of the Auth space, see AuthVersion
	bytes atomic.Int64  // of the Keys space, see Bytes; written by who applies
	swaps atomic.Uint64 // how often a Restore has begun to swap the trees; a capture may not span one

	// committing is true from before Pebble shows a batch until the batch is
	// published: who sees it false has seen nothing that is not. Written by who
	// applies.
	committing atomic.Bool

	at struct { // where the tree stands; changed with turn held
		sync.Mutex
		cursor
	}

	txn txn // owned by the goroutine that applies

	turn    turn
	flushed uint64 // position of the newest flush asked for; turn's
	scratch []byte // turn's
}

// Open opens the store in directory dir, or makes an empty one. Only one
// process can have it open.
func Open(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	s := &Store{opts: o, engine: newEngine(dir, o.Logger), cache: newCaches(o.NodeCacheBytes, o.NodeCacheMost), hub: newHub(o.HistoryLength)}
	if o.Cache != nil {
		s.blocks.cache, s.blocks.spare = o.Cache, o.CacheSpare
	}
	s.due.init()
	po, release := s.pebbleOptions()
	defer release()
	db, err := pebble.Open(dir, po)
	if err != nil {
		return nil, fmt.Errorf("open tree in %s: %w", dir, err)
	}
	s.db, s.dir = db, dir
	s.turn.memtable = newMemtable(o.MemTableBytes)
	s.tables = po.MakeWriterOptions(0, db.TableFormat())
	if err := errors.Join(s.removeTables(), s.reload()); err != nil {
		return nil, errors.Join(fmt.Errorf("open tree in %s: %w", dir, err), db.Close())
	}
	return s, nil
}

// pebbleOptions are the engine's settings. There is no write-ahead log: the
// raft log is the tree's, and replays what had not been flushed. The block
// cache also pays for the memtables, so it should be four times as large.
func (s *Store) pebbleOptions() (*pebble.Options, func()) {
	release := func() {}
	cache := s.opts.Cache
	if cache == nil {
		cache = pebble.NewCache(32 << 20)
		release = cache.Unref
	}
	po := &pebble.Options{
		FS:                          compaction.Yielding(s.opts.FS),
		Cache:                       cache,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                s.opts.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       8,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               64 << 20,
		// The smaller the tables, the less of what nobody changed is written
		// again; the lowest levels of a large tree have fewer, larger ones.
		TargetFileSizes: [...]int64{2 << 20, 4 << 20, 4 << 20, 8 << 20, 16 << 20, 32 << 20, 64 << 20},
		Logger:          s.engine,
		EventListener:   s.engine.listener(),
	}
	po.CompactionConcurrencyRange = func() (int, int) { return 1, min(2, runtime.GOMAXPROCS(0)) }
	// What Restore brings is durable at once; without a write-ahead log Pebble
	// could not keep it in a queue.
	po.Experimental.DisableIngestAsFlushable = func() bool { return true }
	po.Experimental.CompactionScheduler = compaction.New()
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		po.Levels[i].IndexBlockSize = 64 << 10 // one step for a table of 8 MiB, not two
	}
	po.EnsureDefaults()
	return po, release
}

// reload takes cursor and history from disk. After Open, s.turn must be held.
func (s *Store) reload() error {
	c, err := readCursor(s.db)
	if err != nil {
		return err
	}
	length, err := s.historyLength()
	if err != nil {
		return err
	}
	past, moved, err := loadHistory(s.db, length, c.index)
	if err != nil {
		return err
	}
	if moved {
		if err := s.rewriteHistory(&past); err != nil {
			return err
		}
	}
	counted, err := s.countBytes()
	if err != nil {
		return err
	}
	s.cache.reset()
	s.fitCaches()
	s.txn.ordered = nil
	s.bytes.Store(counted)
	s.moveTo(c)
	s.auth.Add(1)
	s.index.Store(uint64(c.index))
	s.hub.reset(past, c.index)
	s.due.lower(math.MinInt64)
	s.turn.saved, s.turn.unsaved, s.flushed = c.index, 0, c.position
	return nil
}

// Index is the number of mutations so far.
func (s *Store) Index() Index { return Index(s.index.Load()) }

// AuthVersion changes whenever the Auth space may have changed, before the
// index does: whoever sees what came after the change sees the change.
// Whoever loads it first and reads the space then knows, as long as
// it stays the same, that nothing newer is there.
func (s *Store) AuthVersion() uint64 { return s.auth.Load() }

// Cursor is where the tree stands: the position of the batch applied last,
// and its note.
func (s *Store) Cursor() (position uint64, note []byte) {
	s.at.Lock()
	defer s.at.Unlock()
	return s.at.position, bytes.Clone(s.at.note)
}

// moveTo notes where the tree stands.
func (s *Store) moveTo(c cursor) {
	s.at.Lock()
	defer s.at.Unlock()
	s.at.position, s.at.index, s.at.note = c.position, c.index, append(s.at.note[:0], c.note...)
}

// DurablePosition is the position whose batch, with all before it, survives a
// power cut.
func (s *Store) DurablePosition() (uint64, error) {
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound:                cursorKey,
		UpperBound:                []byte{keyCursor + 1},
		OnlyReadGuaranteedDurable: true,
	})
	if err != nil {
		return 0, err
	}
	var c cursor
	if it.First() {
		c, err = parseCursor(it.Value())
	}
	return c.position, errors.Join(err, it.Close(), s.Failure())
}

// flushAtTimes asks for a flush when the last one is long ago: until then the
// raft log cannot be truncated, and a restart replays it. s.turn must be held.
func (s *Store) flushAtTimes() {
	if s.at.position-s.flushed < s.opts.FlushEvery {
		return
	}
	if _, err := s.flush(); err != nil {
		s.opts.Logger.Warn("flushing the tree failed", "error", err)
	}
}

// Checkpoint writes the tree as it is now to the new directory dir, mostly by
// hard links. It may be opened as a store of its own.
func (s *Store) Checkpoint(dir string) error {
	if err := s.Flush(); err != nil {
		return err
	}
	return s.db.Checkpoint(dir)
}

// Close ends all watches, makes everything durable and closes the tree.
// Listings and captures must be closed before.
func (s *Store) Close() error {
	err := s.Flush()
	s.hub.reset(newHistory(s.opts.HistoryLength), 0)
	s.hub.deliverers.Wait()
	s.turn.Lock()
	s.blocks.release()
	s.turn.Unlock()
	return errors.Join(err, s.db.Close())
}

// Watchers is the number of watches registered now; evicted counts streams
// ended because their readers were too slow.
func (s *Store) Watchers() (registered int, evicted uint64) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	return s.hub.mu.count, s.hub.mu.evicted
}

// slot is where the event of index i lies in the history. The ring's length
// never changes while Apply may run.
func (h *hub) slot(i Index) int { return h.mu.history.slot(i) }

// cursor is what stands under keyCursor:
//
//	version(1)=1  position uvarint  index uvarint  note
type cursor struct {
	position uint64
	index    Index
	note     []byte
}

const cursorVersion = 1

var errBadCursor = errors.New("store: damaged cursor")

func appendCursor(b []byte, c cursor) []byte {
	b = append(b, cursorVersion)
	b = binary.AppendUvarint(b, c.position)
	b = binary.AppendUvarint(b, uint64(c.index))
	return append(b, c.note...)
}

func parseCursor(b []byte) (c cursor, err error) {
	if len(b) == 0 || b[0] != cursorVersion {
		return c, errBadCursor
	}
	b = b[1:]
	position, n := binary.Uvarint(b)
	if n <= 0 {
		return c, errBadCursor
	}
	b = b[n:]
	index, n := binary.Uvarint(b)
	if n <= 0 {
		return c, errBadCursor
	}
	return cursor{position: position, index: Index(index), note: append([]byte(nil), b[n:]...)}, nil
}

// readCursor is the cursor in r; an empty tree stands at zero.
func readCursor(r pebble.Reader) (c cursor, err error) {
	v, closer, err := r.Get(cursorKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	c, err = parseCursor(v)
	return c, errors.Join(err, closer.Close())
}
