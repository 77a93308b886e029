package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"keytree/httpapi"
	"keytree/httpapi/auth"
	"keytree/raftlog/member"
	"keytree/raftlog/peer"
	"keytree/raftlog/replica"
	"keytree/stats"
)

// stopPatience is how long requests under way may take once the member is
// told to stop.
const stopPatience = 700 * time.Millisecond

// runMember runs a member until ctx is done or something it needs fails.
func runMember(ctx context.Context, c *config, secure *security, logger *slog.Logger, level *slog.LevelVar) (err error) {
	begin, err := form(ctx, c, secure, logger)
	if err != nil {
		return err
	}
	open, err := c.openSockets(secure, logger)
	if err != nil {
		return err
	}
	defer open.close()
	journal, err := c.openJournal(logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, journal.close()) }()
	c.logSettings(logger)
	c.memory = useMemory(logger)

	transport := peer.New(c.peerConfig(secure, logger))
	r, err := replica.Open(c.replicaConfig(begin, transport, logger))
	if err != nil {
		return err
	}
	defer func() {
		// After a failure the disk may not let us end in order: what a crash
		// leaves behind is good enough.
		if err == nil {
			err = r.Close()
		}
	}()
	transport.Attach(peer.Attachment{Cluster: r.ClusterID(), Member: r.Self(), Receiver: r, Stats: r.Stats()})
	m := &running{broken: r.Failed(), replica: r, transport: transport, secure: secure, stopping: make(chan struct{}), ended: make(chan error)}
	if err := m.makeServers(c, journal, logger, level); err != nil {
		return err
	}
	err = m.run(ctx, open, []func(context.Context) error{secure.run, journal.run, m.authority.Run, m.trends.Run, rest}, logger)
	if errors.Is(err, replica.ErrRemoved) {
		logger.Error(replica.ErrRemoved.Error())
		logger.Info("the data-dir used by this member must be removed.")
		return nil
	}
	return err
}

// running is a member while it runs.
type running struct {
	replica   *replica.Replica
	transport *peer.Transport
	authority *auth.Authority // who may do what
	trends    *stats.Trends   // how it has fared lately
	secure    *security
	servers
	stopping chan struct{}   // closed when the end begins
	broken   <-chan struct{} // closed when an actor may never end; nil if that cannot be
	actors   int             // goroutines that have not told ended yet
	ended    chan error
}

// start runs an actor. When the first one ends, all are stopped.
func (m *running) start(actor func() error) {
	m.actors++
	go func() { m.ended <- actor() }()
}

// run serves and replicates until ctx is done or an actor ends. Clients are
// served once the tree is where it was before: an older one would make them
// see time run backwards. Beside all that helpers run, for as long as requests do.
func (m *running) run(ctx context.Context, open sockets, helpers []func(context.Context) error, logger *slog.Logger) error {
	carry, stopTransport := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTransport()
	replicate, stopReplica := context.WithCancel(carry)
	defer stopReplica()
	m.start(func() error {
		defer stopTransport() // the log needs it to the end
		return m.replica.Run(replicate)
	})
	m.start(func() error { return m.transport.Run(carry) })
	for _, help := range helpers {
		m.start(func() error { return help(carry) })
	}
	m.serve(m.peers, open.peers)
	m.serve(m.metrics, open.metrics)

	notify := newNotifier(logger)
	caughtUp := notify.busy(ctx, "replaying the log")
	goOn, failure := m.await(ctx, m.replica.Current())
	caughtUp()
	if goOn {
		m.serve(m.clients, open.clients)
		goOn, failure = m.await(ctx, m.replica.Ready())
	}
	if goOn {
		logger.Info("ready to serve client requests")
		stop := notify.ready(ctx, fmt.Sprintf("member %v of cluster %v, ready", m.replica.Self(), m.replica.ClusterID()), m.replica.Alive)
		_, failure = m.await(ctx, nil)
		stop()
	}
	notify.stopping()
	if failure != nil {
		stopTransport() // the others shall see at once that they are on their own
	}
	m.stop(context.WithoutCancel(ctx), failure == nil)
	stopReplica()
	return m.awaitEnd(failure)
}

