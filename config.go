package main

import (
	"flag"
	"fmt"
	"io"
	"time"

	"keytree/raftlog/member"
)

// config is what the command line says. Times are in milliseconds, as the
// flags are.
type config struct {
	name, dataDir, walDir string
	heartbeat, election   uint
	watchHistory          uint
	listenPeer            urls
	listenClient          urls
	advertisePeer         urls
	advertiseClient       urls
	initialCluster        string
	state                 string // new or existing
	token                 string
	discovery             discoveryConfig
	strictReconfig        bool
	forceNew              bool
	proxy                 proxyConfig
	enableV2, enablePprof bool
	debug, version, help  bool
	given                 map[string]bool // flags that were set to something
	clientDefault         bool            // listening where newcomers and scripts of 0.4 look
}

// discoveryConfig is where to find the other members, if they are not listed.
type discoveryConfig struct {
	url      string
	fallback string // when the cluster found is full: proxy or exit
	proxy    string // the HTTP proxy on the way
	domain   string // of SRV records
	suffix   string // of their service names
}

// proxyConfig is how to be a proxy.
type proxyConfig struct {
	mode                                   string // off, readonly or on
	failureWait, refresh                   uint
	dialTimeout, writeTimeout, readTimeout uint
}

const (
	defaultPeerURL    = "http://localhost:2380"
	legacyClientURL   = "http://localhost:4001"
	defaultClientURLs = "http://localhost:2379," + legacyClientURL
)

// setting is one flag with the group it is shown in.
type setting struct {
	group, name, usage string
	value              flag.Value
}

// settings are all flags, bound to c. They are those of etcd with the same
// meaning, and Keytree's own.
func (c *config) settings() []setting {
	return []setting{
		{"member", "name", "human-readable name for this member.", (*text)(&c.name)},
		{"member", "data-dir", "directory of this member's data; default NAME.etcd.", (*text)(&c.dataDir)},
		{"member", "wal-dir", "directory of the log, to have it on a disk of its own.", (*text)(&c.walDir)},
		{"member", "snapshot-count", "accepted for etcd's sake: the log is truncated without snapshots.", new(count)},
		{"member", "max-snapshots", "accepted for etcd's sake: no snapshots are kept.", new(number)},
		{"member", "max-wals", "accepted for etcd's sake: what the log no longer needs is removed.", new(number)},
		{"member", "heartbeat-interval", "milliseconds between two heartbeats of the leader.", (*number)(&c.heartbeat)},
		{"member", "election-timeout", "milliseconds without a heartbeat until an election.", (*number)(&c.election)},
		{"member", "initial-election-tick-advance", "accepted for etcd's sake: a first election never waits longer than it must.", new(truth)},
		{"member", "listen-peer-urls", "URLs to listen on for other members.", &c.listenPeer},
		{"member", "listen-client-urls", "URLs to listen on for clients.", &c.listenClient},
		{"member", "watch-history", "events kept for watches that ask for the past.", (*number)(&c.watchHistory)},
		{"clustering", "initial-advertise-peer-urls", "this member's peer URLs as the others reach them; used once, to found the cluster.", &c.advertisePeer},
		{"clustering", "advertise-client-urls", "this member's client URLs as clients reach them.", &c.advertiseClient},
		{"clustering", "initial-cluster", "NAME=URL,... of the founding members.", (*text)(&c.initialCluster)},
		{"clustering", "initial-cluster-state", "'new' to found a cluster, 'existing' to join one.", choice{&c.state, []string{stateNew, stateExisting}}},
		{"clustering", "initial-cluster-token", "sets clusters with the same URLs apart.", (*text)(&c.token)},
		{"clustering", "discovery", "URL where the founding members meet, in place of --initial-cluster.", (*text)(&c.discovery.url)},
		{"clustering", "discovery-fallback", "what to be when they are enough without this one: 'proxy', or 'exit'.", choice{&c.discovery.fallback, []string{fallbackProxy, fallbackExit}}},
		{"clustering", "discovery-proxy", "HTTP proxy on the way to the discovery URL.", (*text)(&c.discovery.proxy)},
		{"clustering", "discovery-srv", "DNS domain whose SRV records name the founding members.", (*text)(&c.discovery.domain)},
		{"clustering", "discovery-srv-name", "suffix of the service names in these records.", (*text)(&c.discovery.suffix)},
		{"clustering", "strict-reconfig-check", "refuse changes of the cluster that could cost it its quorum.", (*truth)(&c.strictReconfig)},
		{"clustering", "pre-vote", "accepted for etcd's sake: members always ask before they call an election.", new(truth)},
		{"clustering", "enable-v2", "serve the v2 API.", (*truth)(&c.enableV2)},
		{"proxy", "proxy", "be a proxy instead of a member: 'on', 'readonly', or 'off'.", choice{&c.proxy.mode, []string{proxyOff, proxyReadonly, proxyOn}}},
		{"proxy", "proxy-failure-wait", "milliseconds until a member that failed is asked again.", (*number)(&c.proxy.failureWait)},
		{"proxy", "proxy-refresh-interval", "milliseconds between two looks at who is in the cluster.", (*number)(&c.proxy.refresh)},
		{"proxy", "proxy-dial-timeout", "milliseconds to connect to a member.", (*number)(&c.proxy.dialTimeout)},
		{"proxy", "proxy-write-timeout", "milliseconds to write to a member.", (*number)(&c.proxy.writeTimeout)},
		{"proxy", "proxy-read-timeout", "milliseconds to read from a member; 0: for ever, as watches need it.", (*number)(&c.proxy.readTimeout)},
		{"logging and profiling", "debug", "log at debug level and enable pprof.", (*truth)(&c.debug)},
		{"logging and profiling", "enable-pprof", "serve profiles under /debug/pprof/.", (*truth)(&c.enablePprof)},
		{"unsafe", "force-new-cluster", "go on as the only member, with all the data: for when the others are lost for ever.", (*truth)(&c.forceNew)},
		{"other", "version", "print the version and exit.", (*truth)(&c.version)},
		{"other", "help", "print this text and exit.", (*truth)(&c.help)},
		{"other", "h", "", (*truth)(&c.help)},
	}
}

