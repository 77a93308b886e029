package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"keytree/raftlog/block"
	"keytree/store"
)

// Snapshots gives the whole tree, with everything that was answered before it
// was asked for. It may be called from any goroutine; its errors are those of
// Keyspace.
type Snapshots interface {
	Snapshot(context.Context) (*store.Capture, error)
}

// snapshotPath is where a backup comes from: a GET answers with the whole tree
// as a capture writes it, in blocks, so that it shows whether it is whole. Who
// gets it gets everything, the hashes of passwords too: it takes the root role.
const snapshotPath = "/keytree/v1/snapshot"

// maxSnapshots is how many may be under way at once: each keeps the disk from
// giving up what is removed meanwhile.
const maxSnapshots = 2

// headerSize is about how long the snapshot is, for those who watch it come.
const headerSize = "X-Keytree-Size"

func (a *API) snapshot(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		methodNotAllowed(w, http.MethodGet)
		return
	}
	if _, err := a.requireRoot(w, r); err != nil {
		a.refuseSnapshot(w, r, err)
		return
	}
	select {
	case a.snapshots <- struct{}{}:
		defer func() { <-a.snapshots }()
	default:
		a.refuseSnapshot(w, r, &problem{http.StatusServiceUnavailable, fmt.Sprintf("%d snapshots are under way already", maxSnapshots)})
		return
	}
	ctx, cancel := a.within(r.Context())
	c, err := a.Snapshots.Snapshot(ctx)
	cancel()
	if err != nil {
		a.refuseSnapshot(w, r, err)
		return
	}
	err = a.sendSnapshot(w, r, c)
	if closed := c.Close(); closed != nil {
		a.Logger.Error("closing a snapshot failed", "error", closed)
	}
	if err == nil {
		return
	}
	if r.Context().Err() == nil && !errors.Is(err, errStopping) {
		a.Logger.Error("sending a snapshot failed", "client", r.RemoteAddr, "error", err)
	}
	panic(http.ErrAbortHandler) // too late for a status: the client must see that the body is torn
}

func (a *API) refuseSnapshot(w http.ResponseWriter, r *http.Request, err error) {
	var e *store.Error
	if errors.As(err, &e) {
		err = &problem{http.StatusServiceUnavailable, e.Cause}
	}
	a.serve(w, r, func(*http.Request) (reply, error) { return reply{cluster: true}, err })
}

func (a *API) sendSnapshot(w http.ResponseWriter, r *http.Request, c *store.Capture) error {
	size, err := c.Size()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h[headerClusterID] = a.progress().cluster[:]
	h[headerIndex] = []string{strconv.FormatUint(uint64(c.Index()), 10)}
	h[headerPosition] = []string{strconv.FormatUint(c.Position(), 10)}
	h[headerSize] = []string{strconv.FormatInt(size, 10)}
	blocks := block.NewWriter(&outflow{ctx: r.Context(), stopping: a.Stopping, w: w}, pieceBytes)
	if _, err := c.WriteTo(blocks); err != nil {
		return err
	}
	return blocks.End()
}

// outflow writes an answer of unknown length until nobody takes it any more, or
// the member stops.
type outflow struct {
	ctx      context.Context
	stopping <-chan struct{}
	w        http.ResponseWriter
}

var errStopping = errors.New("the member stops")

var _ io.Writer = (*outflow)(nil)

func (o *outflow) Write(b []byte) (int, error) {
	select {
	case <-o.stopping:
		return 0, errStopping
	case <-o.ctx.Done():
		return 0, o.ctx.Err()
	default:
	}
	if err := sendPiece(o.w, b); err != nil {
		return 0, err
	}
	return len(b), nil
}
