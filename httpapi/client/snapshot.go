package client

import (
	"context"
	"io"
	"net/http"
	"strconv"
)

// Snapshot is the whole tree of a Keytree server on its way. What it is made
// of is for the program that makes a backup of it. Body ends with the context
// it was asked for with, and must be closed.
type Snapshot struct {
	Body    io.ReadCloser
	Cluster string // the identity of the cluster
	Index   uint64 // of the tree
	Size    int64  // about how long Body is; 0: unknown
}

// Snapshot asks for all there is: keys, users, roles and history. It takes the
// root role. Of etcd, which knows nothing like it, it gets a *StatusError with
// 404.
func (c *Client) Snapshot(ctx context.Context) (*Snapshot, error) {
	a, err := c.ask(ctx, request{method: http.MethodGet, path: "/keytree/v1/snapshot", wait: true, stream: true})
	if err != nil {
		return nil, err
	}
	if a.live == nil {
		return nil, status(http.StatusOK).refusal(a)
	}
	s := &Snapshot{Body: a.live, Cluster: a.header.Get("X-Etcd-Cluster-Id")}
	s.Index, _ = strconv.ParseUint(a.header.Get("X-Etcd-Index"), 10, 64) // for people to see
	s.Size, _ = strconv.ParseInt(a.header.Get("X-Keytree-Size"), 10, 64)
	return s, nil
}
