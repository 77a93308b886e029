package conn

import (
	"crypto/tls"
	"net"
	"sync"
)

// secured is a connection that speaks TLS.
type secured interface{ ConnectionState() tls.ConnectionState }

// rest is what net/http answers of the connections of a listener.
type rest struct {
	fresh *handover // what nothing was answered on
	used  *handover // the others: they do not turn into HTTP/2 any more
}

func newRest(addr net.Addr) *rest { return &rest{newHandover(addr), newHandover(addr)} }

func (r *rest) close() {
	_ = r.fresh.Close() // it never fails
	_ = r.used.Close()
}

// handover is how connections get to net/http: a listener that accepts what
// is given to it.
type handover struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandover(addr net.Addr) *handover {
	return &handover{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// give hands nc over, or closes it if nobody accepts any more.
func (h *handover) give(nc net.Conn) {
	select {
	case h.conns <- nc:
	case <-h.done:
		_ = nc.Close() // the server ends
	}
}

func (h *handover) Accept() (net.Conn, error) {
	select {
	case nc := <-h.conns:
		return nc, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handover) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handover) Addr() net.Addr { return h.addr }

// begun is a connection of which a part has been read, and perhaps the end.
type begun struct {
	net.Conn
	read []byte
	end  error // nil: there may be more
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.read) > 0 {
		n := copy(p, b.read)
		if b.read = b.read[n:]; len(b.read) == 0 {
			b.read = nil
		}
		return n, nil
	}
	if b.end != nil {
		return 0, b.end
	}
	return b.Conn.Read(p)
}

// CloseWrite is for servers that end an answer before a connection.
func (b *begun) CloseWrite() error {
	if c, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return b.Close()
}
