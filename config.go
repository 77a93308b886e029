package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"keytree/raftlog/member"
)

// config is what the command line, the environment and the file say. Times are
// in milliseconds, as the flags are.
type config struct {
	name, dataDir, walDir string
	heartbeat, election   uint
	watchHistory          uint
	listenPeer            urls
	listenClient          urls
	advertisePeer         urls
	advertiseClient       urls
	metricsURLs           urls
	httpEngine            string // lean or std
	initialCluster        string
	state                 string // new or existing
	memberRole            string // voter or learner; empty: what it was
	token                 string
	discovery             discoveryConfig
	strictReconfig        bool
	forceNew              bool
	proxy                 proxyConfig
	enableV2, enablePprof bool
	enableUI              bool // the web console
	clientTLS, peerTLS    tlsConfig
	cipherSuites          words
	hostWhitelist, cors   words
	maxRequestBytes       count // 0: the dialect's own limit
	quotaBytes            count // 0: none
	bcryptCost            uint
	auditLog              string
	auditReads            bool
	logLevel              string
	logOutputs            words
	formerLogOutput       words
	logPackageLevels      string
	logger                string
	unsafeNoFsync         bool
	legacy                legacyAddresses
	configFile            string
	debug, version, help  bool
	memory                budget          // found out at the start
	given                 map[string]bool // settings that were set to something
	notices               []notice
	clientDefault         bool // listening where newcomers and scripts of 0.4 look
}

// tlsConfig is how one side, the clients' or the peers', is protected.
type tlsConfig struct {
	certFile, keyFile, caFile, trustedCAFile, crlFile string
	allowedCN, allowedHostname                        string
	clientCertAuth, auto, skipSAN                     bool
}

func (t tlsConfig) hasFiles() bool { return t.certFile != "" || t.keyFile != "" }

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
	fanout                                 bool
}

const (
	defaultPeerURL    = "http://localhost:2380"
	legacyClientURL   = "http://localhost:4001"
	defaultClientURLs = "http://localhost:2379," + legacyClientURL
)

const defaultBcryptCost = 10

// defaults is a config before anything is read.
func defaults() *config {
	return &config{
		name: "default", token: "etcd-cluster", state: stateNew,
		heartbeat: 100, election: 1000, watchHistory: 1000,
		discovery:      discoveryConfig{fallback: fallbackProxy},
		strictReconfig: true,
		proxy:          proxyConfig{mode: proxyOff, failureWait: 5000, refresh: 30_000, dialTimeout: 1000, writeTimeout: 5000},
		enableV2:       true,
		enableUI:       true,
		hostWhitelist:  words{"*"},
		bcryptCost:     defaultBcryptCost,
		logLevel:       levelInfo,
		httpEngine:     engineLean,
		logOutputs:     words{outputDefault},
		given:          map[string]bool{},
	}
}

// usageError is a command line that cannot be read: exit code 2. The user has
// been told.
type usageError struct{ error }

// readConfig reads the command line, the environment and the file: what the
// first says goes before what the second says, and that before the third. What
// is wrong with the command line is told on stderr where that is the flag
// package's to do. With an error there is a config still, for its notices.
func readConfig(args, environ []string, stderr io.Writer) (*config, error) {
	c := defaults()
	r := newReading(c)
	rest, err := r.readArguments(args, stderr)
	if err != nil {
		return c, err
	}
	if c.help || c.version {
		return c, nil
	}
	if len(rest) > 0 {
		return c, verification("'%s' is not a valid flag", rest[0])
	}
	if err := r.readOthers(environ); err != nil {
		return c, err
	}
	c.advise()
	c.adviseOnReach()
	return c, nil
}

// readOthers reads what the command line has left open, and checks the whole.
func (r *reading) readOthers(environ []string) error {
	if err := r.readEnvironment(environ); err != nil {
		return err
	}
	if r.configFile != "" {
		if err := r.refuse(r.readFile(r.configFile)); err != nil {
			return err
		}
	}
	r.noticeUnused(r.settings)
	if err := r.fillIn(); err != nil {
		return err
	}
	for _, err := range r.refusals() {
		if err := r.refuse(err); err != nil {
			return err
		}
	}
	return nil
}

// reading is a config that is being read, one source after the other.
type reading struct {
	*config
	settings []setting
	by       map[string]string // who has set a setting
	collect  func(error)       // takes what is wrong, and reading goes on; nil: it ends there
}

