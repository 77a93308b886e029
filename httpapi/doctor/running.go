package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const statusPath = "/keytree/v1/status"

// status is what is read of a member's answer at statusPath.
type status struct {
	Member struct {
		ID, Name, Version string
		ClientURLs        []string
	}
	Cluster struct {
		ID      string
		Leader  *struct{ Name string }
		Healthy bool
		Members []struct {
			ID, Name             string
			PeerURLs, ClientURLs []string
		}
	}
	Raft struct {
		Committed, Applied uint64
		Pending            int
		State              string
		Followers          []struct {
			Name, State string
			Lag         uint64
			Active      bool
		}
	}
	Store   struct{ KeysBytes, QuotaBytes int64 }
	Members []struct {
		Name, Error string
		Status      *json.RawMessage
	}
}

const (
	farBehind   = 1000   // entries that the tree of a member may be late
	followerLag = 10_000 // entries that a follower may be late
	manyLost    = 100    // watches since the start
)

// member asks the member that runs how it is.
func (e *exam) member(ctx context.Context) []Finding {
	n := &notes{area: "running member"}
	if e.self == "" {
		n.unchecked("there is none with these settings on this machine")
		return n.all
	}
	client, target, err := e.toSelf(e.self)
	if err != nil {
		n.unchecked("it cannot be asked: %v", err)
		return n.all
	}
	defer client.CloseIdleConnections()
	if e.Proxy {
		e.health(ctx, n, client, target)
		return n.all
	}
	var s status
	if _, err := e.decode(ctx, client, target+statusPath+"?members=true", &s); err != nil {
		n.wrong(fmt.Sprintf("it does not say how it stands: %v", err), "journalctl -u keytree -n 50")
		return n.all
	}
	e.running = &s
	e.judgeLeader(n, &s)
	e.judgeLag(n, &s)
	e.judgeQuota(n, &s)
	if want := e.AdvertiseClient; !slices.Equal(s.Member.ClientURLs, slices.Sorted(slices.Values(want))) {
		n.warn(fmt.Sprintf("it advertises %v, and these settings say %v", s.Member.ClientURLs, want), "sudo systemctl restart keytree")
	}
	e.judgeWatches(ctx, n, client, target)
	return n.all
}

func (e *exam) health(ctx context.Context, n *notes, client *http.Client, target string) {
	var health struct{ Health string }
	if _, err := e.decode(ctx, client, target+"/health", &health); err != nil || health.Health != "true" {
		n.wrong("what it stands before is not healthy", "etcdctl2 cluster-health")
		return
	}
	n.ok("what it stands before is healthy")
}

func (e *exam) judgeLeader(n *notes, s *status) {
	switch {
	case s.Cluster.Leader == nil:
		n.wrong("the cluster has no leader, so nothing can be written: more than half of the members must run and reach each other", "etcdctl2 cluster-health", "sudo systemctl start keytree")
	case !s.Cluster.Healthy:
		n.wrong("the leader does not hear most of the members", "etcdctl2 cluster-health")
	default:
		n.ok("keytree %s, %s of cluster %s, led by %s", s.Member.Version, s.Raft.State, s.Cluster.ID, s.Cluster.Leader.Name)
	}
	for _, m := range s.Members {
		if m.Status == nil {
			n.wrong(fmt.Sprintf("member %s does not answer: %s", named(m.Name), m.Error), "keytree doctor on "+named(m.Name))
		}
	}
}

func named(name string) string {
	if name == "" {
		return "without a name"
	}
	return name
}

func (e *exam) judgeLag(n *notes, s *status) {
	before := len(n.all)
	if late := s.Raft.Committed - min(s.Raft.Applied, s.Raft.Committed); late > farBehind {
		n.warn(fmt.Sprintf("its tree is %d entries behind the log: disk or processors are too slow", late), "iostat -x 1", "top")
	}
	if s.Raft.Pending > farBehind {
		n.warn(fmt.Sprintf("%d writes wait", s.Raft.Pending), "iostat -x 1")
	}
	for _, f := range s.Raft.Followers {
		switch {
		case !f.Active:
			n.wrong(fmt.Sprintf("the leader does not hear follower %s", named(f.Name)), "keytree doctor on "+named(f.Name))
		case f.Lag > followerLag:
			n.warn(fmt.Sprintf("follower %s is %d entries behind (%s)", named(f.Name), f.Lag, f.State), "keytree doctor on "+named(f.Name))
		}
	}
	if len(n.all) == before {
		n.ok("it and its followers have kept up: %d of %d entries applied", s.Raft.Applied, s.Raft.Committed)
	}
}

func (e *exam) judgeQuota(n *notes, s *status) {
	quota, used := s.Store.QuotaBytes, s.Store.KeysBytes
	more := fmt.Sprintf("--quota-bytes %d", 2*quota)
	switch {
	case quota <= 0:
	case used >= quota:
		n.wrong(fmt.Sprintf("the keys take %s, and the quota of %s refuses what makes them grow", size(uint64(used)), size(uint64(quota))), "etcdctl2 rm --recursive /DIR", more)
	case used >= quota/10*8:
		n.warn(fmt.Sprintf("the keys take %s of a quota of %s", size(uint64(used)), size(uint64(quota))), more)
	default:
		n.ok("the keys take %s of a quota of %s", size(uint64(used)), size(uint64(quota)))
	}
}

// judgeWatches looks for clients that have lost events.
func (e *exam) judgeWatches(ctx context.Context, n *notes, client *http.Client, target string) {
	code, body, _, err := fetch(ctx, client, target+"/metrics", e.Host)
	if err != nil || code != http.StatusOK {
		n.unchecked("its metrics cannot be read, which tell of watches that were lost (%d %v)", code, err)
		return
	}
	before := len(n.all)
	if lost := metric(body, "keytree_watches_slow_total"); lost >= manyLost {
		n.warn(fmt.Sprintf("%.0f watches were ended because their clients were too slow", lost), "--watch-history 10000")
	}
	if lost := metric(body, "keytree_watches_cleared_total"); lost >= manyLost {
		n.warn(fmt.Sprintf("%.0f watches asked for events that are no longer kept", lost), "--watch-history 10000")
	}
	if len(n.all) == before {
		n.ok("few watches or none have lost events")
	}
}

// metric adds up what a text of metrics says under a name, whatever the labels.
func metric(text []byte, name string) (sum float64) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), name)
		if !found || rest == "" || rest[0] != ' ' && rest[0] != '{' {
			continue
		}
		if v, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64); err == nil {
			sum += v
		}
	}
	return sum
}

// size is a number of bytes for people.
func size(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	v, i := float64(n)/1024, 0
	for ; v >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return fmt.Sprintf("%.1f %ciB", v, units[i])
}
