package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Version is what a server says it is.
type Version struct {
	Server  string `json:"etcdserver"`  // the etcd it speaks like
	Cluster string `json:"etcdcluster"` // what all members can do; not_decided at first
	Keytree string `json:"keytree"`     // empty: it is etcd
}

// Version is that of the server that answers.
func (c *Client) Version(ctx context.Context) (Version, error) {
	var v Version
	err := c.askJSON(ctx, request{method: http.MethodGet, path: "/version"}, &v, status(http.StatusOK))
	return v, err
}

// Health asks one endpoint, which need not be one of the client's, whether it
// can do its work: it is healthy if it knows a leader and a quorum answers.
// An error means that it could not be asked. There is no limit of time but
// that of ctx and of connecting, no user is named, and Trace is not told.
func (c *Client) Health(ctx context.Context, endpoint string) (bool, error) {
	var said struct {
		Health flag `json:"health"`
	}
	_, err := c.askOne(ctx, endpoint, "/health", &said)
	return bool(said.Health), err
}

// flag is true in JSON, or the text of it.
type flag bool

// UnmarshalJSON reads both.
func (f *flag) UnmarshalJSON(text []byte) error {
	*f = strings.Trim(string(text), `"`) == "true"
	return nil
}

// Kinds of figures for Stats.
const (
	StatsSelf   = "self"
	StatsLeader = "leader" // of the leader only
	StatsStore  = "store"
)

// Stats are figures of one endpoint, in the JSON it tells them in. The error
// is a *StatusError where there are none: a member that does not lead has no
// StatsLeader.
func (c *Client) Stats(ctx context.Context, endpoint, kind string) (json.RawMessage, error) {
	var figures json.RawMessage
	got, err := c.askOne(ctx, endpoint, "/v2/stats/"+kind, &figures)
	if err == nil && got != http.StatusOK {
		return nil, status().refusal(&answer{status: got, body: figures})
	}
	return figures, err
}

// askOne asks one endpoint for JSON, as a stranger does.
func (c *Client) askOne(ctx context.Context, raw, path string, v any) (status int, err error) {
	e, err := c.parseEndpoint(raw)
	if err != nil {
		return 0, err
	}
	e.user = nil
	stranger := &Client{config: c.config, tcp: c.tcp, socket: c.socket}
	stranger.config.Username, stranger.config.Trace = "", nil
	resp, err := stranger.send(ctx, e, request{method: http.MethodGet, path: path})
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, json.NewDecoder(io.LimitReader(resp.Body, maxFigures)).Decode(v)
}

// maxFigures is how much of an answer to askOne is read: a leader tells
// 250 bytes of each follower.
const maxFigures = 1 << 20
