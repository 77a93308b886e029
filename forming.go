package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"keytree/discovery"
	"keytree/raftlog/member"
	"keytree/raftlog/peer"
	"keytree/raftlog/replica"
)

const (
	probeTime  = time.Second      // for the others to say that they know this member
	joinTime   = 5 * time.Second  // for one of them to say who is in the cluster
	lookUpTime = 30 * time.Second // for a name to become known
)

// founding says how a member without data begins: as one of the founders of a
// cluster, or in one that runs. The zero founding is of a member that has data
// and goes on with them.
type founding struct {
	founders member.Cluster
	token    string
	join     *replica.Join
}

// errClusterFull says that there is no place for another member, but for a
// proxy.
var errClusterFull = errors.New("discovery cluster full")

// form decides how the member begins, and asks whoever has a say in that. It
// writes nothing: a member that is refused leaves no trace on its disk. It
// comes before listening, so that founders that start together do not wait for
// each other's answers.
func form(ctx context.Context, c *config, secure *security, logger *slog.Logger) (founding, error) {
	f := newForming(c, secure, logger)
	defer f.client.CloseIdleConnections()
	if c.forceNew {
		logger.Warn("force new cluster")
	}
	has, err := replica.HasData(c.memberDir())
	if err != nil {
		return founding{}, err
	}
	if has {
		f.tellIgnored()
		return founding{}, nil
	}
	cluster, token, err := f.intended(ctx, false)
	if err != nil {
		return founding{}, err
	}
	if err := cluster.CheckName(c.name); err != nil {
		return founding{}, err
	}
	if c.state == stateExisting {
		return f.join(ctx, cluster)
	}
	if c.learner() {
		return founding{}, errors.New("a member that founds a cluster votes: add this one to a cluster that runs, and start it with --initial-cluster-state existing")
	}
	return f.bootstrap(ctx, cluster, token)
}

// forming is the search for the other members.
type forming struct {
	*config
	secure *security
	client *http.Client
	logger *slog.Logger
}

func newForming(c *config, secure *security, logger *slog.Logger) *forming {
	transport := &http.Transport{}
	if secured := secure.toPeers(); secured != nil {
		transport.DialTLSContext = secured(new(net.Dialer).DialContext)
	}
	return &forming{config: c, secure: secure, client: &http.Client{Transport: transport}, logger: logger}
}

// tellIgnored says which flags a member with data has no use for.
func (f *forming) tellIgnored() {
	if f.discovery.url != "" {
		f.logger.Warn(fmt.Sprintf("discovery token ignored since a cluster has already been initialized. Valid log found at %q", f.logDir()))
	}
}

// intended is the cluster the flags speak of, and its token. One that is yet
// to be discovered is this member alone. An outsider need not be in it.
func (f *forming) intended(ctx context.Context, outsider bool) (cluster member.Cluster, token string, err error) {
	text := f.initialCluster
	switch {
	case f.discovery.url != "":
		return f.alone(), f.discovery.url, nil
	case f.discovery.domain != "":
		text, err = discovery.FromDNS(ctx, discovery.SRVConfig{
			Domain:      f.discovery.domain,
			ServiceName: f.discovery.suffix,
			Name:        f.name,
			PeerURLs:    f.advertisePeer,
			Outsider:    outsider,
			Logger:      f.logger,
		})
	}
	if err == nil {
		cluster, err = member.ParseCluster(text)
	}
	if err != nil {
		return nil, "", fmt.Errorf("error setting up initial cluster: %w", err)
	}
	return cluster, f.token, nil
}

// bootstrap makes the member a founder of the cluster.
func (f *forming) bootstrap(ctx context.Context, cluster member.Cluster, token string) (founding, error) {
	if err := cluster.CheckAdvertised(ctx, f.name, f.advertisePeer, f.lookUp); err != nil {
		return founding{}, err
	}
	if err := cluster.CheckDistinct(); err != nil {
		return founding{}, err
	}
	id := member.NewID(cluster[f.name], token)
	if f.isKnown(ctx, id, cluster.Others(f.name)) {
		return founding{}, bootstrapped(id)
	}
	if f.discovery.url != "" {
		if err := f.tryPorts(); err != nil {
			return founding{}, err
		}
		var err error
		if cluster, err = f.discover(ctx, id); err != nil {
			return founding{}, err
		}
	}
	return founding{founders: cluster, token: token}, nil
}

// tryPorts makes sure that the member will be able to listen: once it has
// registered, the others count on it.
func (f *forming) tryPorts() error {
	quiet := slog.New(slog.DiscardHandler)
	peers, err := listen(f.listenPeer, "peers", f.secure.forPeers(), quiet)
	if err != nil {
		return err
	}
	defer closeAll(peers)
	clients, err := f.listenForClients(f.secure.forClients(), quiet)
	closeAll(clients)
	return err
}

