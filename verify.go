package main

import (
	"fmt"
	"math"
	"net/url"
	"strings"

	"keytree/httpapi"
	"keytree/httpapi/tlsfiles"
)

func verification(format string, args ...any) error {
	return fmt.Errorf("error verifying flags, "+format+". See 'keytree --help'.", args...)
}

// verify checks what single settings cannot.
func (c *config) verify() error {
	if err := c.verifyURLs(); err != nil {
		return err
	}
	if err := c.verifyTLS(); err != nil {
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
	case c.maxRequestBytes != 0 && c.maxRequestBytes < httpapi.MinRequestBytes:
		return verification("--max-request-bytes[%d] should be at least %d", c.maxRequestBytes, httpapi.MinRequestBytes)
	case c.quotaBytes > math.MaxInt64:
		return verification("--quota-bytes[%d] should be at most %d", c.quotaBytes, math.MaxInt64)
	case c.forceNew && c.learner():
		return verification("--force-new-cluster makes this member the only one, so it cannot be a learner")
	case !c.enableV2:
		return verification("--enable-v2=false leaves nothing to serve")
	case c.given["logger"] && c.logger != "capnslog" && c.logger != "zap":
		return verification("unknown logger option %q", c.logger)
	case c.given["listen-client-urls"] && !c.given["advertise-client-urls"] && !c.mayBeProxy():
		return verification("--advertise-client-urls is required when --listen-client-urls is set explicitly.\n" +
			"When listening on specific address(es), this process must advertise accessible url(s) to each connected client")
	}
	return nil
}

// verifyURLs refuses URLs that nobody can be reached at.
func (c *config) verifyURLs() error {
	for _, list := range []struct {
		flag       string
		urls       urls
		advertised bool
	}{
		{"initial-advertise-peer-urls", c.advertisePeer, true},
		{"advertise-client-urls", c.advertiseClient, true},
		{"listen-peer-urls", c.listenPeer, false},
		{"listen-client-urls", c.listenClient, false},
		{"listen-metrics-urls", c.metricsURLs, false},
	} {
		for _, raw := range list.urls {
			u, err := url.Parse(raw)
			switch {
			case err != nil:
				return verification("--%s %q: %w", list.flag, raw, err)
			case strings.HasPrefix(u.Scheme, "unix"):
				if u.Host+u.Path == "" {
					return verification("--%s %q names no file", list.flag, raw)
				}
			case list.advertised && u.Hostname() == "":
				return verification(`--%s "%v" must be "host:port" (unexpected empty host (%s))`, list.flag, &list.urls, raw)
			}
		}
	}
	return nil
}

// verifyTLS refuses URLs that want certificates which are not there (spec:
// server.md 11).
func (c *config) verifyTLS() error {
	if _, err := tlsfiles.ParseCipherSuites(c.cipherSuites); err != nil {
		return err
	}
	for _, t := range []tlsConfig{c.clientTLS, c.peerTLS} {
		if t.hasFiles() && (t.certFile == "" || t.keyFile == "") {
			return fmt.Errorf("KeyFile and CertFile must both be present[key: %s, cert: %s]", t.keyFile, t.certFile)
		}
	}
	const lacks = "TLS key/cert (--cert-file, --key-file) must be provided for %s url %s with HTTPS scheme"
	if raw := firstSecure(c.listenClient, c.clientTLS); raw != "" {
		return fmt.Errorf(lacks, "client", raw)
	}
	if raw := firstSecure(c.metricsURLs, c.clientTLS); raw != "" {
		return fmt.Errorf(lacks, "metrics", raw)
	}
	if raw := firstSecure(c.listenPeer, c.peerTLS); raw != "" {
		_, address, _ := strings.Cut(raw, "://")
		return fmt.Errorf("cannot listen on TLS for %s: KeyFile and CertFile are not presented", address)
	}
	return nil
}

// firstSecure is the first URL that needs a certificate t does not have.
func firstSecure(all urls, t tlsConfig) string {
	if t.hasFiles() || t.auto {
		return ""
	}
	for _, raw := range all {
		if isSecure(raw) {
			return raw
		}
	}
	return ""
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
