// Package block carries a long row of bytes in blocks that check themselves,
// so that whoever reads it takes over nothing that was cut off or changed on
// its way.
//
// A block is, with numbers big endian:
//
//	length    4 bytes
//	checksum  4 bytes: CRC-32C of the bytes
//	bytes     length bytes
//
// The last block has length 0, and as its checksum that of the bytes of all
// blocks together.
package block

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

const (
	// MaxBytes is how many bytes a block of a Reader holds at most.
	MaxBytes = 128 << 10
	// HeaderBytes come before the bytes of each block.
	HeaderBytes = 8
)

var (
	// ErrDamaged says that bytes were changed or left out.
	ErrDamaged = errors.New("a snapshot was damaged on its way")
	// ErrTrailing says that something comes after the last block.
	ErrTrailing = errors.New("bytes follow the end of a snapshot")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A Writer writes blocks. What is written to it is gathered until a block is
// full; End writes what is left and the end.
type Writer struct {
	w   io.Writer
	buf []byte // header and bytes of the next block
	max int    // bytes in a block
	sum uint32
}

// NewWriter makes a Writer to w of blocks with size bytes, 1 to MaxBytes. Each
// is one Write to w.
func NewWriter(w io.Writer, size int) *Writer {
	return &Writer{w: w, buf: make([]byte, HeaderBytes, HeaderBytes+size), max: size}
}

// Write implements io.Writer.
func (b *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), b.max+HeaderBytes-len(b.buf))
		b.buf = append(b.buf, p[:k]...)
		p = p[k:]
		if len(b.buf) == b.max+HeaderBytes {
			if err := b.Flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

// Flush writes what was gathered as a block, if that is anything.
func (b *Writer) Flush() error {
	bytes := b.buf[HeaderBytes:]
	if len(bytes) == 0 {
		return nil
	}
	b.sum = crc32.Update(b.sum, castagnoli, bytes)
	err := b.put(crc32.Checksum(bytes, castagnoli))
	b.buf = b.buf[:HeaderBytes]
	return err
}

func (b *Writer) put(sum uint32) error {
	binary.BigEndian.PutUint32(b.buf, uint32(len(b.buf)-HeaderBytes))
	binary.BigEndian.PutUint32(b.buf[4:], sum)
	_, err := b.w.Write(b.buf)
	return err
}

// End writes what was gathered, and the last block.
func (b *Writer) End() error {
	if err := b.Flush(); err != nil {
		return err
	}
	return b.put(b.sum)
}

// A Reader reads what a Writer wrote. It gives out no byte that it has not
// checked, and io.EOF only behind the whole.
type Reader struct {
	r     io.Reader
	buf   []byte // of the block
	rest  []byte // of buf, not given out yet
	sum   uint32
	whole bool
	err   error
}

// NewReader makes a Reader of what comes from r, which must end there.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Whole says whether all has been read, to the last block.
func (b *Reader) Whole() bool { return b.whole }

// Read implements io.Reader.
func (b *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.rest) == 0 && b.err == nil {
		b.rest, b.err = b.block(MaxBytes)
	}
	if len(b.rest) == 0 {
		return 0, b.err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// First is the first block, which is read by itself and may have up to limit
// bytes. It comes before all calls of Read.
func (b *Reader) First(limit uint32) ([]byte, error) {
	p, err := b.block(limit)
	if errors.Is(err, io.EOF) {
		return nil, ErrDamaged
	}
	return p, err
}

// block reads and checks one block of at most limit bytes.
func (b *Reader) block(limit uint32) ([]byte, error) {
	var header [HeaderBytes]byte
	if _, err := io.ReadFull(b.r, header[:]); err != nil {
		return nil, unexpected(err)
	}
	n, sum := binary.BigEndian.Uint32(header[:]), binary.BigEndian.Uint32(header[4:])
	switch {
	case n == 0:
		return nil, b.finish(sum)
	case n > limit:
		return nil, ErrDamaged
	}
	if int(n) > cap(b.buf) {
		b.buf = make([]byte, n)
	}
	bytes := b.buf[:n]
	if _, err := io.ReadFull(b.r, bytes); err != nil {
		return nil, unexpected(err)
	}
	if crc32.Checksum(bytes, castagnoli) != sum {
		return nil, ErrDamaged
	}
	b.sum = crc32.Update(b.sum, castagnoli, bytes)
	return bytes, nil
}

// finish is io.EOF if the blocks have the checksum sum and nothing follows.
func (b *Reader) finish(sum uint32) error {
	if sum != b.sum {
		return ErrDamaged
	}
	var one [1]byte
	switch _, err := io.ReadFull(b.r, one[:]); {
	case err == nil:
		return ErrTrailing
	case !errors.Is(err, io.EOF):
		return err
	}
	b.whole = true
	return io.EOF
}

// unexpected is err, if it is not that the bytes end.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
