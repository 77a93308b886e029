// Package apitest is a cluster in memory, for tests of what lies above store.
//
// Its members are real ones: trees and logs, on disks in memory. The network
// between them and to their clients is made up, so that links can be cut and
// members stopped, and so that all of it runs inside a testing/synctest
// bubble, where waiting costs nothing. What the members serve is the test's
// to say: this package knows no handlers, and so theirs can use it.
package apitest

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"keytree/raftlog/member"
	"keytree/raftlog/replica"
)

// token enters the identities of founding members.
const token = "etcd-cluster"

// patience is how long the members may take to agree on anything.
const patience = time.Minute

// Servers are what a member serves from a start to the next stop. A nil one
// is not there.
type Servers struct {
	Clients, Peers *http.Server

	// Over puts something in front of Clients; nil: nothing.
	Over func(*http.Server) Server
}

// Server is what serves on a listener: an *http.Server or what is in front of
// one.
type Server interface {
	Serve(net.Listener) error
	Close() error
}

// Cluster is a number of members on one network. Its methods and those of its
// members are called from one goroutine, the test's.
type Cluster struct {
	// Members are all there ever were, founders first, in the order they came.
	Members []*Member

	t       testing.TB
	network *network
	serve   func(*Member) Servers
}

// Open founds a cluster of n members and returns once all of them have
// published themselves. It ends with the test. Several members are called c1,
// c2 and so on, have clients at port 21511 and up and peers at 21521 and up; a
// lone one is called node1, at 21379 and 21380. These are the names and URLs
// of the recordings, so the IDs are theirs too.
//
// serve is called whenever a member starts; nil: nothing is served.
func Open(t testing.TB, n int, serve func(*Member) Servers) *Cluster {
	t.Helper()
	founders := map[string][]string{}
	for i := range n {
		name, _, peer := places(i, n)
		founders[name] = []string{peer}
	}
	return open(t, n, serve, func(_ int, m *Member) {
		m.id = member.NewID(founders[m.Name], token)
		m.config.Founders, m.config.Token = founders, token
	})
}

// OpenOn is Open with members that are on their disks already, under the names
// that Open would give them.
func OpenOn(t testing.TB, disks []Disk, serve func(*Member) Servers) *Cluster {
	t.Helper()
	return open(t, len(disks), serve, func(i int, m *Member) {
		m.id, m.config.FS = disks[i].Member, disks[i].FS
	})
}

// Disk is where a member is, in the directory NAME.etcd/member.
type Disk struct {
	Member member.ID
	FS     *vfs.MemFS
}

// open starts n members when begin has said how each of them begins.
func open(t testing.TB, n int, serve func(*Member) Servers, begin func(i int, m *Member)) *Cluster {
	t.Helper()
	c := &Cluster{t: t, network: newNetwork(), serve: serve}
	t.Cleanup(c.close)
	for i := range n {
		name, client, peer := places(i, n)
		m := c.newMember(name, client, peer)
		begin(i, m)
		m.config.Transport = c.network.link(m.id)
	}
	for _, m := range c.Members {
		m.Start()
	}
	for _, m := range c.Members {
		m.AwaitReady()
	}
	return c
}

// places are the name and the URLs of the ith of n members.
func places(i, n int) (name, client, peer string) {
	if n == 1 {
		return "node1", local(21379), local(21380)
	}
	return fmt.Sprintf("c%d", i+1), local(21511 + i), local(21521 + i)
}

func local(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// Join starts added, which the cluster knows already, as a member with an
// empty disk, configured as configure says.
func (c *Cluster) Join(added member.Member, name, clientURL string, configure ...func(*replica.Config)) *Member {
	c.t.Helper()
	leader := c.Leader()
	m := c.newMember(name, clientURL, added.PeerURLs[0])
	m.id = added.ID
	m.config.Transport = c.network.link(m.id)
	m.config.Join = &replica.Join{Self: added.ID, Cluster: leader.ClusterID(), Members: leader.Members()}
	for _, change := range configure {
		m.Configure(change)
	}
	m.Start()
	return m
}

// close ends all that runs.
func (c *Cluster) close() {
	for _, m := range c.Members {
		if m.Running() {
			m.Stop()
		}
	}
	c.network.close()
}

// Leader is the member that leads. It is waited for. A member that was cut off
// may go on to think that it leads; the latest term counts.
func (c *Cluster) Leader() *Member {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		var leader *Member
		for _, m := range c.running() {
			if m.Leads() && (leader == nil || leader.Status().Term < m.Status().Term) {
				leader = m
			}
		}
		if leader != nil {
			return leader
		}
	}
	c.t.Fatal("no member leads")
	return nil
}

// Follower is the ith running member, counted from 0, that does not lead.
func (c *Cluster) Follower(i int) *Member {
	c.t.Helper()
	leader := c.Leader()
	rest := slices.DeleteFunc(c.running(), func(m *Member) bool { return m == leader })
	if i >= len(rest) {
		c.t.Fatalf("there is no follower %d, only %d of them run", i, len(rest))
	}
	return rest[i]
}

func (c *Cluster) running() (list []*Member) {
	for _, m := range c.Members {
		if m.Running() {
			list = append(list, m)
		}
	}
	return list
}

// Cut stops what a and b say to each other.
func (c *Cluster) Cut(a, b *Member) { c.network.cut(pair{a.id, b.id}, true) }

// Heal undoes all cuts.
func (c *Cluster) Heal() {
	for _, a := range c.Members {
		for _, b := range c.Members {
			c.network.cut(pair{a.id, b.id}, false)
		}
	}
}

// Client is an HTTP client that reaches the members at their URLs, those for
// clients and those for peers.
func (c *Cluster) Client() *http.Client {
	return &http.Client{Transport: c.network.transport()}
}
