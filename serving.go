package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"keytree/httpapi"
	"keytree/httpapi/auth"
	"keytree/httpapi/conn"
	"keytree/httpapi/console"
	"keytree/stats"
)

// sockets are what a member listens on.
type sockets struct{ clients, peers, metrics []listener }

func (c *config) openSockets(secure *security, logger *slog.Logger) (open sockets, err error) {
	if open.peers, err = listen(c.listenPeer, "peers", secure.forPeers(), logger); err != nil {
		return open, err
	}
	if open.clients, err = c.listenForClients(secure.forClients(), logger); err == nil {
		open.metrics, err = listen(c.metricsURLs, "metrics", secure.forClients(), logger)
	}
	if err != nil {
		open.close()
	}
	return open, err
}

func (s sockets) close() {
	closeAll(s.clients)
	closeAll(s.peers)
	closeAll(s.metrics)
}

// servers answer on them.
type servers struct{ clients, peers, metrics httpServer }

// httpServer is an *http.Server or what stands before one.
type httpServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// The values of --http-engine.
const (
	engineLean = "lean"
	engineStd  = "std"
)

// newClientServer makes the server of the client listeners.
func (c *config) newClientServer(h http.Handler, logger *slog.Logger) httpServer {
	std := httpapi.NewServer(h, logger)
	if c.httpEngine == engineStd {
		return std
	}
	return conn.New(std)
}

// makeServers makes what the member answers with.
func (m *running) makeServers(c *config, journal *journal, logger *slog.Logger, level *slog.LevelVar) error {
	r := m.replica
	m.authority = auth.Open(auth.Config{Tree: r, Hasher: auth.Bcrypt{Cost: int(c.bcryptCost)}, Logger: logger})
	m.trends = stats.NewTrends(r.Stats())
	var quota *httpapi.Quota
	if c.quotaBytes > 0 {
		quota = httpapi.NewQuota(int64(c.quotaBytes), r.Bytes)
	}
	registry, err := m.newRegistry(journal, quota)
	if err != nil {
		return err
	}
	api := httpapi.Config{
		Keyspace:        r,
		Cluster:         r,
		Progress:        r,
		Snapshots:       r,
		Pages:           r,
		Reporter:        r,
		PeerClient:      m.transport.Client(),
		Auth:            m.authority,
		ClientCertAuth:  c.clientTLS.clientCertAuth || c.clientTLS.caFile != "",
		Stats:           r.Stats(),
		Trends:          m.trends,
		Metrics:         registry,
		RaftStatus:      r.StatusJSON,
		Logger:          logger,
		LogLevel:        level,
		Version:         Version,
		RequestTimeout:  -1, // the replica's own
		Stopping:        m.stopping,
		EnablePprof:     c.enablePprof || c.debug,
		MaxRequestBytes: int64(c.maxRequestBytes),
		Quota:           quota,
	}
	if c.enableUI {
		api.Console = console.New()
	}
	if api.EnablePprof {
		logger.Info("pprof is enabled under /debug/pprof")
	}
	m.clients = c.newClientServer(journal.audited(c.gated(httpapi.New(api), logger)), logger)
	m.peers = httpapi.NewServer(forPeers(m.transport.Handler(), httpapi.NewPeerHandler(api)), logger)
	m.metrics = httpapi.NewServer(httpapi.NewMetricsHandler(api), logger)
	return nil
}

// gated is what clients reach through the rules of c for browsers and names.
func (c *config) gated(next http.Handler, logger *slog.Logger) http.Handler {
	return httpapi.Gate(next, httpapi.GateConfig{CORS: c.cors, Hosts: c.hostWhitelist, Logger: logger})
}

// forPeers answers what members ask of each other: raft's messages below
// /raft, and questions that people may ask too.
func forPeers(raft, questions http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/raft" || strings.HasPrefix(r.URL.Path, "/raft/") {
			raft.ServeHTTP(w, r)
			return
		}
		questions.ServeHTTP(w, r)
	})
}
