package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// The client is built to cost less CPU than the server it measures: sockets
// without the net package, a few goroutines that each wait for many of them
// with one epoll, request bytes made in advance. Requests are small and there
// are few at a time on a connection, so that a write never has to wait.

const (
	patience   = 60 * time.Second       // for an answer
	checkEvery = 100 * time.Millisecond // for the end of the context
	readSize   = 256 << 10
	epollBatch = 256

	// An address has some 28,000 ports to connect from; this many connections
	// of a loop share one.
	sharedAddress = 5000
)

// conn is a connection. It belongs to its loop.
type conn struct {
	fd     int
	source source
	out    int           // requests sent and not answered
	sent   time.Duration // when the last of them was sent or should have been
	parser parser
	events int64 // that came in answers that have ended
}

// loop drives some connections from one goroutine.
type loop struct {
	epoll  int
	conns  []*conn
	start  time.Time // what durations in this loop count from
	buf    []byte
	ready  [epollBatch]syscall.EpollEvent
	counts outcome
}

// outcome is what came of a run.
type outcome struct {
	answers uint64
	refused uint64 // answers that were not what they should be
	first   error  // the first such
	latency histogram
	elapsed time.Duration
}

func (o *outcome) merge(p *outcome) {
	o.answers += p.answers
	o.refused += p.refused
	if o.first == nil {
		o.first = p.first
	}
	o.latency.merge(&p.latency)
	o.elapsed = max(o.elapsed, p.elapsed)
}

// err says that some answers were not what they should be.
func (o *outcome) err() error {
	if o.refused == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d answers were wrong, the first: %w", o.refused, o.answers, o.first)
}

func newLoop() (*loop, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	return &loop{epoll: fd, buf: make([]byte, readSize), start: time.Now()}, nil
}

// dial adds a connection to addr.
func (l *loop) dial(addr *net.TCPAddr, s source) (*conn, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	to := syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(len(l.conns))}
	err = errors.Join(
		bindTo(fd, len(l.conns)/sharedAddress),
		syscall.Connect(fd, &to),
		syscall.SetNonblock(fd, true),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1),
		// Closing resets: ten thousand connections leave nothing behind.
		syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}),
		syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &event),
	)
	if err != nil {
		_ = syscall.Close(fd) // never used
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	c := &conn{fd: fd, source: s}
	l.conns = append(l.conns, c)
	return c, nil
}

// bindTo gives a socket loopback address number n to connect from; the system
// chooses the first by itself.
func bindTo(fd, n int) error {
	if n == 0 {
		return nil
	}
	// The port is chosen when the peer is known: it need not be free for all.
	const ipBindAddressNoPort = 24
	from := syscall.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(n)}}
	return errors.Join(
		syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, ipBindAddressNoPort, 1),
		syscall.Bind(fd, &from),
	)
}

func (l *loop) close() {
	for _, c := range l.conns {
		_ = syscall.Close(c.fd) // reset by SO_LINGER; nothing to lose
	}
	_ = syscall.Close(l.epoll) // holds no data
}

func (l *loop) now() time.Duration { return time.Since(l.start) }

// begin forgets what was counted before.
func (l *loop) begin() { l.start, l.counts = time.Now(), outcome{} }

// rawIO reads or writes b on a socket, which does not block.
func rawIO(call uintptr, fd int, b []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), errno
}

// send writes the next request of c's source, due at the given time, and
// reports whether there was one.
func (l *loop) send(c *conn, due time.Duration) (bool, error) {
	b := c.source.next()
	if b == nil {
		return false, nil
	}
	c.sent = due
	c.out++
	return true, write(c.fd, b)
}

// write sends all of b, for which a socket always has room.
func write(fd int, b []byte) error {
	n, errno := rawIO(syscall.SYS_WRITE, fd, b)
	if errno != 0 {
		return fmt.Errorf("send request: %w", errno)
	}
	if n < len(b) {
		return fmt.Errorf("send request: %w", io.ErrShortWrite)
	}
	return nil
}

