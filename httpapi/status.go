package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"time"

	"keytree/raftlog/member"
	"keytree/stats"
	"keytree/store"
)

// Reporter tells how this member stands. Its methods may be called from any
// goroutine, and write nothing.
type Reporter interface {
	Report(context.Context) (member.Report, error)
	Behind() uint64              // committed entries that the tree has not applied
	Current() <-chan struct{}    // closed once the tree is no older than before the start
	Alive(context.Context) error // nil once the log's loop has turned
	DiskFailure() error          // what the disk has failed of
}

// statusPath is where a member tells what people ask first, on the client port
// and on the peer port.
const statusPath = "/keytree/v1/status"

// status is the answer; docs/openapi.yaml says what the fields mean.
type status struct {
	Member struct {
		memberShown
		Version     string  `json:"version"`
		EtcdVersion string  `json:"etcdVersion"`
		Uptime      float64 `json:"uptimeSeconds"`
		GoVersion   string  `json:"goVersion"`
		RSS         uint64  `json:"rssBytes"`
	} `json:"member"`
	Cluster struct {
		ID      string        `json:"id"`
		Version string        `json:"version"`
		Leader  *leaderShown  `json:"leader"`
		Healthy bool          `json:"healthy"`
		Members []memberShown `json:"members"`
	} `json:"cluster"`
	Raft struct {
		Term      uint64          `json:"term"`
		Committed uint64          `json:"committed"`
		Applied   uint64          `json:"applied"`
		Pending   int             `json:"pending"`
		State     member.State    `json:"state"`
		Followers []followerShown `json:"followers,omitzero"`
	} `json:"raft"`
	Store struct {
		Index      store.Index `json:"index"`
		Watchers   int         `json:"watchers"`
		KeysBytes  int64       `json:"keysBytes"`
		QuotaBytes int64       `json:"quotaBytes"`
	} `json:"store"`
	History struct {
		First    uint64 `json:"first"`
		Last     uint64 `json:"last"`
		Capacity int    `json:"capacity"`
	} `json:"history"`
	Disk struct {
		TreeBytes  uint64 `json:"treeBytes"`
		LogBytes   uint64 `json:"logBytes"`
		FreeBytes  uint64 `json:"freeBytes"`
		TotalBytes uint64 `json:"totalBytes"`
	} `json:"disk"`
	Members []memberStatus `json:"members,omitzero"`
}

type memberShown struct {
	ID         string      `json:"id"`
	Name       string      `json:"name"`
	Role       member.Role `json:"role"`
	PeerURLs   []string    `json:"peerURLs"`
	ClientURLs []string    `json:"clientURLs"`
}

type leaderShown struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	ClientURLs []string `json:"clientURLs"`
}

type followerShown struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Match    uint64          `json:"match"`
	Lag      uint64          `json:"lag"`
	State    member.Progress `json:"state"`
	Active   bool            `json:"active"`
	Snapshot bool            `json:"snapshot"`
}

// status answers statusPath on the client port.
func (a *API) status(r *http.Request) (reply, error) {
	all, err := wantsMembers(r.URL.RawQuery)
	if err != nil {
		return reply{}, err
	}
	s, err := a.ownStatus(r.Context())
	if err != nil {
		return reply{}, err
	}
	if all {
		if s.Members, err = a.gathering.share(r.Context(), a.gather); err != nil {
			return reply{}, err
		}
	}
	return s.reply()
}

// wantsMembers reads the one parameter of statusPath.
func wantsMembers(query string) (bool, error) {
	given, err := url.ParseQuery(query)
	if err != nil {
		return false, &problem{http.StatusBadRequest, err.Error()}
	}
	if !given.Has("members") {
		return false, nil
	}
	all, err := strconv.ParseBool(given.Get("members"))
	if err != nil {
		return false, &problem{http.StatusBadRequest, "members must be true or false"}
	}
	return all, nil
}

// peerStatus answers statusPath on the peer port: it asks nobody else.
func (a *API) peerStatus(r *http.Request) (reply, error) {
	s, err := a.ownStatus(r.Context())
	if err != nil {
		return reply{}, err
	}
	return s.reply()
}

