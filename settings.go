package main

import (
	"slices"
	"strings"

	"keytree/raftlog/member"
)

// setting is one thing that can be configured. The command line, the
// environment, the file, --help and docs/configuration.md know of the same
// settings: those that config.settings lists.
type setting struct {
	group string
	name  string // of the flag, and of the key in the file
	usage string // for people, after the unit; empty: nothing to say
	value value  // where it is kept; before anything is read, its default
	shown string // the default in words, if it comes about later
	unit  string

	section, key string // another place in the file
	instead      string // what it was replaced by
	inert        bool   // accepted for etcd's sake, without effect
	flagOnly     bool   // not in the environment, nor in a file
	notInFile    bool
}

// variable is its name in the environment, after ETCD_ or KEYTREE_.
func (s setting) variable() string {
	return strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
}

const (
	clientSection = "client-transport-security"
	peerSection   = "peer-transport-security"
)

// settings are all there are, bound to c. Most are those of etcd, and mean the
// same.
func (c *config) settings() []setting {
	return slices.Concat(
		group("member", c.memberSettings()),
		group("clustering", c.clusterSettings()),
		group("proxy", c.proxySettings()),
		group("security", c.securitySettings()),
		group("logging and monitoring", c.loggingSettings()),
		group("unsafe", c.unsafeSettings()),
		group("other", c.otherSettings()),
		group("of older etcds", c.legacySettings()),
		group("without effect", c.inertSettings()),
		group("ignored", c.ignoredSettings()),
	)
}

func group(name string, all []setting) []setting {
	for i := range all {
		all[i].group = name
	}
	return all
}

func (c *config) memberSettings() []setting {
	return []setting{
		{name: "name", usage: "what people call this member.", value: (*text)(&c.name)},
		{name: "data-dir", usage: "directory of this member's data.", value: (*text)(&c.dataDir), shown: "NAME.etcd"},
		{name: "wal-dir", usage: "directory of the log, to have it on a disk of its own.", value: (*text)(&c.walDir), shown: "in data-dir"},
		{name: "listen-peer-urls", usage: "URLs to listen on for other members.", value: &c.listenPeer, shown: defaultPeerURL},
		{name: "listen-client-urls", usage: "URLs to listen on for clients. Besides http and https there is unix:///PATH, a socket in the file system, and unixs:// with TLS.", value: &c.listenClient, shown: defaultClientURLs},
		{name: "heartbeat-interval", usage: "between two heartbeats of the leader.", value: (*number)(&c.heartbeat), unit: milliseconds},
		{name: "election-timeout", usage: "without a heartbeat until an election; at least five heartbeats, at most 50000.", value: (*number)(&c.election), unit: milliseconds},
		{name: "watch-history", usage: "events kept for watches that ask for the past; 1 to 10000000.", value: (*number)(&c.watchHistory)},
		{name: "http-engine", usage: "what reads the requests of clients without TLS: 'lean', made for this API, or 'std', the HTTP server of Go's library. They answer alike.", value: choice{&c.httpEngine, []string{engineLean, engineStd}}},
		{name: "enable-ui", usage: "serve the web console at /ui/.", value: (*truth)(&c.enableUI)},
		{name: "max-request-bytes", usage: "that the body of a request may have; 0: 10485760.", value: &c.maxRequestBytes, unit: bytesUnit},
		{name: "quota-bytes", usage: "that the tree may have before writes that make it grow are refused; 0: any.", value: &c.quotaBytes, unit: bytesUnit},
	}
}

const (
	milliseconds = "milliseconds"
	bytesUnit    = "bytes"
)

