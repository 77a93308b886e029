package raftlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble ends its newest write-ahead log at the first chunk it cannot read, and
// its MANIFEST as well. A torn tail and damage look alike there, but for what is
// behind them. Pebble looks for a chunk behind that claims that more had been
// synced; but it looks from the next block of 32 KiB on only, and its claims
// leave out whole blocks. So a bit that flipped can take back everything behind
// it without a word, and the files are read here first.
//
// Every batch therefore begins with a stamp that is written to the log only:
// its number, and that of the last batch known to be synced when it was made.
//
//	'k' number(8) synced(8)
//
// If a batch behind the end of the readable part says that the first unreadable
// batch was synced, that one is damaged. So it is if the log was closed in good
// order. In a MANIFEST every edit is synced before the next, and any readable
// chunk behind is proof.
//
// What cannot be told from a torn tail here is damage to the very last sync
// before a process was killed; the mark beside the log tells of that.
//
// A chunk is, within one block, with the masked CRC of what comes after length:
//
//	crc(4) length(2) type(1) payload                                 in a MANIFEST
//	crc(4) length(2) type(1) log number(4) payload                   in the first log of all
//	crc(4) length(2) type(1) log number(4) synced offset(8) payload  in every other log
const (
	blockSize      = 32 << 10
	plainHeader    = 7
	numberedHeader = 11
	syncedHeader   = 19

	// The first of four types each.
	plainChunk    = 1
	numberedChunk = 5
	syncedChunk   = 9

	// Of a batch: sequence number, count; then the stamp's kind, length, bytes.
	batchHeader = 12
	batchStamp  = 17
	stampKind   = 3
	stampMark   = 'k'
)

// appendBatchStamp makes the stamp a batch begins with.
func appendBatchStamp(b []byte, number, synced uint64) []byte {
	b = append(b, stampMark)
	b = binary.BigEndian.AppendUint64(b, number)
	return binary.BigEndian.AppendUint64(b, synced)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// scanForDamage reads the logs and manifests of a Pebble directory. It returns
// the number of the last batch in the newest log that has any.
func scanForDamage(fs vfs.FS, dir string) (last uint64, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return 0, nil // Pebble will say so better
	}
	var newest uint32
	for _, name := range names {
		s := chunkScan{}
		if base, ok := strings.CutSuffix(name, ".log"); ok {
			base, _, _ = strings.Cut(base, "-")
			n, err := strconv.ParseUint(base, 10, 32)
			if err != nil {
				continue
			}
			s.isLog, s.number = true, uint32(n)
		} else if !strings.HasPrefix(name, "MANIFEST-") {
			continue
		}
		if s.data, err = readFile(fs, fs.PathJoin(dir, name)); err != nil {
			return 0, fmt.Errorf("read %s: %w", name, err)
		}
		if at, proof, damaged := s.damage(); damaged {
			return 0, &damageError{name, at, proof}
		}
		if s.read > 0 && s.number >= newest {
			newest, last = s.number, s.read
		}
	}
	return last, nil
}

// damageError says where a file of Pebble's is broken.
type damageError struct {
	file      string
	at, proof int
}

func (e *damageError) Error() string {
	return fmt.Sprintf("%s cannot be read at byte %d, yet byte %d shows that it was written", e.file, e.at, e.proof)
}

func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	data := make([]byte, info.Size())
	_, err = io.ReadFull(f, data)
	return data, errors.Join(err, f.Close())
}

type chunkScan struct {
	data   []byte
	isLog  bool
	number uint32 // of the log
	read   uint64 // number of the last batch that is readable whole; 0 if none

	nextOwn, nextTrailer int // of candidate: where the numbers stand next
}

// A chunk is what was found in one place.
type chunk struct {
	length         int
	first, last    bool // of the record it belongs to
	number, synced uint64
	stamped        bool // the two above are set
}

// damage returns the byte where reading ends and the one that proves that it
// should not.
func (s *chunkScan) damage() (at, proof int, damaged bool) {
	at = s.readable()
	if at >= len(s.data) || s.isTrailer(at) {
		return 0, 0, false
	}
	end := s.claimedEnd(at)
	for proof = s.candidate(at + 1); proof+plainHeader <= len(s.data); proof = s.candidate(proof + 1) {
		// A trailer has no checksum, and the stamps of an older log look like one
		// at times: it has to stand where a chunk of this log ends.
		if proof == end && s.isTrailer(proof) {
			return at, proof, true
		}
		// Payloads are anybody's bytes: only what has the right checksum counts.
		c, ok := s.chunk(proof)
		if !ok {
			continue
		}
		end = nextChunk(proof + c.length)
		if !s.isLog && c.length > plainHeader {
			return at, proof, true
		}
		// Without a readable batch, the one before this is known to be lost.
		lost := s.read + 1
		if s.read == 0 {
			lost = c.number - 1
		}
		if c.stamped && c.synced >= lost && lost > 0 {
			return at, proof, true
		}
	}
	return 0, 0, false
}