func (s *status) reply() (reply, error) {
	body, err := json.Marshal(s)
	return reply{content: contentJSON, body: append(body, '\n')}, err
}

// ownStatus is that of this member.
func (a *API) ownStatus(ctx context.Context) (*status, error) {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	report, err := a.Reporter.Report(patient)
	if err != nil && ctx.Err() == nil {
		a.Logger.Warn("the member does not say how it stands", "error", err)
		err = &problem{http.StatusServiceUnavailable, "the member does not say how it stands"}
	}
	if err != nil {
		return nil, err
	}
	members := a.Cluster.Members()
	s := &status{}
	a.showMember(s, members)
	a.showCluster(s, members, &report)
	showRaft(s, members, &report)
	if _, s.Store.Index, err = a.Keyspace.Get(store.Root(store.Keys)); err != nil {
		return nil, err
	}
	s.Store.Watchers, s.Store.KeysBytes = report.Watchers, report.KeysBytes
	if a.Quota != nil {
		s.Store.QuotaBytes = a.Quota.limit
	}
	s.History.First, s.History.Last, s.History.Capacity = report.OldestEvent, report.NewestEvent, report.HistoryCapacity
	s.Disk.TreeBytes, s.Disk.LogBytes = report.TreeBytes, report.LogBytes
	s.Disk.FreeBytes, s.Disk.TotalBytes = report.FreeBytes, report.DiskBytes
	return s, nil
}

func (a *API) showMember(s *status, members []member.Member) {
	self := member.Member{ID: a.Cluster.Self()}
	for _, m := range members {
		if m.ID == self.ID {
			self = m
		}
	}
	m := &s.Member
	m.memberShown = shown(self)
	m.Version, m.EtcdVersion, m.GoVersion = a.Version, Compatible, runtime.Version()
	m.Uptime = time.Since(a.began).Truncate(time.Millisecond).Seconds()
	m.RSS = stats.ResidentBytes()
}

func (a *API) showCluster(s *status, members []member.Member, report *member.Report) {
	c := &s.Cluster
	c.ID, c.Version = a.Cluster.ClusterID().String(), a.Cluster.Version()
	if leader, found := a.Cluster.Leader(); found {
		c.Leader = &leaderShown{leader.ID.String(), leader.Name, listed(leader.ClientURLs)}
		c.Healthy = report.State != member.Leading || leadsMost(report.Followers)
	}
	c.Members = make([]memberShown, len(members))
	for i, m := range members {
		c.Members[i] = shown(m)
	}
}

// leadsMost reports whether most of those who vote hear the leader.
func leadsMost(followers []member.Follower) bool {
	voters, active := 1, 1 // itself
	for _, f := range followers {
		if f.Learner {
			continue
		}
		voters++
		if f.Active {
			active++
		}
	}
	return 2*active > voters
}

func showRaft(s *status, members []member.Member, report *member.Report) {
	r := &s.Raft
	r.Term, r.Committed, r.Applied = report.Term, report.Committed, report.Applied
	r.Pending, r.State = report.Pending, report.State
	if report.State != member.Leading {
		return
	}
	names := map[member.ID]string{}
	for _, m := range members {
		names[m.ID] = m.Name
	}
	r.Followers = make([]followerShown, len(report.Followers))
	for i, f := range report.Followers {
		r.Followers[i] = followerShown{
			ID: f.ID.String(), Name: names[f.ID], Match: f.Match, Lag: f.Lag,
			State: f.Progress, Active: f.Active, Snapshot: f.Progress == member.Restoring,
		}
	}
}

func shown(m member.Member) memberShown {
	role := member.Voter
	if m.Learner {
		role = member.Learner
	}
	return memberShown{m.ID.String(), m.Name, role, listed(m.PeerURLs), listed(m.ClientURLs)}
}

// listed is a list that is never null in JSON.
func listed(urls []string) []string {
	if urls == nil {
		return []string{}
	}
	return urls
}
