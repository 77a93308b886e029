package apitest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// listener is one whose connections are pipes in memory.
type listener struct {
	address string
	accept  chan net.Conn
	done    chan struct{}
	once    sync.Once
	gone    func() // called by the first Close; may be nil
}

// newListener makes a listener that says it is at address.
func newListener(address string) *listener {
	return &listener{address: address, accept: make(chan net.Conn), done: make(chan struct{})}
}

// Dial connects to whoever accepts from l.
func (l *listener) Dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.accept <- server:
		return client, nil
	case <-l.done:
		return nil, refused(l.address)
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections made so far go on.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		if l.gone != nil {
			l.gone()
		}
	})
	return nil
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return pipeAddr(l.address) }

// pipeAddr is the address of a listener.
type pipeAddr string

func (pipeAddr) Network() string  { return "tcp" }
func (a pipeAddr) String() string { return string(a) }

// refused is the error of a dial where nobody listens.
func refused(address string) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: pipeAddr(address), Err: syscall.ECONNREFUSED}
}

// listen opens the listener at address.
func (n *network) listen(address string) *listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.listeners[address] != nil {
		panic(fmt.Sprintf("apitest: %s is taken", address))
	}
	l := newListener(address)
	l.gone = func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.mu.listeners, address)
	}
	n.mu.listeners[address] = l
	return l
}

func (n *network) dial(address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.mu.listeners[address]
	n.mu.Unlock()
	if l == nil {
		return nil, refused(address)
	}
	return l.Dial()
}

// transport reaches the listeners of n, one connection for each request.
func (n *network) transport() http.RoundTripper {
	return &http.Transport{
		DialContext: func(_ context.Context, _, address string) (net.Conn, error) { return n.dial(address) },
		// In a bubble a connection that idles would be a goroutine left over.
		DisableKeepAlives: true,
	}
}