// candidate is the first byte from at on where a chunk or a trailer could
// begin. Logs are used again, so behind the end of one there is usually much
// of an older one, which has another number: to look for the number first
// makes the difference between a moment and a second.
func (s *chunkScan) candidate(at int) int {
	if !s.isLog {
		return at
	}
	const offset = 7 // of the number in a chunk
	find := func(next *int, number uint32) int {
		if *next < at+offset {
			*next = len(s.data) + offset
			if from := at + offset; from < len(s.data) {
				if i := bytes.Index(s.data[from:], binary.LittleEndian.AppendUint32(nil, number)); i >= 0 {
					*next = from + i
				}
			}
		}
		return *next - offset
	}
	return min(find(&s.nextOwn, s.number), find(&s.nextTrailer, s.number+1))
}

// readable is the length of the part that can be read from the start.
func (s *chunkScan) readable() int {
	at, batch := 0, uint64(0)
	for at < len(s.data) {
		if c, ok := s.chunk(at); ok {
			if c.stamped {
				batch = c.number
			}
			if c.last {
				s.read = batch
			}
			at += c.length
			continue
		}
		// What is left of a block and too short for a header is zeros.
		end := min((at/blockSize+1)*blockSize, len(s.data))
		if end-at >= syncedHeader || len(bytes.Trim(s.data[at:end], "\x00")) > 0 {
			return at
		}
		at = end
	}
	return at
}

// header is the length of a header by its chunk's type; ok is false if the type
// has no place in this file.
func (s *chunkScan) header(kind byte) (n int, ok bool) {
	switch (kind - 1) &^ 3 {
	case plainChunk - 1:
		return plainHeader, !s.isLog
	case numberedChunk - 1:
		return numberedHeader, s.isLog
	case syncedChunk - 1:
		return syncedHeader, s.isLog
	}
	return 0, false
}

// chunk reads the chunk at a place, if there is one.
func (s *chunkScan) chunk(at int) (c chunk, ok bool) {
	b := s.data[at:min((at/blockSize+1)*blockSize, len(s.data))]
	if len(b) < plainHeader {
		return c, false
	}
	header, ok := s.header(b[6])
	if !ok || len(b) < header {
		return c, false
	}
	if header >= numberedHeader && binary.LittleEndian.Uint32(b[7:]) != s.number {
		return c, false
	}
	c.length = header + int(binary.LittleEndian.Uint16(b[4:]))
	if c.length > len(b) || binary.LittleEndian.Uint32(b) != maskedCRC(b[6:c.length]) {
		return c, false
	}
	part := (b[6] - 1) & 3 // full, first, middle, last
	c.first, c.last = part < 2, part == 0 || part == 3
	if stamp := b[header:c.length]; s.isLog && c.first && len(stamp) >= batchHeader+2+batchStamp {
		stamp = stamp[batchHeader:]
		if stamp[0] == stampKind && stamp[1] == batchStamp && stamp[2] == stampMark {
			c.stamped = true
			c.number = binary.BigEndian.Uint64(stamp[3:])
			c.synced = binary.BigEndian.Uint64(stamp[11:])
		}
	}
	return c, true
}

// claimedEnd is where the chunk behind the one at a place would begin, if what
// stands here is the damaged chunk of this log that it says it is; else zero.
func (s *chunkScan) claimedEnd(at int) int {
	b := s.data[at:]
	if len(b) < numberedHeader {
		return 0
	}
	header, ok := s.header(b[6])
	if !ok || binary.LittleEndian.Uint32(b[7:]) != s.number {
		return 0
	}
	return nextChunk(at + header + int(binary.LittleEndian.Uint16(b[4:])))
}

// nextChunk is where a chunk begins if the one before ends at a place.
func nextChunk(at int) int {
	if left := blockSize - at%blockSize; left < syncedHeader {
		return at + left
	}
	return at
}

// isTrailer says whether a closed log ends here.
func (s *chunkScan) isTrailer(at int) bool {
	if !s.isLog || at+numberedHeader > len(s.data) {
		return false
	}
	b := s.data[at:]
	return len(bytes.Trim(b[:6], "\x00")) == 0 && b[6] == numberedChunk && binary.LittleEndian.Uint32(b[7:]) == s.number+1
}

// maskedCRC is the checksum as LevelDB and its descendants store it.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
