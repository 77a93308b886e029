package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A relay stands in front of a member's peer port. Other members are told the
// relay's address. It reads the head of the first request of a connection to
// learn who dials, and passes bytes on as the network's links allow.
type relay struct {
	name    string // of the member behind
	addr    string // the relay's own
	target  string // the member's
	network *network

	mu struct { // everything inside is guarded
		sync.Mutex
		stop context.CancelFunc // of what listens now
	}
	wg sync.WaitGroup // all goroutines of the relay
}

// reuseTime is how long a port that was closed may seem to be in use: a
// process that is just being started has it for a moment.
const reuseTime = 2 * time.Second

// open makes the relay listen until it is closed or ctx is done.
func (r *relay) open(ctx context.Context) error {
	l, err := net.Listen("tcp", r.addr)
	for end := time.Now().Add(reuseTime); errors.Is(err, syscall.EADDRINUSE) && time.Now().Before(end); {
		pause(ctx, 10*time.Millisecond)
		l, err = net.Listen("tcp", r.addr)
	}
	if err != nil {
		return fmt.Errorf("relay of %s: %w", r.name, err)
	}
	ctx, stop := context.WithCancel(ctx)
	r.mu.Lock()
	r.mu.stop = stop
	r.mu.Unlock()
	r.wg.Go(func() {
		<-ctx.Done()
		_ = l.Close() // nothing to lose
	})
	r.wg.Go(func() { r.accept(ctx, l) })
	return nil
}

// close refuses new connections, as the port of a dead process does, and
// resets those there are. It returns when all is gone.
func (r *relay) close() {
	r.mu.Lock()
	stop := r.mu.stop
	r.mu.stop = nil
	r.mu.Unlock()
	if stop != nil {
		stop()
	}
	r.wg.Wait()
}

func (r *relay) accept(ctx context.Context, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			pause(ctx, 10*time.Millisecond) // no descriptors, or the dialer is gone
			continue
		}
		r.wg.Go(func() { r.serve(ctx, c) })
	}
}

const (
	maxHead  = 16 << 10
	headTime = 10 * time.Second
)

// serve passes one connection on. When it returns both ends are closed.
func (r *relay) serve(ctx context.Context, near net.Conn) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	unblock := context.AfterFunc(ctx, func() { abort(near) })
	defer unblock()
	defer abort(near)
	head, err := readHead(near)
	if err != nil {
		return
	}
	p := &pipe{network: r.network, near: near, limit: -1, stop: stop}
	p.mu.route = route{r.network.name(head.from), r.name}
	if w, _ := p.link(false).now(); w.refused {
		return
	}
	if p.link(false).pass(ctx) != nil {
		return
	}
	if p.far, err = (&net.Dialer{}).DialContext(ctx, "tcp", r.target); err != nil {
		return
	}
	if strings.HasSuffix(head.path, "/raft/snapshot") {
		p.limit = r.network.snapshotLimit(r.name)
	}
	r.network.add(p)
	defer r.network.remove(p)
	p.run(ctx, head.raw)
}

// A head is what the relay wants to know of the first request.
type head struct {
	raw  []byte // all that was read, perhaps with a part of the body
	from string // member id in hex, empty if not said
	path string
}

// Both servers say who they are: Keytree in the first header, etcd in the
// second.
const (
	keytreeFrom = "X-Keytree-From"
	etcdFrom    = "X-Server-From"
)

var (
	errHead  = errors.New("no request head")
	errLimit = errors.New("as much as may pass")
)

// readHead reads the head of a request, and at most maxHead bytes.
func readHead(c net.Conn) (head, error) {
	if err := c.SetReadDeadline(time.Now().Add(headTime)); err != nil {
		return head{}, err
	}
	raw := make([]byte, 0, maxHead)
	for !bytes.Contains(raw, []byte("\r\n\r\n")) {
		n, err := c.Read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if err != nil {
			return head{}, err
		}
		if len(raw) == cap(raw) && !bytes.Contains(raw, []byte("\r\n\r\n")) {
			return head{}, errHead
		}
	}
	_, rest, _ := bytes.Cut(raw, []byte(" "))
	path, _, _ := bytes.Cut(rest, []byte(" "))
	return head{raw, sender(raw), string(path)}, c.SetReadDeadline(time.Time{})
}

