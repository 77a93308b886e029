package peer

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// memoryNet is a network of pipes, for bubbles.
type memoryNet struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
	silent    map[string]bool // addresses that answer nothing
}

func newMemoryNet() *memoryNet {
	return &memoryNet{listeners: map[string]*memoryListener{}, silent: map[string]bool{}}
}

type memoryListener struct {
	n     *memoryNet
	addr  string
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

type memoryAddr string

func (a memoryAddr) Network() string { return "memory" }
func (a memoryAddr) String() string  { return string(a) }

func (n *memoryNet) listen(addr string) net.Listener {
	l := &memoryListener{n: n, addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[addr] = l
	return l
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr(l.addr) }

func (n *memoryNet) silence(addr string, silent bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.silent[addr] = silent
}

// dial connects to a listener, is refused where there is none, and waits for
// ever where there is silence.
func (n *memoryNet) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	l, silent := n.listeners[addr], n.silent[addr]
	n.mu.Unlock()
	if silent {
		<-ctx.Done()
		return nil, fmt.Errorf("dial %s: %w", addr, ctx.Err())
	}
	if l == nil {
		return nil, refusedError(addr)
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.done:
		return nil, refusedError(addr)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A cutter breaks the connections that were dialled through it.
type cutter struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu    sync.Mutex
	conns []*cutConn
}

type cutConn struct {
	net.Conn
	sends, hears atomic.Bool // true: what it sends, or should hear, is swallowed
}

func (c *cutter) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	cut := &cutConn{Conn: conn}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, cut)
	return cut, nil
}

// cut closes the connections made so far.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

// swallow has what is written to the connections made so far come nowhere: by
// who dialled, or by who listened.
func (c *cutter) swallow(listener bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		conn.sends.Store(!listener)
		conn.hears.Store(listener)
	}
}

func (c *cutConn) Write(p []byte) (int, error) {
	if c.sends.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *cutConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.hears.Load() {
			return n, err
		}
	}
}
