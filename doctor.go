package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keytree/httpapi/doctor"
	"keytree/raftlog/replica"
)

// runDoctor examines the member that the settings describe, and the one that
// runs with them. The exit code is 1 if something is wrong, and 2 if it is the
// command line.
func runDoctor(args, environ []string, stdout, stderr io.Writer) int {
	e := examine(args, environ)
	if e.help || e.version {
		return misused("doctor", stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report := &checkup{out: stdout, asJSON: e.asJSON, Findings: []doctor.Finding{}}
	doctor.Examine(ctx, e.subject(), report.tell)
	if err := report.end(); err != nil {
		fmt.Fprintln(stderr, "keytree:", err)
		return 1
	}
	switch {
	case e.usage:
		return 2
	case report.Wrong > 0 || ctx.Err() != nil:
		return 1
	}
	return 0
}

// checkup is what doctor tells: lines as it goes, or all at once in JSON.
type checkup struct {
	out    io.Writer
	asJSON bool
	err    error

	Wrong    int              `json:"wrong"`
	Warnings int              `json:"warnings"`
	Findings []doctor.Finding `json:"findings"`
}

func (c *checkup) tell(f doctor.Finding) {
	switch f.State {
	case doctor.Wrong:
		c.Wrong++
	case doctor.Warning:
		c.Warnings++
	}
	c.Findings = append(c.Findings, f)
	if !c.asJSON {
		c.print(f.String())
	}
}

func (c *checkup) print(text string) {
	if _, err := io.WriteString(c.out, text); c.err == nil {
		c.err = err
	}
}

// end sums up, and returns what kept the report from being written.
func (c *checkup) end() error {
	if !c.asJSON {
		c.print(fmt.Sprintf("\n%s: %d wrong, %s\n", plural(len(c.Findings), "finding"), c.Wrong, plural(c.Warnings, "warning")))
		return c.err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	c.print(string(text) + "\n")
	return c.err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// subject is the member in words that doctor understands.
func (e *examined) subject() doctor.Subject {
	c := e.config
	if c.dataDir == "" {
		c.dataDir = c.name + ".etcd"
	}
	memory, source := memoryLimit(os.DirFS("/"))
	s := doctor.Subject{
		Name:            c.name,
		Settings:        e.findings(),
		Proxy:           c.standsIn(),
		Existing:        c.state == stateExisting,
		ListenPeer:      c.listenPeer,
		ListenClient:    c.listenClient,
		ListenMetrics:   c.metricsURLs,
		AdvertisePeer:   c.advertisePeer,
		AdvertiseClient: c.advertiseClient,
		InitialCluster:  c.initialCluster,
		Token:           c.token,
		DiscoveryURL:    c.discovery.url,
		DiscoveryProxy:  c.discovery.proxy,
		DiscoveryDomain: c.discovery.domain,
		DiscoveryName:   c.discovery.suffix,
		Clients:         doctor.TLS{Files: c.clientTLS.files(), Auto: c.clientTLS.auto},
		Peers:           doctor.TLS{Files: c.peerTLS.files(), Auto: c.peerTLS.auto},
		DataDir:         c.dataDir,
		LogDir:          c.walDir,
		Data:            c.data(),
		Heartbeat:       c.tick(),
		Election:        time.Duration(c.election) * time.Millisecond,
		QuotaBytes:      uint64(c.quotaBytes),
		MemoryBytes:     memory,
		MemorySource:    source,
		Own:             c.toOwn,
	}
	if c.clientDefault {
		s.Spare = legacyClientURL
	}
	if names := c.hostWhitelist; len(names) > 0 && !slices.Contains(names, "*") {
		s.Host = names[0]
	}
	return s
}

// standsIn reports whether the process will be a proxy: what it was before
// counts more than what the flags say.
func (c *config) standsIn() bool {
	is := func(r role) bool {
		info, err := os.Stat(filepath.Join(c.dataDir, string(r)))
		return err == nil && info.IsDir()
	}
	return is(proxyRole) || !is(memberRole) && c.proxy.mode != proxyOff
}

// data says whose they are.
func (c *config) data() (d doctor.Data) {
	if _, err := replica.HasData(c.memberDir()); err != nil { // it knows etcd's
		return doctor.Data{Err: err}
	}
	d.Member, d.Cluster, d.Found, d.Err = replica.Whose(c.memberDir())
	return d
}

// toOwn is toSelf for the listeners of clients and of peers.
func (c *config) toOwn(raw string) (*http.Transport, error) {
	if !slices.Contains(c.listenPeer, raw) || strings.HasPrefix(raw, "unix") {
		return c.toSelf(raw)
	}
	as := *c
	as.clientTLS = c.peerTLS
	return as.toSelf(raw)
}