// sender looks for the member id in bytes that hold the head of a request.
func sender(b []byte) string {
	for _, name := range []string{keytreeFrom, etcdFrom} {
		if _, rest, found := bytes.Cut(b, []byte("\r\n"+name+": ")); found {
			id, _, _ := bytes.Cut(rest, []byte("\r\n"))
			return string(id)
		}
	}
	return ""
}

// A pipe is one connection through a relay.
type pipe struct {
	network   *network
	near, far net.Conn
	limit     int64 // bytes from near to far after which it breaks; none below zero
	stop      context.CancelFunc

	mu struct { // everything inside is guarded
		sync.Mutex
		route route // near dialed far
	}
}

func (p *pipe) route() route {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.route
}

// link is what bytes travel on, those that come back if back is set.
func (p *pipe) link(back bool) *link {
	r := p.route()
	if back {
		r = route{r.to, r.from}
	}
	return p.network.link(r)
}

// identify looks who sends b if that is not known: a connection may begin with
// a request that does not say it, and be used again.
func (p *pipe) identify(b []byte) {
	if p.route().from != "" {
		return
	}
	name := p.network.name(sender(b))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.route.from = name
}

// run passes bytes both ways until both ends have said all, or one breaks, or
// the end of ctx.
func (p *pipe) run(ctx context.Context, head []byte) {
	defer abort(p.far)
	unblock := context.AfterFunc(ctx, func() { abort(p.near); abort(p.far) })
	defer unblock()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { p.pump(ctx, true, nil) })
	p.pump(ctx, false, head)
}

// reset breaks the connection at both ends.
func (p *pipe) reset() { p.stop() }

// A chunk is bytes on their way.
type chunk struct {
	bytes []byte
	due   time.Time
}

// underway is how many chunks may be on their way: enough to keep a delayed
// link busy, little enough that a held one pushes back.
const underway = 64

// pump passes what one end says to the other, beginning with first: from near
// to far, or back. The end travels as bytes do. If anything breaks, the whole
// pipe does.
func (p *pipe) pump(ctx context.Context, back bool, first []byte) {
	src, dst := p.near, p.far
	if back {
		src, dst = dst, src
	}
	chunks := make(chan chunk, underway)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer close(chunks)
		p.receive(ctx, src, back, first, chunks)
	})
	for c := range chunks {
		if p.link(back).carry(ctx, c) != nil || p.write(dst, back, c.bytes) != nil {
			p.stop()
			return
		}
	}
	if half, ok := dst.(*net.TCPConn); !ok || p.link(back).pass(ctx) != nil || half.CloseWrite() != nil {
		p.stop()
	}
}

// write writes b, or as much of it as the limit allows.
func (p *pipe) write(dst net.Conn, back bool, b []byte) error {
	if back || p.limit < 0 {
		_, err := dst.Write(b)
		return err
	}
	if int64(len(b)) > p.limit {
		_, _ = dst.Write(b[:p.limit]) // it breaks now anyway
		p.network.snapshotBroken()
		return errLimit
	}
	p.limit -= int64(len(b))
	_, err := dst.Write(b)
	return err
}

// receive reads src until its end.
func (p *pipe) receive(ctx context.Context, src io.Reader, back bool, first []byte, to chan<- chunk) {
	next := first
	for {
		if len(next) > 0 {
			if !back {
				p.identify(next)
			}
			w, _ := p.link(back).now()
			select {
			case to <- chunk{next, time.Now().Add(w.delay)}:
			case <-ctx.Done():
				return
			}
		}
		buffer := make([]byte, 32<<10)
		n, err := src.Read(buffer)
		if n == 0 && err != nil {
			return
		}
		next = buffer[:n]
	}
}

// abort closes a connection so that the other end sees a reset.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closed already
	}
	_ = c.Close() // closed already
}
