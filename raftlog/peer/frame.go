package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/raft/v3/raftpb"
)

const (
	// maxFrame bounds a message. The log keeps its messages below half of it.
	maxFrame = 64 << 20
	// readSize is what a stream's buffer holds when nothing large comes in.
	readSize = 64 << 10
	// keepSize is how far a buffer may have grown to be used again.
	keepSize = 4 << 20

	frameHeader = 4
)

var errFrameTooLong = fmt.Errorf("a frame is longer than %d bytes", maxFrame)

// appendFrame appends m to b as it goes over a stream.
func appendFrame(b []byte, m *raftpb.Message) ([]byte, error) {
	if weight(m) > maxFrame {
		return b, errFrameTooLong // found out without the bytes
	}
	start := len(b)
	b = appendMessage(append(b, 0, 0, 0, 0), m)
	n := len(b) - start - frameHeader
	if n > maxFrame {
		return b[:start], errFrameTooLong
	}
	binary.BigEndian.PutUint32(b[start:], uint32(n))
	return b, nil
}

// A frameReader finds the frames in what it reads. Its buffer grows with the
// bytes that come, not with the length that was announced.
type frameReader struct {
	r          io.Reader
	buf        []byte
	start, end int // of what is in buf and was not returned
}

// newFrameReader reads what r holds behind the bytes that came early.
func newFrameReader(r io.Reader, early []byte) *frameReader {
	f := &frameReader{r: r, buf: make([]byte, max(readSize, len(early)))}
	f.end = copy(f.buf, early)
	return f
}

// next is the content of the next frame, which is overwritten by the next call.
// The error is io.EOF only if the bytes end where a frame does.
func (f *frameReader) next() ([]byte, error) {
	for {
		have := f.buf[f.start:f.end]
		if len(have) >= frameHeader {
			n := binary.BigEndian.Uint32(have)
			if n > maxFrame {
				return nil, errFrameTooLong
			}
			if size := frameHeader + int(n); len(have) >= size {
				f.start += size
				return have[frameHeader:size], nil
			}
		}
		if err := f.fill(); err != nil {
			if errors.Is(err, io.EOF) && len(have) > 0 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// fill reads once, making room if there is none.
func (f *frameReader) fill() error {
	if f.start == f.end {
		f.start, f.end = 0, 0
		if len(f.buf) > keepSize {
			f.buf = make([]byte, readSize)
		}
	}
	if f.end == len(f.buf) {
		into := f.buf
		if f.start < len(f.buf)/2 {
			into = make([]byte, min(2*len(f.buf), frameHeader+maxFrame))
		}
		f.end = copy(into, f.buf[f.start:f.end])
		f.buf, f.start = into, 0
	}
	n, err := f.r.Read(f.buf[f.end:])
	f.end += n
	if n > 0 {
		return nil // the error comes again
	}
	return err
}
