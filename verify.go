package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

func verification(format string, args ...any) error {
	return fmt.Errorf("error verifying flags, "+format+". See 'keytree --help'.", args...)
}

// verify checks what single flags cannot.
func (c *config) verify() error {
	if err := c.verifyURLs(); err != nil {
		return err
	}
	switch {
	case c.bootstraps() > 1:
		return verification(`multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery" or "discovery-srv"`)
	case c.heartbeat == 0:
		return verification("--heartbeat-interval must be >0 (set to %dms)", c.heartbeat)
	case c.election == 0:
		return verification("--election-timeout must be >0 (set to %dms)", c.election)
	case c.heartbeat > c.election/5:
		return verification("--election-timeout[%dms] should be at least as 5 times as --heartbeat-interval[%dms]", c.election, c.heartbeat)
	case c.election > 50_000:
		return verification("--election-timeout[%dms] is too long, and should be set less than 50000ms", c.election)
	case c.watchHistory < 1 || c.watchHistory > 10_000_000:
		return verification("--watch-history[%d] should be between 1 and 10000000", c.watchHistory)
	case !c.enableV2:
		return verification("--enable-v2=false leaves nothing to serve")
	case c.given["listen-client-urls"] && !c.given["advertise-client-urls"] && !c.mayBeProxy():
		return verification("--advertise-client-urls is required when --listen-client-urls is set explicitly.\n" +
			"When listening on specific address(es), this process must advertise accessible url(s) to each connected client")
	}
	return nil
}

// verifyURLs refuses URLs that nobody can be reached at, and those this
// program cannot serve.
func (c *config) verifyURLs() error {
	for _, list := range []struct {
		flag string
		urls urls
	}{
		{"initial-advertise-peer-urls", c.advertisePeer},
		{"advertise-client-urls", c.advertiseClient},
	} {
		for _, raw := range list.urls {
			if u, err := url.Parse(raw); err != nil || u.Hostname() == "" {
				return verification(`--%s "%v" must be "host:port" (unexpected empty host (%s))`, list.flag, &list.urls, raw)
			}
		}
	}
	for _, raw := range slices.Concat(c.listenClient, c.listenPeer) {
		if strings.HasPrefix(raw, "https:") {
			return fmt.Errorf("TLS key/cert (--cert-file, --key-file) must be provided for url %s with HTTPS scheme: use an http URL", raw)
		}
	}
	for _, raw := range slices.Concat(c.listenClient, c.listenPeer, c.advertisePeer) {
		if strings.HasPrefix(raw, "unix") {
			return verification("unix sockets (%s) are not supported, use an http URL", raw)
		}
	}
	return nil
}

// bootstraps counts the ways to find the other members that were asked for.
func (c *config) bootstraps() int {
	n := 0
	for _, way := range []string{c.initialCluster, c.discovery.url, c.discovery.domain} {
		if way != "" {
			n++
		}
	}
	return n
}

// mayBeProxy reports whether the process may turn out to be a proxy, which
// advertises nothing.
func (c *config) mayBeProxy() bool {
	return c.proxy.mode != proxyOff || c.discovery.url != "" && c.discovery.fallback == fallbackProxy
}
