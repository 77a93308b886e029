package peer

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

const (
	maxBlock    = 128 << 10
	blockHeader = 8
	// maxSnapshotMessage bounds raft's message of a snapshot: it names members.
	maxSnapshotMessage = 1 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errDamaged  = errors.New("a snapshot was damaged on its way")
	errTrailing = errors.New("bytes follow the end of a snapshot")
)

// A blockWriter writes blocks to w. What is written to it is gathered until a
// block is full; end writes what is left and the end.
type blockWriter struct {
	w   io.Writer
	buf []byte // header and bytes of the next block
	max int    // bytes in a block
	sum uint32
}

func newBlockWriter(w io.Writer, size int) *blockWriter {
	return &blockWriter{w: w, buf: make([]byte, blockHeader, blockHeader+size), max: size}
}

func (b *blockWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), b.max+blockHeader-len(b.buf))
		b.buf = append(b.buf, p[:k]...)
		p = p[k:]
		if len(b.buf) == b.max+blockHeader {
			if err := b.flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

// flush writes what was gathered as a block, if that is anything.
func (b *blockWriter) flush() error {
	bytes := b.buf[blockHeader:]
	if len(bytes) == 0 {
		return nil
	}
	b.sum = crc32.Update(b.sum, castagnoli, bytes)
	err := b.put(crc32.Checksum(bytes, castagnoli))
	b.buf = b.buf[:blockHeader]
	return err
}

func (b *blockWriter) put(sum uint32) error {
	binary.BigEndian.PutUint32(b.buf, uint32(len(b.buf)-blockHeader))
	binary.BigEndian.PutUint32(b.buf[4:], sum)
	_, err := b.w.Write(b.buf)
	return err
}

func (b *blockWriter) end() error {
	if err := b.flush(); err != nil {
		return err
	}
	return b.put(b.sum)
}

// A blockReader reads what a blockWriter wrote. It gives out no byte that it
// has not checked, and io.EOF only behind the whole.
type blockReader struct {
	r     io.Reader
	buf   []byte // of the block
	rest  []byte // of buf, not given out yet
	sum   uint32
	whole bool
	err   error
}

func newBlockReader(r io.Reader) *blockReader { return &blockReader{r: r} }

func (b *blockReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(b.rest) == 0 && b.err == nil {
		b.rest, b.err = b.block(maxBlock)
	}
	if len(b.rest) == 0 {
		return 0, b.err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// message is the first block.
func (b *blockReader) message() ([]byte, error) {
	p, err := b.block(maxSnapshotMessage)
	if errors.Is(err, io.EOF) {
		return nil, errDamaged
	}
	return p, err
}

// block reads and checks one block of at most limit bytes.
func (b *blockReader) block(limit uint32) ([]byte, error) {
	var header [blockHeader]byte
	if _, err := io.ReadFull(b.r, header[:]); err != nil {
		return nil, unexpected(err)
	}
	n, sum := binary.BigEndian.Uint32(header[:]), binary.BigEndian.Uint32(header[4:])
	switch {
	case n == 0:
		return nil, b.finish(sum)
	case n > limit:
		return nil, errDamaged
	}
	if int(n) > cap(b.buf) {
		b.buf = make([]byte, n)
	}
	bytes := b.buf[:n]
	if _, err := io.ReadFull(b.r, bytes); err != nil {
		return nil, unexpected(err)
	}
	if crc32.Checksum(bytes, castagnoli) != sum {
		return nil, errDamaged
	}
	b.sum = crc32.Update(b.sum, castagnoli, bytes)
	return bytes, nil
}

// finish is io.EOF if the blocks have the checksum sum and nothing follows.
func (b *blockReader) finish(sum uint32) error {
	if sum != b.sum {
		return errDamaged
	}
	var one [1]byte
	switch _, err := io.ReadFull(b.r, one[:]); {
	case err == nil:
		return errTrailing
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
