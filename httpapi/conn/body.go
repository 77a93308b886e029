package conn

import (
	"io"
	"net/http"
)

// body is what follows a head: a known number of bytes.
type body struct {
	conn   *conn
	left   int64
	closed bool
	failed error
}

var _ io.ReadCloser = (*body)(nil)

// discardable is how much of a body that a handler did not want is read so
// that the connection can be used again; net/http has the same figure.
const discardable = 256 << 10

// Read reads from the body. Its errors are io.EOF at the end, together with
// the last bytes, io.ErrUnexpectedEOF if the client ended sooner, and those of
// the connection.
func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	return b.read(p)
}

func (b *body) read(p []byte) (n int, err error) {
	switch {
	case b.failed != nil:
		return 0, b.failed
	case b.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	if c := b.conn; c.from < c.to {
		n = copy(p, c.work.in[c.from:c.to])
		c.from += n
	} else {
		c.applyReadDeadline()
		n, err = c.nc.Read(p)
	}
	b.left -= int64(n)
	switch {
	case err == io.EOF && b.left > 0: // it ends here
		b.left = 0
		b.conn.life.end()
		return n, io.ErrUnexpectedEOF
	case err != nil && err != io.EOF:
		b.failed = err
		b.conn.life.end()
	case b.left == 0:
		return n, io.EOF
	}
	return n, b.failed
}

// Close reads what is left, if that is little and there may be another request.
func (b *body) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if b.left > discardable || b.conn.head.close {
		return nil
	}
	return b.discard()
}

// discard reads what is left.
func (b *body) discard() error {
	c := b.conn
	for b.left > 0 {
		if n := min(int64(c.to-c.from), b.left); n > 0 {
			c.from += int(n)
			b.left -= n
			continue
		}
		// Nothing is in the buffer, so it can take what nobody wants.
		if _, err := b.read(c.space().in); err != nil && err != io.EOF {
			return err
		}
	}
	return nil
}
