package main

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"keytree/httpapi"
	"keytree/httpapi/tlsfiles"
)

// What etcd has around each refusal.
const (
	verificationBegins = "error verifying flags, "
	verificationEnds   = ". See 'keytree --help'."
)

func verification(format string, args ...any) error {
	return fmt.Errorf(verificationBegins+format+verificationEnds, args...)
}

// mended is an error that knows what may be set instead.
type mended struct {
	error
	mend string
}

func (m mended) Unwrap() error { return m.error }

// refusals are what single settings cannot know to be wrong, the first one first.
func (c *config) refusals() []error {
	return slices.Concat(c.refusedURLs(), c.refusedTLS(), c.refusedTimes(), c.refusedRest())
}

// refusedTimes are times that no cluster can live by.
func (c *config) refusedTimes() (all []error) {
	refuse := func(mend string, err error) { all = append(all, mended{err, mend}) }
	if c.bootstraps() > 1 {
		refuse("--initial-cluster, --discovery or --discovery-srv alone",
			verification(`multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery" or "discovery-srv"`))
	}
	if c.heartbeat == 0 {
		refuse("--heartbeat-interval 100", verification("--heartbeat-interval must be >0 (set to %dms)", c.heartbeat))
	}
	if c.election == 0 {
		refuse("--election-timeout 1000", verification("--election-timeout must be >0 (set to %dms)", c.election))
	} else if c.heartbeat > c.election/5 {
		refuse(fmt.Sprintf("--heartbeat-interval %d", c.election/10),
			verification("--election-timeout[%dms] should be at least as 5 times as --heartbeat-interval[%dms]", c.election, c.heartbeat))
	}
	if c.election > 50_000 {
		refuse("--election-timeout 50000", verification("--election-timeout[%dms] is too long, and should be set less than 50000ms", c.election))
	}
	return all
}

func (c *config) refusedRest() (all []error) {
	for _, rule := range []struct {
		broken bool
		mend   string
		err    error
	}{
		{c.watchHistory < 1 || c.watchHistory > 10_000_000, "--watch-history 1000",
			verification("--watch-history[%d] should be between 1 and 10000000", c.watchHistory)},
		{c.maxRequestBytes != 0 && c.maxRequestBytes < httpapi.MinRequestBytes, fmt.Sprintf("--max-request-bytes %d", httpapi.MinRequestBytes),
			verification("--max-request-bytes[%d] should be at least %d", c.maxRequestBytes, httpapi.MinRequestBytes)},
		{c.quotaBytes > math.MaxInt64, "--quota-bytes 0",
			verification("--quota-bytes[%d] should be at most %d", c.quotaBytes, math.MaxInt64)},
		{c.forceNew && c.learner(), "--force-new-cluster=false",
			verification("--force-new-cluster makes this member the only one, so it cannot be a learner")},
		{!c.enableV2, "--enable-v2",
			verification("--enable-v2=false leaves nothing to serve")},
		{c.given["logger"] && c.logger != "capnslog" && c.logger != "zap", "--logger capnslog",
			verification("unknown logger option %q", c.logger)},
		{c.given["listen-client-urls"] && !c.given["advertise-client-urls"] && !c.mayBeProxy(), "--advertise-client-urls http://ADDRESS:2379",
			verification("--advertise-client-urls is required when --listen-client-urls is set explicitly.\n" +
				"When listening on specific address(es), this process must advertise accessible url(s) to each connected client")},
	} {
		if rule.broken {
			all = append(all, mended{rule.err, rule.mend})
		}
	}
	return all
}

// refusedURLs are URLs that nobody can be reached at.
func (c *config) refusedURLs() (all []error) {
	refuse := func(err error) { all = append(all, err) }
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
				refuse(verification("--%s %q: %w", list.flag, raw, err))
			case strings.HasPrefix(u.Scheme, "unix"):
				if u.Host+u.Path == "" {
					refuse(mended{verification("--%s %q names no file", list.flag, raw), "--" + list.flag + " unix:///PATH"})
				}
			case list.advertised && u.Hostname() == "":
				refuse(mended{verification(`--%s "%v" must be "host:port" (unexpected empty host (%s))`, list.flag, &list.urls, raw),
					fmt.Sprintf("--%s %s://ADDRESS:%s", list.flag, u.Scheme, u.Port())})
			}
		}
	}
	return all
}

// refusedTLS are URLs that want certificates which are not there (spec:
// server.md 11).
func (c *config) refusedTLS() (all []error) {
	refuse := func(mend string, err error) { all = append(all, mended{err, mend}) }
	if _, err := tlsfiles.ParseCipherSuites(c.cipherSuites); err != nil {
		refuse("--cipher-suites TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", err)
	}
	const both, bothOfPeers = "--cert-file FILE --key-file FILE", "--peer-cert-file FILE --peer-key-file FILE"
	for _, side := range []struct {
		tlsConfig
		mend string
	}{{c.clientTLS, both}, {c.peerTLS, bothOfPeers}} {
		if t := side.tlsConfig; t.hasFiles() && (t.certFile == "" || t.keyFile == "") {
			refuse(side.mend, fmt.Errorf("KeyFile and CertFile must both be present[key: %s, cert: %s]", t.keyFile, t.certFile))
		}
	}
	const lacks = "TLS key/cert (--cert-file, --key-file) must be provided for %s url %s with HTTPS scheme"
	if raw := firstSecure(c.listenClient, c.clientTLS); raw != "" {
		refuse(both, fmt.Errorf(lacks, "client", raw))
	}
	if raw := firstSecure(c.metricsURLs, c.clientTLS); raw != "" {
		refuse(both, fmt.Errorf(lacks, "metrics", raw))
	}
	if raw := firstSecure(c.listenPeer, c.peerTLS); raw != "" {
		_, address, _ := strings.Cut(raw, "://")
		refuse(bothOfPeers, fmt.Errorf("cannot listen on TLS for %s: KeyFile and CertFile are not presented", address))
	}
	return all
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
