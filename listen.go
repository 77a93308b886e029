package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
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

// listen opens a socket for each URL. A host name is resolved.
func listen(all urls, who string, logger *slog.Logger) ([]listener, error) {
	var open []listener
	for _, raw := range all {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, err
		}
		l, err := (&net.ListenConfig{KeepAlive: keepAlive}).Listen(context.Background(), "tcp", u.Host)
		if err != nil {
			closeAll(open)
			return nil, err
		}
		open = append(open, listener{l, raw})
		logger.Info(fmt.Sprintf("listening for %s on %s", who, raw))
	}
	return open, nil
}

// listenForClients opens the client sockets. By default the port of etcd 0.4
// is one of them; if that one is taken the member does without.
func (c *config) listenForClients(logger *slog.Logger) ([]listener, error) {
	if !c.clientDefault {
		return listen(c.listenClient, "client requests", logger)
	}
	var open []listener
	for _, u := range c.listenClient {
		l, err := listen(urls{u}, "client requests", logger)
		if errors.Is(err, syscall.EADDRINUSE) && u == legacyClientURL {
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