// wait waits for connections with something to read.
func (l *loop) wait(timeout time.Duration) ([]syscall.EpollEvent, error) {
	// The kernel's epoll_wait counts in milliseconds, too coarse for a pace.
	const epollPwait2 = 441
	spec := syscall.NsecToTimespec(int64(max(timeout, 0)))
	n, _, errno := syscall.RawSyscall6(epollPwait2, uintptr(l.epoll), uintptr(unsafe.Pointer(&l.ready[0])),
		epollBatch, uintptr(unsafe.Pointer(&spec)), 0, 0)
	switch errno {
	case 0:
		return l.ready[:n], nil
	case syscall.EINTR:
		return nil, nil
	}
	return nil, fmt.Errorf("epoll_pwait2: %w", errno)
}

// read takes what has arrived on c and calls answered for each answer that is
// complete.
func (l *loop) read(c *conn, answered func(*conn) error) error {
	for {
		n, errno := rawIO(syscall.SYS_READ, c.fd, l.buf)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return nil
		case errno != 0:
			return fmt.Errorf("read answer: %w", errno)
		case n == 0:
			return fmt.Errorf("read answer: %w", io.ErrUnexpectedEOF)
		}
		for b := l.buf[:n]; len(b) > 0; {
			took, done, err := c.parser.feed(b)
			if err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
			b = b[took:]
			if !done {
				break
			}
			if c.out--; c.out == 0 && len(b) > 0 {
				return fmt.Errorf("%d bytes nobody asked for: %.80q", len(b), b)
			}
			if err := answered(c); err != nil {
				return err
			}
		}
		if n < len(l.buf) {
			return nil
		}
	}
}

// count takes note of a complete answer.
func (l *loop) count(c *conn, now time.Duration) {
	l.counts.answers++
	l.counts.latency.add(now - c.sent)
	var err error
	if c.parser.status/100 != 2 {
		err = c.parser.refused()
	} else {
		err = c.source.answered(&c.parser)
	}
	if err != nil {
		l.counts.refused++
		if l.counts.first == nil {
			l.counts.first = err
		}
	}
}

// run sends requests on all connections, each as soon as the one before is
// answered, for the given time, or with 0 until the sources have no more.
func (l *loop) run(ctx context.Context, d time.Duration) error {
	l.begin()
	out := 0 // requests not answered yet
	for _, c := range l.conns {
		sent, err := l.send(c, l.now())
		if err != nil {
			return err
		}
		if sent {
			out++
		}
	}
	last := l.now()
	answered := func(c *conn) error {
		last = l.now()
		l.count(c, last)
		if d == 0 || last < d {
			if sent, err := l.send(c, last); sent || err != nil {
				return err
			}
		}
		out--
		return nil
	}
	for out > 0 {
		if err := l.answers(ctx, checkEvery, last, answered); err != nil {
			return err
		}
	}
	l.counts.elapsed = l.now()
	return nil
}

// runAt sends rate requests per second for the given time, each at its own
// time on a connection that is free, or as soon as one is. Latency counts from
// the time a request should have been sent, so that a server that stalls pays
// for all the requests it kept waiting.
func (l *loop) runAt(ctx context.Context, rate int, d time.Duration) error {
	l.begin()
	interval := time.Second / time.Duration(rate)
	total := int(d / interval)
	free := append([]*conn(nil), l.conns...)
	var last time.Duration
	answered := func(c *conn) error {
		last = l.now()
		l.count(c, last)
		free = append(free, c)
		return nil
	}
	for next := 0; next < total || len(free) < len(l.conns); {
		now := l.now()
		due := time.Duration(next) * interval
		for ; next < total && due <= now && len(free) > 0; due += interval {
			c := free[0] // the one that was idle longest: a server closes silent connections
			if _, err := l.send(c, due); err != nil {
				return err
			}
			free, next, last = free[1:], next+1, now
		}
		timeout := checkEvery
		if next < total && len(free) > 0 {
			timeout = min(timeout, due-l.now())
		}
		if err := l.answers(ctx, timeout, last, answered); err != nil {
			return err
		}
	}
	l.counts.elapsed = l.now()
	return nil
}

// answers calls answered for each connection on which an answer is complete. It
// is an error when nothing has come for long since last.
func (l *loop) answers(ctx context.Context, timeout, last time.Duration, answered func(*conn) error) error {
	ready, err := l.wait(timeout)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(ready) == 0 && l.now()-last > patience {
		return fmt.Errorf("no answer in %v", patience)
	}
	for _, e := range ready {
		if err := l.read(l.conns[e.Fd], answered); err != nil {
			return err
		}
	}
	return nil
}