// defaults is a config before any flag.
func defaults() *config {
	return &config{
		name: "default", token: "etcd-cluster", state: stateNew,
		heartbeat: 100, election: 1000, watchHistory: 1000,
		discovery:      discoveryConfig{fallback: fallbackProxy},
		strictReconfig: true,
		proxy:          proxyConfig{mode: proxyOff, failureWait: 5000, refresh: 30_000, dialTimeout: 1000, writeTimeout: 5000},
		enableV2:       true,
		given:          map[string]bool{},
	}
}

// usageError is a command line that cannot be read: exit code 2. The flag
// package has told the user.
type usageError struct{ error }

// readConfig reads the command line. What is wrong with it is told on stderr
// where that is the flag package's to do.
func readConfig(args []string, stderr io.Writer) (*config, error) {
	c := defaults()
	fs := flag.NewFlagSet("keytree", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprintln(stderr, "usage: keytree [flags]\n       keytree --help    shows all flags") }
	for _, s := range c.settings() {
		fs.Var(s.value, s.name, s.usage)
	}
	if err := fs.Parse(args); err != nil {
		return nil, usageError{err}
	}
	fs.Visit(func(f *flag.Flag) { c.given[f.Name] = f.Value.String() != "" })
	if c.help || c.version {
		return c, nil
	}
	if fs.NArg() > 0 {
		return nil, verification("'%s' is not a valid flag", fs.Arg(0))
	}
	c.fillIn()
	return c, c.verify()
}

// fillIn gives what was left out its default.
func (c *config) fillIn() {
	fill := func(u *urls, def string) {
		if len(*u) == 0 {
			_ = u.Set(def) // our own defaults are valid
		}
	}
	c.clientDefault = len(c.listenClient) == 0
	fill(&c.listenPeer, defaultPeerURL)
	fill(&c.listenClient, defaultClientURLs)
	fill(&c.advertisePeer, defaultPeerURL)
	fill(&c.advertiseClient, defaultClientURLs)
	if c.initialCluster == "" && c.discovery.url == "" && c.discovery.domain == "" {
		c.initialCluster = c.alone().String()
	}
}

// alone is the cluster of this member only.
func (c *config) alone() member.Cluster { return member.Cluster{c.name: c.advertisePeer} }

func (c *config) tick() time.Duration { return time.Duration(c.heartbeat) * time.Millisecond }
func (c *config) elections() int      { return int(c.election / c.heartbeat) }

// printHelp shows all flags, by group.
func (c *config) printHelp(w io.Writer) {
	fmt.Fprintln(w, "usage: keytree [flags]\n\nA server for the etcd v2 API. Without flags: one member that keeps its data in\n./default.etcd and answers on http://localhost:2379 and :4001.")
	group := ""
	for _, s := range c.settings() {
		if s.usage == "" {
			continue
		}
		if s.group != group {
			group = s.group
			fmt.Fprintf(w, "\n%s flags:\n", group)
		}
		fmt.Fprintf(w, "  --%s\n        %s\n", s.name, s.usage)
	}
}
