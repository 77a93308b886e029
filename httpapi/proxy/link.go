package proxy

import (
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// A DialFunc connects, as that of a net.Dialer does.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dialer connects to members. Each piece written or read on its connections
// has a limit of time.
type dialer struct {
	dial        DialFunc
	write, read time.Duration // 0: no limit
}

func newDialer(c Config) *dialer {
	d := &net.Dialer{
		Timeout: c.DialTimeout,
		// A watch waits for hours: a member whose machine vanished must be
		// noticed without a word from it.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return &dialer{dial: d.DialContext, write: c.WriteTimeout, read: c.ReadTimeout}
}

// unconnected is why there is no connection to a member.
type unconnected struct{ error }

func (u unconnected) Unwrap() error { return u.error }

func (d *dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, unconnected{err}
	}
	return &limitedConn{Conn: c, dialer: d}, nil
}

// limitedConn is a connection to a member.
type limitedConn struct {
	net.Conn
	*dialer
}

// Write implements net.Conn.
func (c *limitedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *limitedConn) Read(b []byte) (int, error) {
	if c.read > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.read)); err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(b)
}

// newTransport makes what carries requests to members: HTTP/1.1, without
// proxies of its own, and with answers as the member wrote them.
func (p *Proxy) newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            p.dialer.connect,
		DialTLSContext:         p.connectSecurely(),
		TLSHandshakeTimeout:    greeting,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    128,
		IdleConnTimeout:        90 * time.Second, // sooner than any member ends them
		MaxResponseHeaderBytes: 1 << 20,
	}
}

// greeting is how long a member may take to greet.
const greeting = 10 * time.Second

// connectSecurely connects to members in TLS; nil if that is left to net/http.
func (p *Proxy) connectSecurely() DialFunc {
	if p.config.TLS == nil {
		return nil
	}
	connect := p.config.TLS(p.dialer.connect)
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, greeting)
		defer cancel()
		c, err := connect(ctx, network, address)
		if err != nil {
			return nil, unconnected{err}
		}
		return c, nil
	}
}

// link tells whether a request got as far as a connection. If it did not,
// nothing of it was sent.
type link struct{ up atomic.Bool }

// watchLink returns a context for one round trip, and its link.
//
// The transport itself tries again when a connection it had kept turns out to
// be closed and nothing was written, hence the link is down again whenever a
// connection is looked for.
func watchLink(ctx context.Context) (context.Context, *link) {
	l := new(link)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { l.up.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { l.up.Store(true) },
	}), l
}

func (l *link) made() bool { return l.up.Load() }