// refuse returns err where reading is to end with it.
func (r *reading) refuse(err error) error {
	if err == nil || r.collect == nil {
		return err
	}
	r.collect(err)
	return nil
}

func newReading(c *config) *reading {
	return &reading{config: c, settings: c.settings(), by: map[string]string{}}
}

const (
	byArguments = "the command line"
	byFile      = "the file"
)

// set says that a setting has got a value.
func (r *reading) set(s setting, value, by string) {
	r.by[s.name], r.given[s.name] = by, value != ""
}

// readArguments reads the flags and returns what follows them.
func (r *reading) readArguments(args []string, stderr io.Writer) (rest []string, err error) {
	fs := flag.NewFlagSet("keytree", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprintln(stderr, "usage: keytree [flags]\n       keytree --help    shows all flags") }
	byName := map[string]setting{}
	for _, s := range r.settings {
		fs.Var(s.value, s.name, s.usage)
		byName[s.name] = s
	}
	if err := fs.Parse(args); err != nil {
		if name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); unknown {
			if like := r.closest(name); like != "" {
				fmt.Fprintf(stderr, "did you mean --%s?\n", like)
			}
		}
		return nil, usageError{err}
	}
	fs.Visit(func(f *flag.Flag) { r.set(byName[f.Name], f.Value.String(), byArguments) })
	return fs.Args(), nil
}

// fillIn gives what was left out its default.
func (r *reading) fillIn() error {
	if err := r.refuse(r.useLegacyAddresses()); err != nil {
		return err
	}
	r.useLegacyCAs()
	r.clientDefault = len(r.listenClient) == 0
	if !r.clientDefault && len(r.advertiseClient) == 0 && r.by["listen-client-urls"] == byFile {
		r.advertiseListening()
	}
	fill := func(u *urls, def string) {
		if len(*u) == 0 {
			_ = u.Set(def) // our own defaults are valid
		}
	}
	fill(&r.listenPeer, defaultPeerURL)
	fill(&r.listenClient, defaultClientURLs)
	fill(&r.advertisePeer, defaultPeerURL)
	fill(&r.advertiseClient, defaultClientURLs)
	if r.initialCluster == "" && r.discovery.url == "" && r.discovery.domain == "" {
		r.initialCluster = r.alone().String()
	}
	return nil
}

// advertiseListening advertises the URLs that a file says to listen on: unlike
// the command line it need not say both. Instead of all addresses of the
// machine, which are none to others, it advertises the machine itself to
// itself.
func (c *config) advertiseListening() {
	for _, raw := range c.listenClient {
		if !isWildcard(hostOf(raw)) {
			c.advertiseClient = append(c.advertiseClient, raw)
		}
	}
	if len(c.advertiseClient) == 0 {
		for _, raw := range c.listenClient {
			u, err := url.Parse(raw)
			if err != nil {
				continue // it was parsed before
			}
			u.Host = net.JoinHostPort("localhost", u.Port())
			c.advertiseClient = append(c.advertiseClient, u.String())
		}
		slices.Sort(c.advertiseClient)
		c.advertiseClient = slices.Compact(c.advertiseClient)
	}
	c.given["advertise-client-urls"] = true
	c.warnMending("advertise-client-urls: "+c.advertiseClient.String(), "%s sets listen-client-urls without advertise-client-urls: advertising %v", c.configFile, &c.advertiseClient)
}

// alone is the cluster of this member only.
func (c *config) alone() member.Cluster { return member.Cluster{c.name: c.advertisePeer} }

func (c *config) tick() time.Duration { return time.Duration(c.heartbeat) * time.Millisecond }
func (c *config) elections() int      { return int(c.election / c.heartbeat) }

// notice is what reading the configuration has to say. How much is logged, and
// where to, is configured too: so it waits for the logger.
type notice struct {
	level slog.Level
	text  string
	mend  string // what to do or set instead; empty: the text says it
}

func (c *config) warn(format string, args ...any) { c.warnMending("", format, args...) }

// warnMending is warn by who knows what to do.
func (c *config) warnMending(mend, format string, args ...any) {
	c.notices = append(c.notices, notice{slog.LevelWarn, fmt.Sprintf(format, args...), mend})
}

func (c *config) info(format string, args ...any) {
	c.notices = append(c.notices, notice{slog.LevelInfo, fmt.Sprintf(format, args...), ""})
}
