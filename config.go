package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// config is what the command line says. Times are in milliseconds, as the
// flags are.
type config struct {
	name, dataDir, walDir string
	snapshotCount         uint64
	heartbeat, election   uint
	watchHistory          uint
	listenPeer            urls
	listenClient          urls
	advertisePeer         urls
	advertiseClient       urls
	initialCluster        string
	state                 clusterState
	token                 string
	enableV2, enablePprof bool
	debug, version, help  bool
	given                 map[string]bool // flags that were set
	founders              map[string][]string
	clientDefault         bool // listening where newcomers and scripts of 0.4 look
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
		{"member", "snapshot-count", "accepted for etcd's sake: the log is truncated without snapshots.", (*count)(&c.snapshotCount)},
		{"member", "heartbeat-interval", "milliseconds between two heartbeats of the leader.", (*number)(&c.heartbeat)},
		{"member", "election-timeout", "milliseconds without a heartbeat until an election.", (*number)(&c.election)},
		{"member", "listen-peer-urls", "URLs to listen on for other members.", &c.listenPeer},
		{"member", "listen-client-urls", "URLs to listen on for clients.", &c.listenClient},
		{"member", "watch-history", "events kept for watches that ask for the past.", (*number)(&c.watchHistory)},
		{"clustering", "initial-advertise-peer-urls", "this member's peer URLs as the others reach them; used once, to found the cluster.", &c.advertisePeer},
		{"clustering", "advertise-client-urls", "this member's client URLs as clients reach them.", &c.advertiseClient},
		{"clustering", "initial-cluster", "NAME=URL,... of the founding members.", (*text)(&c.initialCluster)},
		{"clustering", "initial-cluster-state", "'new' or 'existing'.", &c.state},
		{"clustering", "initial-cluster-token", "sets clusters with the same URLs apart.", (*text)(&c.token)},
		{"clustering", "enable-v2", "serve the v2 API.", (*truth)(&c.enableV2)},
		{"logging and profiling", "debug", "log at debug level and enable pprof.", (*truth)(&c.debug)},
		{"logging and profiling", "enable-pprof", "serve profiles under /debug/pprof/.", (*truth)(&c.enablePprof)},
		{"other", "version", "print the version and exit.", (*truth)(&c.version)},
		{"other", "help", "print this text and exit.", (*truth)(&c.help)},
		{"other", "h", "", (*truth)(&c.help)},
	}
}

// usageError is a command line that cannot be read: exit code 2. The flag
// package has told the user.
type usageError struct{ error }

// readConfig reads the command line. What is wrong with it is told on stderr
// where that is the flag package's to do.
func readConfig(args []string, stderr io.Writer) (*config, error) {
	c := &config{
		name: "default", token: "etcd-cluster", state: "new",
		snapshotCount: 100_000, heartbeat: 100, election: 1000, watchHistory: 1000,
		enableV2: true, given: map[string]bool{},
	}
	fs := flag.NewFlagSet("keytree", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprintln(stderr, "usage: keytree [flags]\n       keytree --help    shows all flags") }
	for _, s := range c.settings() {
		fs.Var(s.value, s.name, s.usage)
	}
	if err := fs.Parse(args); err != nil {
		return nil, usageError{err}
	}
	fs.Visit(func(f *flag.Flag) { c.given[f.Name] = true })
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
	if c.initialCluster == "" {
		var parts []string
		for _, u := range c.advertisePeer {
			parts = append(parts, c.name+"="+u)
		}
		c.initialCluster = strings.Join(parts, ",")
	}
}

func verification(format string, args ...any) error {
	return fmt.Errorf("error verifying flags, "+format+". See 'keytree --help'.", args...)
}

// verify checks what single flags cannot.
func (c *config) verify() error {
	switch {
	case c.given["listen-client-urls"] && !c.given["advertise-client-urls"]:
		return verification("--advertise-client-urls is required when --listen-client-urls is set explicitly.\n" +
			"When listening on specific address(es), this process must advertise accessible url(s) to each connected client")
	case c.heartbeat == 0:
		return verification("--heartbeat-interval must be >0 (set to %dms)", c.heartbeat)
	case c.election == 0:
		return verification("--election-timeout must be >0 (set to %dms)", c.election)
	case 5*c.heartbeat > c.election:
		return verification("--election-timeout[%dms] should be at least as 5 times as --heartbeat-interval[%dms]", c.election, c.heartbeat)
	case c.election > 50_000:
		return verification("--election-timeout[%dms] is too long, and should be set less than 50000ms", c.election)
	case c.watchHistory < 1 || c.watchHistory > 10_000_000:
		return verification("--watch-history[%d] should be between 1 and 10000000", c.watchHistory)
	case !c.enableV2:
		return verification("--enable-v2=false leaves nothing to serve")
	}
	for _, u := range slices.Concat(c.listenClient, c.listenPeer) {
		if strings.HasPrefix(u, "https:") {
			return fmt.Errorf("TLS key/cert (--cert-file, --key-file) must be provided for url %s with HTTPS scheme: use an http URL", u)
		}
	}
	return c.readFounders()
}

// readFounders reads --initial-cluster: name=url pieces, where a name may
// repeat, and checks this member's own entry.
func (c *config) readFounders() error {
	c.founders = map[string][]string{}
	seen := map[string]bool{}
	for _, piece := range strings.Split(c.initialCluster, ",") {
		if piece = strings.TrimSpace(piece); piece == "" {
			continue
		}
		name, raw, _ := strings.Cut(piece, "=")
		u, err := checkURL(raw)
		if err != nil {
			return fmt.Errorf("error setting up initial cluster: %w", err)
		}
		if seen[u] {
			return fmt.Errorf("initial cluster %s has duplicate url", c.initialCluster)
		}
		seen[u] = true
		c.founders[name] = append(c.founders[name], u)
	}
	own, ok := c.founders[c.name]
	if !ok {
		return fmt.Errorf("couldn't find local name %q in the initial cluster configuration", c.name)
	}
	if len(c.founders) > 1 {
		return fmt.Errorf("--initial-cluster names %d members, and this release forms clusters of one: name this member only", len(c.founders))
	}
	slices.Sort(own)
	if !slices.Equal(own, c.advertisePeer) {
		return fmt.Errorf("--initial-cluster has %s=%s but missing from --initial-advertise-peer-urls=%s",
			c.name, strings.Join(own, ","), c.advertisePeer.String())
	}
	return nil
}

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

// checkURL is raw without blanks if it is a URL to listen on or be reached at.
func checkURL(raw string) (string, error) {
	raw = strings.TrimSpace(raw)
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("URL scheme must be http or https: %s", raw)
	}
	if _, _, err := net.SplitHostPort(u.Host); err != nil {
		return "", fmt.Errorf(`URL address does not have the form "host:port": %s`, raw)
	}
	if u.Path != "" {
		return "", fmt.Errorf("URL must not contain a path: %s", raw)
	}
	return u.String(), nil
}

// urls is a comma-separated list of URLs, kept sorted.
type urls []string

func (u *urls) String() string { return strings.Join(*u, ",") }

func (u *urls) Set(s string) error {
	var all urls
	for _, raw := range strings.Split(s, ",") {
		one, err := checkURL(raw)
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	slices.Sort(all)
	*u = all
	return nil
}

// clusterState says whether a member founds a cluster or joins one.
type clusterState string

func (s *clusterState) String() string { return string(*s) }

func (s *clusterState) Set(v string) error {
	if v != "new" && v != "existing" {
		return errors.New("invalid value")
	}
	*s = clusterState(v)
	return nil
}
