// Package proxy stands in for a cluster on a machine that is no member: it
// hands each request to one of the members and their answer back, as etcd's
// v2 proxy does.
//
// It finds the members by asking their peer URLs, and keeps what it knew when
// nobody answers. It tries again what can be tried again, and says so when it
// cannot tell what became of a request.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/raftlog/member"
)

// Config is what a Proxy needs. Dir, Ask and, at the first start, PeerURLs
// are required.
type Config struct {
	PeerURLs []string // whom to ask for the members, while Dir does not know better
	Dir      string   // where the peer URLs of the members are kept
	Readonly bool     // only GET passes

	// MaxRequestBytes is how long a body may be; default 10 MiB. Members have a
	// limit of their own, which should be the same.
	MaxRequestBytes int64

	// CORS says that there is a gate before the proxy that decides about the
	// pages of other origins: what members say about them is not passed on, and
	// members are not told of the origin.
	CORS bool

	// Fanout has clients that watch the same share one watch of a member.
	Fanout bool

	FailureWait     time.Duration // how long an endpoint that failed is left alone; default 5 s
	RefreshInterval time.Duration // between two looks at who the members are; default 30 s
	DialTimeout     time.Duration // default 1 s
	WriteTimeout    time.Duration // of each piece sent to a member; default 5 s
	ReadTimeout     time.Duration // of each piece of an answer; it cuts quiet watches; default: none

	// TLS makes of a DialFunc one that greets in TLS whom it reached: members
	// with https URLs. Default: by the system's rules.
	TLS func(DialFunc) DialFunc

	// Ask returns the members as the one at the peer URL knows them. It is
	// called by one goroutine and ends with its context at the latest.
	Ask func(ctx context.Context, url string) ([]member.Member, error)

	Metrics prometheus.Gatherer // what /metrics shows; default: nothing
	Logger  *slog.Logger
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value   *time.Duration
		initial time.Duration
	}{
		{&c.FailureWait, 5 * time.Second},
		{&c.RefreshInterval, 30 * time.Second},
		{&c.DialTimeout, time.Second},
		{&c.WriteTimeout, 5 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.initial
		}
	}
	if c.MaxRequestBytes == 0 {
		c.MaxRequestBytes = maxBody
	}
	if c.Metrics == nil {
		c.Metrics = prometheus.NewRegistry()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Proxy forwards requests to the members of a cluster. Its methods may be
// called from any goroutine.
type Proxy struct {
	config    Config
	counters  *counters
	endpoints *endpoints
	dialer    *dialer
	transport *http.Transport
	handler   http.Handler
	watches   watches
	fanout    *fanout // nil: every watch passes through
	ready     chan struct{}

	// Owned by Run's goroutine.
	peers   []string // whom to ask; never empty
	kept    []string // what the disk knows
	trouble bool     // nobody answered the last time
}

// Open readies a proxy. Nothing is asked until Run. What an earlier run has
// learned of the members goes before c.PeerURLs.
func Open(c Config) (*Proxy, error) {
	c = c.withDefaults()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the proxy's directory: %w", err)
	}
	kept, err := readPeers(c.Dir)
	if err != nil {
		return nil, err
	}
	peers := kept
	if len(peers) == 0 {
		peers = c.PeerURLs
	}
	if len(peers) == 0 {
		return nil, errors.New("proxy: no peer URLs of the cluster's members are given")
	}
	p := &Proxy{
		config:    c,
		counters:  newCounters(),
		endpoints: newEndpoints(c.FailureWait, c.Logger),
		dialer:    newDialer(c),
		ready:     make(chan struct{}),
		peers:     peers,
		kept:      kept,
	}
	if c.Fanout {
		p.fanout = &fanout{Proxy: p}
	}
	p.transport = p.newTransport()
	p.handler = p.newHandler()
	c.Logger.Info("proxy: using peer urls [" + strings.Join(peers, " ") + "]")
	return p, nil
}

// Handler answers everything on the client listeners. It is meant to be
// served by httpapi.NewServer. It may be used before Run: it then answers
// that there is no endpoint.
func (p *Proxy) Handler() http.Handler { return p.handler }

// Ready is closed once the peers were asked for the first time, whatever they
// answered. A proxy that serves sooner refuses requests for that moment.
func (p *Proxy) Ready() <-chan struct{} { return p.ready }

// Register shows the proxy's numbers, and those of its process, in r.
func (p *Proxy) Register(r prometheus.Registerer) error {
	if err := p.counters.register(r); err != nil || p.fanout == nil {
		return err
	}
	return p.fanout.register(r)
}

// EndWatches cuts all watches that pass through, and those to come: a server
// that stops need not wait for them.
func (p *Proxy) EndWatches() { p.watches.end() }

// Run follows the members until ctx is done. It is called once; when it
// returns, its goroutines have ended.
func (p *Proxy) Run(ctx context.Context) error {
	defer p.transport.CloseIdleConnections()
	var probing sync.WaitGroup
	defer probing.Wait()
	probing.Go(func() { p.probeUntilDone(ctx) })
	if p.fanout != nil {
		defer p.fanout.begin(ctx)()
	}
	p.refreshUntilDone(ctx)
	return nil
}
