package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/discovery"
	"keytree/httpapi"
	"keytree/httpapi/proxy"
	"keytree/httpapi/tlsfiles"
	"keytree/raftlog/member"
	"keytree/raftlog/peer"
	"keytree/stats"
)

// runProxy stands in for a cluster until ctx is done.
func runProxy(ctx context.Context, c *config, secure *security, logger *slog.Logger) error {
	logger.Info("proxy: this proxy supports v2 API only!")
	f := newForming(c, secure, logger)
	defer f.client.CloseIdleConnections()
	peers, err := f.proxyPeers(ctx)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	p, err := proxy.Open(f.proxyConfig(peers, registry))
	if err != nil {
		return err
	}
	if err := errors.Join(p.Register(registry), registry.Register(stats.NewBuild(Version)), secure.register(registry)); err != nil {
		return err
	}
	open, err := c.listenForClients(secure.forClients(), logger)
	if err != nil {
		return err
	}
	defer closeAll(open)
	handler := c.gated(p.Handler(), logger)
	server := httpServer(httpapi.NewServer(handler, logger))
	if c.proxy.fanout { // for a crowd of watches: it holds them in less than half the memory
		server = c.newClientServer(handler, logger)
	}
	return serveProxy(ctx, p, server, open, secure, logger)
}

// serveProxy serves p on open until ctx is done or one of them fails.
func serveProxy(ctx context.Context, p *proxy.Proxy, server httpServer, open []listener, secure *security, logger *slog.Logger) error {
	follow, stopProxy := context.WithCancel(context.WithoutCancel(ctx))
	defer stopProxy()
	r := &running{ended: make(chan error)}
	r.start(func() error { return p.Run(follow) })
	r.start(func() error { return secure.run(follow) })
	notify := newNotifier(logger)
	goOn, failure := r.await(ctx, p.Ready())
	if goOn {
		r.serve(server, open)
		for _, l := range open {
			logger.Info("proxy: listening for client requests on " + l.url)
		}
		stop := notify.ready(ctx, "proxy, ready", nil)
		_, failure = r.await(ctx, nil)
		stop()
	}
	notify.stopping()
	p.EndWatches()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		_ = server.Close() // who did not finish in time is cut off
	}
	stopProxy()
	return r.awaitEnd(failure)
}

func (f *forming) proxyConfig(peers []string, registry *prometheus.Registry) proxy.Config {
	milliseconds := func(n uint) time.Duration { return time.Duration(n) * time.Millisecond }
	p := proxy.Config{
		PeerURLs:        peers,
		Dir:             f.proxyDir(),
		Readonly:        f.proxy.mode == proxyReadonly,
		FailureWait:     milliseconds(f.proxy.failureWait),
		RefreshInterval: milliseconds(f.proxy.refresh),
		DialTimeout:     milliseconds(f.proxy.dialTimeout),
		WriteTimeout:    milliseconds(f.proxy.writeTimeout),
		ReadTimeout:     milliseconds(f.proxy.readTimeout),
		Ask: func(ctx context.Context, url string) ([]member.Member, error) {
			c, err := peer.Ask(ctx, f.client, url)
			return c.Members, err
		},
		CORS:            len(f.cors) > 0,
		Fanout:          f.proxy.fanout,
		MaxRequestBytes: int64(f.maxRequestBytes),
		Metrics:         registry,
		Logger:          f.logger,
	}
	if secured := f.secure.toMembers(); secured != nil {
		p.TLS = func(d proxy.DialFunc) proxy.DialFunc { return proxy.DialFunc(secured(tlsfiles.DialFunc(d))) }
	}
	return p
}

// proxyPeers are the URLs at which a proxy asks for the members, unless it
// knows them from before.
func (f *forming) proxyPeers(ctx context.Context) ([]string, error) {
	known := filepath.Join(f.proxyDir(), "cluster")
	if _, err := os.Stat(known); !errors.Is(err, fs.ErrNotExist) {
		if f.discovery.url != "" {
			f.logger.Warn(fmt.Sprintf("discovery token ignored since the proxy has already been initialized. Valid cluster file found at %q", known))
		}
		return nil, err
	}
	if f.discovery.url == "" {
		cluster, _, err := f.intended(ctx, true)
		return cluster.URLs(), err
	}
	c := f.discoveryAs(0)
	text, err := discovery.Cluster(ctx, c)
	if err != nil {
		return nil, explained{err, c.Explain(err)}
	}
	cluster, err := member.ParseCluster(text)
	return cluster.URLs(), err
}

func (c *config) proxyDir() string { return filepath.Join(c.dataDir, string(proxyRole)) }
