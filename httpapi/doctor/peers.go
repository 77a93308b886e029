package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"keytree/httpapi/tlsfiles"
	"keytree/raftlog/member"
	"keytree/raftlog/peer"
)

// clocksApart is how far clocks may be off before it is told.
const clocksApart = time.Second

// probes are how often a peer is timed; the quickest answer counts.
const probes = 3

// target is a peer URL of another member.
type target struct{ name, raw string }

// reached is what a peer has told.
type reached struct {
	target
	cluster   peer.Cluster
	roundTrip time.Duration
	ahead     time.Duration // its clock
	about     bool          // its clock is known to the second only
	err       error
}

// peers asks every other member.
func (e *exam) peers(ctx context.Context) []Finding {
	n := &notes{area: "peers"}
	targets := e.targets()
	if len(targets) == 0 {
		n.unchecked("no other member is known")
		return n.all
	}
	client, err := e.toPeers()
	if err != nil {
		n.unchecked("they cannot be called with these certificates: %v", err)
		return n.all
	}
	defer client.CloseIdleConnections()
	all := make([]reached, len(targets))
	findings := each(targets, func(i int, to target) []Finding {
		n := &notes{area: "peers"}
		if placeOf(to.raw).file != "" {
			n.unchecked("%s is at %s, a file on its machine", to.name, to.raw)
			return n.all
		}
		all[i] = e.reach(ctx, client, to)
		e.judge(ctx, n, &all[i])
		return n.all
	})
	e.agree(n, all)
	return append(findings, n.all...)
}

// targets are those the running member knows, or those to be met.
func (e *exam) targets() (all []target) {
	if s := e.running; s != nil {
		for _, m := range s.Cluster.Members {
			if m.ID == s.Member.ID {
				continue
			}
			for _, raw := range m.PeerURLs {
				all = append(all, target{m.Name, raw})
			}
		}
		return all
	}
	cluster := e.cluster
	if cluster == nil {
		cluster = e.discovered
	}
	for _, name := range slices.Sorted(maps.Keys(cluster)) {
		if name == e.Name && !e.Proxy {
			continue
		}
		for _, raw := range cluster[name] {
			all = append(all, target{name, raw})
		}
	}
	return all
}

// toPeers is a client that calls as the member would.
func (e *exam) toPeers() (*http.Client, error) {
	t := &http.Transport{DialContext: e.dial, MaxIdleConnsPerHost: 1}
	c := e.Peers.Files
	switch {
	case e.Peers.made():
		t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} // nobody vouches for theirs either
	case c.CertFile != "" || c.TrustedCAFile != "":
		files, err := tlsfiles.Open(c)
		if err != nil {
			return nil, err
		}
		t.DialTLSContext = files.Dialer(e.dial)
	}
	return &http.Client{Transport: t, CheckRedirect: stay}, nil
}

// reach asks one URL for all that it tells, within patience.
func (e *exam) reach(ctx context.Context, client *http.Client, to target) reached {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r := reached{target: to}
	if r.cluster, r.err = peer.Ask(ctx, client, to.raw); r.err != nil {
		return r
	}
	for range probes {
		began := time.Now()
		status, body, header, err := fetch(ctx, client, strings.TrimSuffix(to.raw, "/")+"/raft/probing", "")
		took := time.Since(began)
		if err != nil {
			break // it has answered what counts
		}
		if r.roundTrip != 0 && took >= r.roundTrip {
			continue
		}
		r.roundTrip = max(took, 1)
		var health struct{ Now time.Time }
		if status != http.StatusOK || json.Unmarshal(body, &health) != nil || health.Now.IsZero() {
			health.Now, err = http.ParseTime(header.Get("Date"))
			r.about = true
		}
		if err == nil {
			r.ahead = health.Now.Sub(began.Add(took / 2))
		}
	}
	return r
}