// endPatience is how long a member that has failed may take to end.
const endPatience = 3 * time.Second

// awaitEnd waits until all actors have ended, or for long enough if something
// has failed, and returns what was wrong with them.
func (m *running) awaitEnd(failure error) error {
	var giveUp <-chan time.Time
	if failure != nil {
		giveUp = time.After(endPatience)
	}
	for ; m.actors > 0; m.actors-- {
		select {
		case err := <-m.ended:
			if failure == nil || err != nil && err.Error() != failure.Error() { // two may tell of the same
				failure = errors.Join(failure, err)
			}
		case <-giveUp:
			return failure
		}
	}
	return failure
}

// await waits for next. It does not go on when ctx or an actor ends sooner.
func (m *running) await(ctx context.Context, next <-chan struct{}) (goOn bool, failure error) {
	select {
	case <-next:
		return true, nil
	case <-ctx.Done():
		return false, nil
	case failure := <-m.ended:
		m.actors--
		return false, failure
	case <-m.broken:
		return false, m.replica.Failure()
	}
}

// serve answers on all of open until the server is stopped.
func (m *running) serve(server httpServer, open []listener) {
	for _, l := range open {
		m.start(func() error {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serving on %s: %w", l.url, err)
			}
			return nil
		})
	}
}

// stop ends the serving: another member is made leader, so that the others can
// go on at once, then there are no new requests, then no watches, then nothing
// under way, or only what takes too long. The log runs on meanwhile, because
// requests need it to finish.
func (m *running) stop(ctx context.Context, healthy bool) {
	close(m.stopping)
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	if healthy {
		m.replica.HandOver(ctx)
	}
	m.replica.EndWatches()
	var ends sync.WaitGroup
	for _, server := range []httpServer{m.clients, m.peers, m.metrics} {
		ends.Go(func() {
			if err := server.Shutdown(ctx); err != nil {
				_ = server.Close() // who did not finish in time is cut off
			}
		})
	}
	ends.Wait()
}

func (c *config) peerConfig(secure *security, logger *slog.Logger) peer.Config {
	dial := (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext // it sets TCP_NODELAY too
	p := peer.Config{Version: Version, Tick: c.tick(), Dial: dial, Logger: logger}
	if secured := secure.toPeers(); secured != nil {
		p.DialTLS = peer.DialFunc(secured(dial))
	}
	return p
}

func (c *config) replicaConfig(begin founding, transport replica.Transport, logger *slog.Logger) replica.Config {
	return replica.Config{
		Name:           c.name,
		Dir:            c.memberDir(),
		LogDir:         c.walDir,
		Founders:       begin.founders,
		Token:          begin.token,
		Join:           begin.join,
		ForceNew:       c.forceNew,
		ClientURLs:     c.advertiseClient,
		Role:           member.Role(c.memberRole),
		Version:        clusterVersion,
		Compatible:     httpapi.Compatible,
		Transport:      transport,
		Tick:           c.tick(),
		Elections:      c.elections(),
		StrictReconfig: c.strictReconfig,
		HistoryLength:  int(c.watchHistory),
		CountBytes:     c.quotaBytes > 0,
		CacheBytes:     c.memory.cache,
		CacheMost:      c.memory.cacheMost,
		NodeCacheBytes: c.memory.nodeCache,
		NodeCacheMost:  c.memory.nodesMost,
		Logger:         logger,
	}
}

// logSettings tells how the member was set up, in the words scripts look for.
func (c *config) logSettings(logger *slog.Logger) {
	for _, line := range []string{
		"name = " + c.name,
		"data dir = " + c.dataDir,
		"member dir = " + c.memberDir(),
		fmt.Sprintf("heartbeat = %dms", c.heartbeat),
		fmt.Sprintf("election = %dms", c.election),
		"advertise client URLs = " + c.advertiseClient.String(),
		"initial advertise peer URLs = " + c.advertisePeer.String(),
		"initial cluster = " + c.initialCluster,
	} {
		logger.Info(line)
	}
}
