package client

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// endpoint is where a member is reached.
type endpoint struct {
	text   string        // as given, without a user; what people are told
	base   url.URL       // scheme, host and the path before those of the dialect
	socket bool          // base.Host stands for a unix socket, see socketHost
	user   *url.Userinfo // may be nil
}

// parseEndpoint reads a URL. Without a scheme it becomes http.
func parseEndpoint(raw string) (*endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "" { // a bare word is a host, though it was read as a path
		u.Scheme = "http"
		if u, err = url.Parse(u.String()); err != nil {
			return nil, err
		}
	}
	e := &endpoint{user: u.User}
	u.User = nil
	e.text = u.String()
	switch u.Scheme {
	case "unix", "unixs":
		e.socket = true
		e.base = url.URL{Scheme: "http", Host: socketHost(u.Host + u.Path)}
		if u.Scheme == "unixs" {
			e.base.Scheme = "https"
		}
	default:
		e.base = url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	}
	return e, nil
}

// at is the URL of a path of the dialect.
func (e *endpoint) at(path, query string) *url.URL {
	u := e.base
	u.Path += path
	u.RawQuery = query
	return &u
}

// shown is u, one of e's, as people write it.
func (e *endpoint) shown(u *url.URL) string {
	if !e.owns(u) {
		return u.Redacted()
	}
	text := strings.TrimRight(e.text, "/") + strings.TrimPrefix(u.EscapedPath(), e.base.EscapedPath())
	if u.RawQuery != "" {
		text += "?" + u.RawQuery
	}
	return text
}

// owns reports whether u leads to where e is.
func (e *endpoint) owns(u *url.URL) bool {
	return u.Scheme == e.base.Scheme && u.Host == e.base.Host
}

// What a transport may keep, and how patient it is.
const (
	idleTime         = 90 * time.Second
	idlePerEndpoint  = 16
	handshakeTimeout = 10 * time.Second
	maxHeader        = 1 << 20
)

// newTransport makes what sends requests through TCP. It speaks HTTP/1.1
// only: a long poll for each watcher on one connection would make them all
// end together.
func newTransport(c Config) *http.Transport {
	return &http.Transport{
		Proxy:                  c.Proxy,
		DialContext:            (&net.Dialer{Timeout: c.DialTimeout}).DialContext,
		TLSClientConfig:        c.TLS.Clone(),
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConnsPerHost:    idlePerEndpoint,
		IdleConnTimeout:        idleTime,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // else a short answer could be a very long one
	}
}

// newSocketTransport makes what sends requests through unix sockets.
func newSocketTransport(c Config) *http.Transport {
	t := newTransport(c)
	t.Proxy = nil
	t.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		return (&net.Dialer{Timeout: c.DialTimeout}).DialContext(ctx, "unix", socketPath(address))
	}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{}
	}
	if t.TLSClientConfig.ServerName == "" {
		t.TLSClientConfig.ServerName = socketName
	}
	return t
}

// socketName is the host that requests through a unix socket are for.
const socketName = "localhost"

// socketHost is a host name that stands for the socket at path, so that
// connections are told apart by it. socketPath is the way back.
func socketHost(path string) string { return hex.EncodeToString([]byte(path)) + ".invalid" }

func socketPath(address string) string {
	host, _, _ := strings.Cut(address, ".")
	path, err := hex.DecodeString(host)
	if err != nil {
		panic("client: a socket transport was asked for " + address)
	}
	return string(path)
}