// judge says how one peer is.
func (e *exam) judge(ctx context.Context, n *notes, r *reached) {
	if r.err != nil {
		e.unreached(n, r)
		return
	}
	before := len(n.all)
	at := r.name + " at " + r.raw
	if !r.cluster.Keytree {
		n.wrong(at+" runs etcd, which Keytree cannot share a cluster with", "--initial-cluster-state new with a cluster of its own, and the keys copied")
		return
	}
	if !e.Proxy {
		e.belongs(ctx, n, r)
	}
	apart := clocksApart
	about := ""
	if r.about {
		apart, about = 2*clocksApart, "about "
	}
	if r.ahead.Abs() > apart {
		n.warn(fmt.Sprintf("the clock of %s is %s%v off from this one", at, about, r.ahead.Abs().Round(time.Millisecond)), "sudo timedatectl set-ntp true", "sudo chronyc makestep")
	}
	if r.roundTrip > e.Heartbeat && e.Heartbeat > 0 {
		heartbeat := roundUp(r.roundTrip)
		n.warn(fmt.Sprintf("%s takes %v to answer, longer than the heartbeat interval of %v", at, rounded(r.roundTrip), e.Heartbeat),
			fmt.Sprintf("--heartbeat-interval %d --election-timeout %d", heartbeat.Milliseconds(), min(10*heartbeat, 50*time.Second).Milliseconds()))
	}
	if len(n.all) == before {
		n.ok("%s: cluster %v, answers within %v, clock %s%v off", at, r.cluster.ID, rounded(r.roundTrip), about, r.ahead.Abs().Round(time.Millisecond))
	}
}

// unreached says why there was no answer.
func (e *exam) unreached(n *notes, r *reached) {
	p := placeOf(r.raw)
	at := r.name + " at " + r.raw
	knock := []string{"nc -vz " + quoted(p.host) + " " + p.port, "keytree doctor on " + r.name}
	var unknown *net.DNSError
	var refusal *tlsfiles.Refusal
	refused := errors.Is(r.err, syscall.ECONNREFUSED) || errors.Is(r.err, refusedOnWindows)
	switch {
	case refused && !e.Data.Found && !e.Existing && !e.Proxy:
		n.unchecked("%s does not run, or not yet: founders wait for each other", at)
	case refused:
		n.wrong(at+" does not run: its port is closed", "sudo systemctl start keytree on "+r.name)
	case errors.Is(r.err, context.DeadlineExceeded):
		n.wrong(fmt.Sprintf("%s did not answer within %v: a firewall, another address, or a machine that is down", at, patience), knock...)
	case errors.As(r.err, &unknown):
		n.wrong(fmt.Sprintf("the name of %s is not known: %v", at, unknown), "getent hosts "+quoted(p.host))
	case errors.As(r.err, &refusal):
		n.wrong(fmt.Sprintf("the certificate of %s will not do: %v", at, refusal), "--peer-trusted-ca-file with the authority that has signed it", "keytree doctor on "+r.name)
	case strings.Contains(r.err.Error(), "HTTP response to HTTPS client"):
		n.wrong(at+" speaks http, not https", "--initial-cluster with "+quoted("http"+strings.TrimPrefix(r.raw, "https")), "--peer-cert-file and --peer-key-file on "+r.name)
	default:
		n.wrong(fmt.Sprintf("%s cannot be asked: %v", at, r.err), knock...)
	}
}

// belongs compares what the peer knows with what this member is.
func (e *exam) belongs(ctx context.Context, n *notes, r *reached) {
	switch {
	case e.Data.Found:
		e.returns(n, r)
	case e.Existing:
		e.joins(ctx, n, r)
	case e.cluster != nil:
		e.founds(n, r)
	}
}

// returns looks whether the data are of a member that the cluster still has.
func (e *exam) returns(n *notes, r *reached) {
	d := e.Data
	m, listed := inRoster(r.cluster.Members, d.Member)
	switch {
	case r.cluster.ID != d.Cluster:
		n.wrong(fmt.Sprintf("%s at %s is of cluster %v, and the data here are of cluster %v", r.name, r.raw, r.cluster.ID, d.Cluster), "--data-dir with the data of that cluster", "--initial-cluster with the members of this one")
	case !listed:
		n.wrong(fmt.Sprintf("%s at %s does not have member %v, whose data these are: it was removed", r.name, r.raw, d.Member), e.addition(r, d.Member, false)...)
	case m.Name != "" && m.Name != e.Name && !slices.Equal(m.PeerURLs, e.AdvertisePeer):
		n.wrong(fmt.Sprintf("the data here are of member %s at %s, and this one is %s", m.Name, strings.Join(m.PeerURLs, ","), e.Name), "--data-dir with the path of its own", "--name "+quoted(m.Name))
	}
}

