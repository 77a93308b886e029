package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/httpapi"
	"keytree/raftlog/replica"
)

// stopPatience is how long requests under way may take once the member is
// told to stop.
const stopPatience = 700 * time.Millisecond

// runMember runs a member until ctx is done or something it needs fails.
func runMember(ctx context.Context, c *config, logger *slog.Logger, level *slog.LevelVar) (err error) {
	logger.Info("keytree Version: " + Version)
	if c.dataDir == "" {
		c.dataDir = c.name + ".etcd"
		logger.Warn("no data-dir provided, using default data-dir ./" + c.dataDir)
	}
	peers, err := listen(c.listenPeer, "peers", logger)
	if err != nil {
		return err
	}
	defer closeAll(peers)
	clients, err := c.listenForClients(logger)
	if err != nil {
		return err
	}
	defer closeAll(clients)
	c.logSettings(logger)

	r, err := replica.Open(c.replicaConfig(logger))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	registry := prometheus.NewRegistry()
	if err := r.Stats().Register(registry); err != nil {
		return err
	}
	stopping := make(chan struct{})
	api := httpapi.New(httpapi.Config{
		Keyspace:       r,
		Cluster:        r,
		Progress:       r,
		Stats:          r.Stats(),
		Metrics:        registry,
		RaftStatus:     r.StatusJSON,
		Logger:         logger,
		LogLevel:       level,
		Version:        Version,
		RequestTimeout: -1, // the replica's own
		Stopping:       stopping,
		EnablePprof:    c.enablePprof || c.debug,
	})
	if c.enablePprof || c.debug {
		logger.Info("pprof is enabled under /debug/pprof")
	}
	go func() {
		select {
		case <-r.Ready():
			logger.Info("ready to serve client requests")
		case <-stopping:
		}
	}()
	server := httpapi.NewServer(api, logger)
	return runTogether(ctx, r, server, clients, stopping)
}

// runTogether serves and replicates until ctx is done or one of the two ends.
// Then it stops both: first no new requests, then the watches, then what is
// under way, last the log that those needed.
func runTogether(ctx context.Context, r *replica.Replica, server *http.Server, clients []listener, stopping chan struct{}) error {
	ended := make(chan error, len(clients)+1)
	replicaCtx, stopReplica := context.WithCancel(context.WithoutCancel(ctx))
	defer stopReplica()
	go func() { ended <- r.Run(replicaCtx) }()
	running := 1

	var failure error
	replayed := r.Replayed()
	for failure == nil && running > 0 && ctx.Err() == nil {
		select {
		case <-replayed:
			replayed = nil
			for _, l := range clients {
				running++
				go func() { ended <- serve(server, l) }()
			}
		case <-ctx.Done():
		case failure = <-ended:
			running--
		}
	}
	close(stopping)
	r.EndWatches()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	if err := server.Shutdown(drain); err != nil {
		_ = server.Close() // who did not finish in time is cut off
	}
	stopReplica()
	for ; running > 0; running-- {
		failure = errors.Join(failure, <-ended)
	}
	return failure
}

// serve answers on l until the server is stopped.
func serve(server *http.Server, l listener) error {
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving clients on %s: %w", l.url, err)
	}
	return nil
}

func (c *config) replicaConfig(logger *slog.Logger) replica.Config {
	return replica.Config{
		Name:          c.name,
		Dir:           filepath.Join(c.dataDir, "member"),
		LogDir:        c.walDir,
		Founders:      c.founders,
		Token:         c.token,
		ClientURLs:    c.advertiseClient,
		Version:       clusterVersion,
		Compatible:    httpapi.Compatible,
		Tick:          c.tick(),
		Elections:     c.elections(),
		HistoryLength: int(c.watchHistory),
		Logger:        logger,
	}
}

// logSettings tells how the member was set up, in the words scripts look for.
func (c *config) logSettings(logger *slog.Logger) {
	for _, line := range []string{
		"name = " + c.name,
		"data dir = " + c.dataDir,
		"member dir = " + filepath.Join(c.dataDir, "member"),
		fmt.Sprintf("heartbeat = %dms", c.heartbeat),
		fmt.Sprintf("election = %dms", c.election),
		"advertise client URLs = " + c.advertiseClient.String(),
		"initial advertise peer URLs = " + c.advertisePeer.String(),
		"initial cluster = " + c.initialCluster,
	} {
		logger.Info(line)
	}
}