func (c *config) clusterSettings() []setting {
	return []setting{
		{name: "initial-advertise-peer-urls", usage: "this member's peer URLs as the others reach them; used once, to found the cluster.", value: &c.advertisePeer, shown: defaultPeerURL},
		{name: "advertise-client-urls", usage: "this member's client URLs as clients reach them. To be set whenever listen-client-urls is.", value: &c.advertiseClient, shown: defaultClientURLs},
		{name: "initial-cluster", usage: "NAME=URL,... of the founding members.", value: (*text)(&c.initialCluster), shown: "this member alone"},
		{name: "initial-cluster-state", usage: "'new' to found a cluster, 'existing' to join one.", value: choice{&c.state, []string{stateNew, stateExisting}}},
		{name: "member-role", usage: "'voter', or 'learner' for a member that joins to answer reads and watches and has no say. It can be changed with a restart.", value: choice{&c.memberRole, []string{string(member.Voter), string(member.Learner)}}, shown: "what it was; voter if it is new"},
		{name: "initial-cluster-token", usage: "sets clusters with the same URLs apart.", value: (*text)(&c.token)},
		{name: "discovery", usage: "URL where the founding members meet, in place of initial-cluster.", value: (*text)(&c.discovery.url)},
		{name: "discovery-fallback", usage: "what to be when they are enough without this one: 'proxy', or 'exit'.", value: choice{&c.discovery.fallback, []string{fallbackProxy, fallbackExit}}},
		{name: "discovery-proxy", usage: "HTTP proxy on the way to the discovery URL.", value: (*text)(&c.discovery.proxy)},
		{name: "discovery-srv", usage: "DNS domain whose SRV records name the founding members.", value: (*text)(&c.discovery.domain)},
		{name: "discovery-srv-name", usage: "suffix of the service names in these records.", value: (*text)(&c.discovery.suffix)},
		{name: "strict-reconfig-check", usage: "refuse changes of the cluster that could cost it its quorum.", value: (*truth)(&c.strictReconfig)},
		{name: "enable-v2", usage: "serve the v2 API. There is no other, so false is refused.", value: (*truth)(&c.enableV2)},
	}
}

func (c *config) proxySettings() []setting {
	p := &c.proxy
	return []setting{
		{name: "proxy", usage: "be a proxy instead of a member: 'on', 'readonly', or 'off'.", value: choice{&p.mode, []string{proxyOff, proxyReadonly, proxyOn}}},
		{name: "proxy-fanout", usage: "have clients that watch the same share one watch of a member.", value: (*truth)(&p.fanout)},
		{name: "proxy-failure-wait", usage: "until a member that failed is asked again.", value: (*number)(&p.failureWait), unit: milliseconds},
		{name: "proxy-refresh-interval", usage: "between two looks at who is in the cluster.", value: (*number)(&p.refresh), unit: milliseconds},
		{name: "proxy-dial-timeout", usage: "to connect to a member.", value: (*number)(&p.dialTimeout), unit: milliseconds},
		{name: "proxy-write-timeout", usage: "to write to a member.", value: (*number)(&p.writeTimeout), unit: milliseconds},
		{name: "proxy-read-timeout", usage: "to read from a member; 0: for ever, as watches need it.", value: (*number)(&p.readTimeout), unit: milliseconds},
	}
}

func (c *config) securitySettings() []setting {
	return slices.Concat(c.clientSecurity(), c.peerSecurity(), []setting{
		{name: "cipher-suites", usage: "cipher suites of TLS 1.2, by their names in Go; none: Go's choice.", value: &c.cipherSuites},
		{name: "host-whitelist", usage: "host names by which clients may call this member without TLS; '*': any.", value: &c.hostWhitelist},
		{name: "cors", usage: "origins whose pages may use this member from a browser; '*': all.", value: &c.cors},
		{name: "bcrypt-cost", usage: "cost of hashing a new password, 4 to 31; one more takes twice the time.", value: (*number)(&c.bcryptCost)},
		{name: "audit-log", usage: "file to record in, as lines of JSON, who did what to which key.", value: (*text)(&c.auditLog)},
		{name: "audit-reads", usage: "record reads too.", value: (*truth)(&c.auditReads)},
	})
}