// addition are the commands that have the cluster take the member in again,
// after id is gone from it if that is still there.
func (e *exam) addition(r *reached, id member.ID, listed bool) (all []string) {
	endpoint := ""
	for _, m := range r.cluster.Members {
		if len(m.ClientURLs) > 0 && m.ID != id {
			endpoint = "--endpoints " + quoted(m.ClientURLs[0]) + " "
			break
		}
	}
	if listed {
		all = append(all, fmt.Sprintf("etcdctl2 %smember remove %v", endpoint, id))
	}
	if existing(e.DataDir) == filepath.Clean(e.DataDir) {
		all = append(all, fmt.Sprintf("mv %s %s.old", quoted(e.DataDir), quoted(filepath.Clean(e.DataDir))))
	}
	add := fmt.Sprintf("etcdctl2 %smember add %s %s", endpoint, quoted(e.Name), quoted(strings.Join(e.AdvertisePeer, ",")))
	return append(all, add, "--initial-cluster-state existing")
}

// joins looks whether the cluster has been told of this member.
func (e *exam) joins(ctx context.Context, n *notes, r *reached) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ids, err := e.cluster.Match(ctx, r.cluster.ID, r.cluster.Members, e.resolve)
	if err != nil {
		var pieces []string
		for _, m := range r.cluster.Members {
			for _, u := range m.PeerURLs {
				pieces = append(pieces, fmt.Sprintf("%s=%s", named(m.Name), u))
			}
		}
		if slices.ContainsFunc(r.cluster.Members, func(m member.Member) bool { return slices.Equal(m.PeerURLs, e.AdvertisePeer) }) {
			n.wrong("the members of the running cluster are others than --initial-cluster says: "+strings.Join(pieces, ","), "--initial-cluster with exactly these members")
			return
		}
		n.wrong(fmt.Sprintf("%s at %s knows of no member at %s", r.name, r.raw, strings.Join(e.AdvertisePeer, ",")), e.addition(r, 0, false)...)
		return
	}
	if id, ok := ids[e.Name]; ok && started(r.cluster.Members, id) {
		n.wrong(fmt.Sprintf("%s at %s knows this member from before, and its data are gone", r.name, r.raw), e.addition(r, id, true)...)
	}
}

// founds looks whether somebody runs a cluster already where one is to be founded.
func (e *exam) founds(n *notes, r *reached) {
	var ids []member.ID
	for _, urls := range e.cluster {
		ids = append(ids, member.NewID(urls, e.Token))
	}
	own := member.NewID(e.cluster[e.Name], e.Token)
	switch {
	case started(r.cluster.Members, own):
		n.wrong(fmt.Sprintf("%s at %s knows this member from before, and its data are gone", r.name, r.raw), e.addition(r, own, true)...)
	case r.cluster.ID != member.NewClusterID(ids):
		n.wrong(fmt.Sprintf("%s at %s is of cluster %v, and these settings found cluster %v: they have other members or another token", r.name, r.raw, r.cluster.ID, member.NewClusterID(ids)),
			"--initial-cluster and --initial-cluster-token as on "+r.name, "--initial-cluster-state existing")
	}
}

// agree looks whether the peers are of one cluster.
func (e *exam) agree(n *notes, all []reached) {
	clusters, versions := map[string]string{}, map[string]string{}
	for _, r := range all {
		if r.err == nil && r.cluster.Keytree {
			clusters[r.cluster.ID.String()] = r.name
			if r.cluster.Version != "" {
				versions[r.cluster.Version] = r.name
			}
		}
	}
	if len(clusters) > 1 {
		n.wrong(fmt.Sprintf("the peers are of different clusters: %s", strings.Join(slices.Sorted(maps.Keys(clusters)), ", ")), "etcdctl2 member list on each of them")
	}
	if len(clusters) == 1 && len(versions) > 1 {
		n.warn(fmt.Sprintf("the peers have different versions of the cluster: %s", strings.Join(slices.Sorted(maps.Keys(versions)), ", ")), "etcdctl2 cluster-health")
	}
}
