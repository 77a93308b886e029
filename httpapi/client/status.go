package client

import (
	"context"
	"net/http"
	"net/url"
)

// Status is how a Keytree server and its cluster are.
type Status struct {
	Member struct {
		StatusMember
		Version       string  `json:"version"`       // of Keytree
		EtcdVersion   string  `json:"etcdVersion"`   // the etcd it answers like
		UptimeSeconds float64 `json:"uptimeSeconds"` // since it began to serve
		GoVersion     string  `json:"goVersion"`
		RSSBytes      uint64  `json:"rssBytes"` // 0: unknown
	} `json:"member"`

	Cluster struct {
		ID      string         `json:"id"`
		Version string         `json:"version"` // empty: undecided
		Leader  *StatusMember  `json:"leader"`  // its ID, name and client URLs; nil: none is known
		Healthy bool           `json:"healthy"`
		Members []StatusMember `json:"members"`
	} `json:"cluster"`

	Raft struct {
		Term      uint64           `json:"term"`
		Committed uint64           `json:"committed"` // a position, as Applied
		Applied   uint64           `json:"applied"`
		Pending   int              `json:"pending"`   // proposals that wait for their outcome
		State     string           `json:"state"`     // leader, follower, candidate, learner
		Followers []StatusFollower `json:"followers"` // nil: it does not lead
	} `json:"raft"`

	Store struct {
		Index      uint64 `json:"index"`
		Watchers   int    `json:"watchers"`
		KeysBytes  int64  `json:"keysBytes"`  // 0 where there is no quota
		QuotaBytes int64  `json:"quotaBytes"` // 0: there is none
	} `json:"store"`

	History struct {
		First    uint64 `json:"first"` // the oldest index that is kept; 0: none
		Last     uint64 `json:"last"`
		Capacity int    `json:"capacity"` // events
	} `json:"history"`

	Disk struct {
		TreeBytes  uint64 `json:"treeBytes"`
		LogBytes   uint64 `json:"logBytes"`
		FreeBytes  uint64 `json:"freeBytes"`  // of the file system of the tree; 0: unknown
		TotalBytes uint64 `json:"totalBytes"` // of the same
	} `json:"disk"`

	Members []MemberStatus `json:"members"` // nil: they were not asked for
}

// StatusMember is a member as a status tells of it.
type StatusMember struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"` // empty: it has not started yet
	Role       string   `json:"role"` // voter, learner
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
}

// StatusFollower is a follower as the leader sees it.
type StatusFollower struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Match    uint64 `json:"match"` // the position up to which it has the log
	Lag      uint64 `json:"lag"`   // committed entries it does not have
	State    string `json:"state"` // probe, replicate, snapshot
	Active   bool   `json:"active"`
	Snapshot bool   `json:"snapshot"` // it is being sent the whole tree
}

// MemberStatus is what one member says of itself.
type MemberStatus struct {
	ID     string  `json:"id"`
	Name   string  `json:"name"`
	Status *Status `json:"status"` // nil: it could not be asked
	Error  string  `json:"error"`  // why not
}

// Status is that of the server that answers; with members, also what every
// member says of itself. Of etcd, which knows nothing like it, it is a
// *StatusError with 404.
func (c *Client) Status(ctx context.Context, members bool) (*Status, error) {
	q := url.Values{}
	addTrue(q, "members", members)
	s := &Status{}
	if err := c.askJSON(ctx, request{method: http.MethodGet, path: "/keytree/v1/status", query: q}, s, status(http.StatusOK)); err != nil {
		return nil, err
	}
	if s.Member.ID == "" {
		return nil, &InvalidAnswerError{Status: http.StatusOK}
	}
	return s, nil
}