func (c *config) clientSecurity() []setting {
	t := &c.clientTLS
	return inSection(clientSection, []setting{
		{name: "cert-file", key: "cert-file", usage: "certificate of https client URLs.", value: (*text)(&t.certFile)},
		{name: "key-file", key: "key-file", usage: "its private key.", value: (*text)(&t.keyFile)},
		{name: "client-cert-auth", key: "client-cert-auth", usage: "ask clients for certificates. The common name in one is the user of a client that gives no password.", value: (*truth)(&t.clientCertAuth)},
		{name: "trusted-ca-file", key: "trusted-ca-file", usage: "certificates of those who may have signed a client's.", value: (*text)(&t.trustedCAFile)},
		{name: "auto-tls", key: "auto-tls", usage: "make a certificate if none is given.", value: (*truth)(&t.auto)},
		{name: "client-crl-file", key: "crl-file", usage: "list of revoked client certificates.", value: (*text)(&t.crlFile)},
		{name: "client-cert-allowed-cn", key: "allowed-cn", usage: "the only common name let in.", value: (*text)(&t.allowedCN)},
		{name: "client-cert-allowed-hostname", key: "allowed-hostname", usage: "the only host name let in.", value: (*text)(&t.allowedHostname)},
	})
}

func (c *config) peerSecurity() []setting {
	t := &c.peerTLS
	return inSection(peerSection, []setting{
		{name: "peer-cert-file", key: "cert-file", usage: "certificate of https peer URLs, shown to peers as well.", value: (*text)(&t.certFile)},
		{name: "peer-key-file", key: "key-file", usage: "its private key.", value: (*text)(&t.keyFile)},
		{name: "peer-client-cert-auth", key: "client-cert-auth", usage: "ask peers for certificates.", value: (*truth)(&t.clientCertAuth)},
		{name: "peer-trusted-ca-file", key: "trusted-ca-file", usage: "certificates of those who may have signed a peer's.", value: (*text)(&t.trustedCAFile)},
		{name: "peer-auto-tls", key: "auto-tls", usage: "make a certificate if none is given. It encrypts, but nobody vouches for it.", value: (*truth)(&t.auto)},
		{name: "peer-crl-file", key: "crl-file", usage: "list of revoked peer certificates.", value: (*text)(&t.crlFile)},
		{name: "peer-cert-allowed-cn", key: "allowed-cn", usage: "the only common name let in.", value: (*text)(&t.allowedCN)},
		{name: "peer-cert-allowed-hostname", key: "allowed-hostname", usage: "the only host name let in.", value: (*text)(&t.allowedHostname)},
		{name: "experimental-peer-skip-client-san-verification", key: "skip-client-san-verification", usage: "take a peer's certificate whatever address it comes from.", value: (*truth)(&t.skipSAN)},
	})
}

func inSection(name string, all []setting) []setting {
	for i := range all {
		all[i].section = name
	}
	return all
}

func (c *config) loggingSettings() []setting {
	return []setting{
		{name: "log-level", usage: "'debug', 'info', 'warn' or 'error'; etcd's 'dpanic', 'panic' and 'fatal' are as 'error'.", value: choice{&c.logLevel, logLevels()}},
		{name: "log-outputs", usage: "where the log goes: 'stderr', 'stdout', and files to append to. 'default' is stderr.", value: &c.logOutputs},
		{name: "debug", usage: "log at debug level and serve profiles.", value: (*truth)(&c.debug)},
		{name: "log-package-levels", usage: "etcd's levels of packages; '*=DEBUG' and the like set the level, others have no effect.", value: (*text)(&c.logPackageLevels)},
		{name: "enable-pprof", usage: "serve profiles under /debug/pprof/.", value: (*truth)(&c.enablePprof)},
		{name: "listen-metrics-urls", usage: "URLs to listen on for /metrics and /health alone. Clients' URLs serve them as well.", value: &c.metricsURLs},
	}
}

func (c *config) unsafeSettings() []setting {
	return []setting{
		{name: "force-new-cluster", usage: "go on as the only member, with all the data: for when the others are lost for ever. Not to be left on.", value: (*truth)(&c.forceNew)},
	}
}

func (c *config) otherSettings() []setting {
	return []setting{
		{name: "config-file", usage: "file to read settings from.", value: (*text)(&c.configFile), notInFile: true},
		{name: "version", usage: "print the version and exit.", value: (*truth)(&c.version), flagOnly: true},
		{name: "help", usage: "print this text and exit.", value: (*truth)(&c.help), flagOnly: true},
		{name: "h", value: (*truth)(&c.help), flagOnly: true},
	}
}