// isKnown reports whether one of the others knows the member from an earlier
// life. It would come back without what it has promised them.
func (f *forming) isKnown(ctx context.Context, id member.ID, others []string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var known atomic.Bool // set by any of the probes, read after all of them
	var probes sync.WaitGroup
	for _, u := range others {
		probes.Go(func() {
			c, err := peer.Ask(ctx, f.client, u)
			if err == nil && hasStarted(c.Members, id) {
				known.Store(true)
			}
		})
	}
	probes.Wait()
	return known.Load()
}

func hasStarted(members []member.Member, id member.ID) bool {
	return slices.ContainsFunc(members, func(m member.Member) bool { return m.ID == id && len(m.ClientURLs) > 0 })
}

func bootstrapped(id member.ID) error {
	return fmt.Errorf("member %v has already been bootstrapped: its data are lost, so remove it from the cluster, add it again, and start it with --initial-cluster-state existing", id)
}

// discover meets the other founders at the discovery URL.
func (f *forming) discover(ctx context.Context, id member.ID) (member.Cluster, error) {
	c := f.discoveryAs(id)
	text, err := discovery.Join(ctx, c)
	if errors.Is(err, discovery.ErrFull) && f.discovery.fallback == fallbackProxy {
		return nil, errClusterFull
	}
	if err != nil {
		return nil, explained{err, c.Explain(err)}
	}
	cluster, err := member.ParseCluster(text)
	if err != nil {
		return nil, err
	}
	if cluster.CheckDistinct() != nil {
		return nil, fmt.Errorf("discovery cluster %v has duplicate url", cluster)
	}
	return cluster, cluster.CheckName(f.name)
}

// discoveryAs is how id goes about discovery.
func (f *forming) discoveryAs(id member.ID) discovery.Config {
	return discovery.Config{
		URL:          f.discovery.url,
		Self:         id,
		Registration: f.alone().String(),
		Proxy:        f.discovery.proxy,
		DataDir:      f.dataDir,
		Logger:       f.logger,
	}
}

// join makes the member one of a cluster that runs and has been told of it.
func (f *forming) join(ctx context.Context, cluster member.Cluster) (founding, error) {
	if err := cluster.CheckDistinct(); err != nil {
		return founding{}, err
	}
	if f.discovery.url != "" {
		return founding{}, errors.New("discovery URL should not be set when joining existing initial cluster")
	}
	running, at, err := f.askOthers(ctx, cluster.Others(f.name))
	if err != nil {
		return founding{}, fmt.Errorf("cannot fetch cluster info from peer urls: %w", err)
	}
	if !running.Keytree {
		return founding{}, fmt.Errorf("the members at %s run etcd, and Keytree cannot join their cluster: found one of its own with --initial-cluster-state new, and copy the keys", at)
	}
	ids, err := cluster.Match(ctx, running.ID, running.Members, f.lookUp)
	if err != nil {
		return founding{}, err
	}
	if running.Version == "" { // they have yet to agree on one
		return founding{}, errors.New("incompatible with current running cluster")
	}
	self := ids[f.name]
	if hasStarted(running.Members, self) {
		return founding{}, bootstrapped(self)
	}
	return founding{join: &replica.Join{Self: self, Cluster: running.ID, Members: running.Members}}, nil
}

// askOthers is what the first of the others that answers says of the cluster.
func (f *forming) askOthers(ctx context.Context, others []string) (c peer.Cluster, at string, err error) {
	for _, u := range others {
		if c, err = f.askOne(ctx, u); err == nil {
			return c, u, nil
		}
		if ctx.Err() != nil {
			return c, "", ctx.Err()
		}
		f.logger.Warn(fmt.Sprintf("could not get cluster response from %s: %v", u, err))
	}
	return c, "", errors.New("could not retrieve cluster information from the given URLs")
}

func (f *forming) askOne(ctx context.Context, u string) (peer.Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	return peer.Ask(ctx, f.client, u)
}

// lookUp is the address of a host. A name that nobody knows may be known in a
// moment, where machines start together.
func (f *forming) lookUp(ctx context.Context, host string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	for {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err == nil {
			return found[0].Unmap().String(), nil
		}
		f.logger.Warn("failed to resolve "+host+", trying again", "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return "", err
		}
	}
}

func (c *config) learner() bool { return c.memberRole == string(member.Learner) }

func (c *config) memberDir() string { return filepath.Join(c.dataDir, string(memberRole)) }

// logDir is where the log lies, as its owner thinks of it.
func (c *config) logDir() string {
	if c.walDir != "" {
		return c.walDir
	}
	return filepath.Join(c.memberDir(), "log")
}
