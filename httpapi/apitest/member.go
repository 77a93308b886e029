package apitest

import (
	"context"
	"errors"

	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog/member"
	"keytree/raftlog/replica"
)

// Member is one member of a Cluster. It keeps its disk while it is stopped.
type Member struct {
	*replica.Replica // a new one after each Start; not to be used after Stop

	Name               string
	PeerURL, ClientURL string

	cluster *Cluster
	id      member.ID
	config  replica.Config
	running *running // nil: stopped
}

// running is a member from a start to the next stop.
type running struct {
	stop    context.CancelFunc
	ended   chan error
	serving sync.WaitGroup // listeners and connections
	servers []Server
}

// newMember makes a member that is yet to be told who it is and how it begins.
func (c *Cluster) newMember(name, clientURL, peerURL string) *Member {
	m := &Member{Name: name, ClientURL: clientURL, PeerURL: peerURL, cluster: c}
	m.config = replica.Config{
		Name:           name,
		Dir:            name + ".etcd/member",
		ClientURLs:     []string{clientURL},
		Version:        "3.4.0",
		Compatible:     "3.4.23",
		StrictReconfig: true,
		CountBytes:     true,
		FS:             vfs.NewCrashableMem(),
	}
	c.Members = append(c.Members, m)
	return m
}

// Running reports whether m runs.
func (m *Member) Running() bool { return m.running != nil }

// Start starts m on the disk it has, and serves.
func (m *Member) Start() {
	t := m.cluster.t
	t.Helper()
	r, err := replica.Open(m.config)
	if err != nil {
		t.Fatalf("starting %s: %v", m.Name, err)
	}
	m.Replica = r
	m.cluster.network.attach(m.id, r)
	ctx, stop := context.WithCancel(context.Background())
	m.running = &running{stop: stop, ended: make(chan error, 1)}
	go func() { m.running.ended <- r.Run(ctx) }()
	if m.cluster.serve == nil {
		return
	}
	all := m.cluster.serve(m)
	m.listen(all.Clients, all.Over, m.ClientURL)
	m.listen(all.Peers, nil, m.PeerURL)
}

// listen serves s at url, with what over puts in front of it.
func (m *Member) listen(s *http.Server, over func(*http.Server) Server, url string) {
	if s == nil {
		return
	}
	l := m.cluster.network.listen(address(url))
	serving := &m.running.serving
	s.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			serving.Add(1) // while the listener's own is there
		case http.StateClosed, http.StateHijacked:
			serving.Done()
		}
	}
	front := Server(s)
	if over != nil {
		front = over(s)
	}
	m.running.servers = append(m.running.servers, front)
	serving.Go(func() {
		if err := front.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			m.cluster.t.Errorf("%s: serving on %s: %v", m.Name, url, err)
		}
	})
}

// Stop ends m as a process does that is told to: another leads, then what m
// serves ends, then what it says to the others.
func (m *Member) Stop() {
	m.cluster.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	m.HandOver(ctx)
	m.closeServers()
	m.running.stop()
	m.end(<-m.running.ended)
}

// AwaitRemoval waits until m ends because it was removed from the cluster.
func (m *Member) AwaitRemoval() {
	m.cluster.t.Helper()
	m.AwaitEnd(replica.ErrRemoved)
}

// AwaitEnd waits until m ends by itself, for the reason given.
func (m *Member) AwaitEnd(why error) {
	m.cluster.t.Helper()
	select {
	case err := <-m.running.ended:
		if !errors.Is(err, why) {
			m.cluster.t.Errorf("%s ended with %v, want %v", m.Name, err, why)
		}
		m.closeServers()
		m.end(nil)
	case <-time.After(patience):
		m.cluster.t.Fatalf("%s goes on, in spite of: %v", m.Name, why)
	}
}

// Kill ends m as kill -9 does: it says nothing more to anybody.
func (m *Member) Kill() {
	m.cluster.t.Helper()
	m.cluster.network.detach(m.id)
	m.closeServers()
	m.running.stop()
	m.end(<-m.running.ended)
}

// Crash ends m as a power cut does: nothing more is said, and what was not
// synced is lost.
func (m *Member) Crash() {
	m.cluster.t.Helper()
	m.cluster.network.detach(m.id)
	left := m.config.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
	m.Kill()
	m.config.FS = left
}

// closeServers returns when no handler runs any more.
func (m *Member) closeServers() {
	for _, s := range m.running.servers {
		_ = s.Close() // of a listener in memory
	}
	m.EndWatches()
	m.running.serving.Wait()
}

// end closes m, whose replica has ended with err.
func (m *Member) end(err error) {
	m.cluster.t.Helper()
	m.cluster.network.detach(m.id)
	if err := errors.Join(err, m.Close()); err != nil {
		m.cluster.t.Errorf("%s ended: %v", m.Name, err)
	}
	m.running = nil
}

// AwaitReady waits until m has published itself.
func (m *Member) AwaitReady() {
	m.cluster.t.Helper()
	select {
	case <-m.Ready():
	case <-time.After(patience):
		m.cluster.t.Fatalf("%s does not become ready: %+v", m.Name, m.Status())
	}
}

// Isolate cuts m off from all other members there are. Clients reach it as
// before.
func (m *Member) Isolate() {
	for _, other := range m.cluster.Members {
		if other != m {
			m.cluster.Cut(m, other)
		}
	}
}

// Dial connects to m as a client does.
func (m *Member) Dial() (net.Conn, error) { return m.cluster.network.dial(address(m.ClientURL)) }

// DialPeer connects to m as another member does.
func (m *Member) DialPeer() (net.Conn, error) { return m.cluster.network.dial(address(m.PeerURL)) }

// address is the host and port in a URL.
func address(url string) string {
	_, hostport, _ := strings.Cut(url, "://")
	return hostport
}
