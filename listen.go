package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// listener is an open socket and the URL it was opened for.
type listener struct {
	net.Listener
	url string
}

// keepAlive finds peers that vanished without a word, so that their watches
// do not wait for ever.
const keepAlive = 30 * time.Second

// isSecure reports whether what listens at a URL speaks TLS.
func isSecure(raw string) bool {
	return strings.HasPrefix(raw, "https:") || strings.HasPrefix(raw, "unixs:")
}

// listen opens a socket for each URL. A host name is resolved. Secure is for
// the URLs that say so.
func listen(all urls, who string, secure greeting, logger *slog.Logger) ([]listener, error) {
	var open []listener
	for _, raw := range all {
		l, err := listenAt(raw)
		if err == nil && isSecure(raw) {
			l, err = secured(l, secure, raw)
		}
		if err != nil {
			closeAll(open)
			return nil, err
		}
		open = append(open, listener{l, raw})
		logger.Info(fmt.Sprintf("listening for %s on %s", who, raw))
	}
	return open, nil
}

func listenAt(raw string) (net.Listener, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(u.Scheme, "unix") {
		return listenAtFile(u.Host + u.Path)
	}
	return (&net.ListenConfig{KeepAlive: keepAlive}).Listen(context.Background(), "tcp", u.Host)
}

// secured has l speak TLS, or closes it.
func secured(l net.Listener, secure greeting, raw string) (net.Listener, error) {
	if secure == nil {
		_ = l.Close() // there is a better error
		return nil, fmt.Errorf("cannot listen on TLS for %s: KeyFile and CertFile are not presented", raw)
	}
	return secure(l), nil
}

// What Windows says has numbers of its own, which package syscall does not take
// for those it has.
const (
	inUseOnWindows   = syscall.Errno(10048)
	refusedOnWindows = syscall.Errno(10061)
)

// socketMode is who may use a socket in the file system: the owner and the group.
const socketMode = 0o660

// listenAtFile makes the file of a unix socket, for the owner and the group. One
// that a process left behind is replaced.
func listenAtFile(name string) (net.Listener, error) {
	if info, err := os.Lstat(name); err == nil && info.Mode()&os.ModeSocket != 0 {
		c, err := net.DialTimeout("unix", name, time.Second)
		switch {
		case err == nil:
			_ = c.Close() // somebody is there: listening says so
		case errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, refusedOnWindows):
			if err := os.Remove(name); err != nil {
				return nil, err
			}
		}
	}
	closed := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		// The file gets the mode of its socket, whatever the umask allows
		// beyond that, so that it is never open to others.
		if e := c.Control(func(fd uintptr) { err = closeToOthers(fd) }); e != nil {
			return e
		}
		return err
	}}
	l, err := closed.Listen(context.Background(), "unix", name)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, socketMode); err != nil {
		_ = l.Close() // there is a better error
		return nil, err
	}
	return l, nil
}

// listenForClients opens the client sockets. By default the port of etcd 0.4
// is one of them; if that one is taken the member does without.
func (c *config) listenForClients(secure greeting, logger *slog.Logger) ([]listener, error) {
	if !c.clientDefault {
		return listen(c.listenClient, "client requests", secure, logger)
	}
	var open []listener
	for _, u := range c.listenClient {
		l, err := listen(urls{u}, "client requests", secure, logger)
		if u == legacyClientURL && (errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, inUseOnWindows)) {
			logger.Warn("port 4001, kept for clients of etcd 0.4, is taken: going on without it")
			if !c.given["advertise-client-urls"] {
				c.advertiseClient = slices.DeleteFunc(c.advertiseClient, func(a string) bool { return a == u })
			}
			continue
		}
		if err != nil {
			closeAll(open)
			return nil, err
		}
		open = append(open, l...)
	}
	return open, nil
}

func closeAll(open []listener) {
	for _, l := range open {
		_ = l.Close() // a server may have closed it already
	}
}
