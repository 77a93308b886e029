package httpapi

import (
	"context"
	"net/http"
	"time"

	"keytree/stats"
	"keytree/store"
)

// requestKind is the method of a request on /v2/keys as it is counted; false
// for the methods keys do not know.
func requestKind(method string) (stats.Request, bool) {
	switch method {
	case http.MethodGet:
		return stats.GET, true
	case http.MethodPut:
		return stats.PUT, true
	case http.MethodDelete:
		return stats.DELETE, true
	case http.MethodPost:
		return stats.POST, true
	case http.MethodHead:
		return stats.HEAD, true
	}
	return 0, false
}

// serveKeys answers a request on the key called raw: all of the path after
// /v2/keys. This is the hot path: what is allocated here has a name.
func (a *API) serveKeys(w http.ResponseWriter, r *http.Request, raw string) {
	kind, known := requestKind(r.Method)
	if !known {
		methodNotAllowed(w, "HEAD,GET,PUT,POST,DELETE")
		return
	}
	var q keyRequest
	err := a.permitBody(w, r, raw)
	if err == nil {
		err = q.parse(w, r, raw, a.MaxRequestBytes)
	}
	if err == nil {
		noteKey(w, &q)
		err = a.permit(w, r, &q)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if q.wait {
		if err := a.watch(w, r, &q); err != nil {
			a.Stats.HTTP.Failed(kind, a.fail(w, r, err))
		}
		return
	}
	if q.quorum {
		kind = stats.QGET
	}
	start := time.Since(a.began) // the wall clock, which time.Now would read as well, is not needed
	a.Stats.HTTP.Received(kind)
	if kind == stats.GET || kind == stats.HEAD || kind == stats.QGET {
		err = a.read(w, r, &q)
	} else {
		err = a.write(w, r, &q)
	}
	if err != nil {
		a.Stats.HTTP.Failed(kind, a.fail(w, r, err))
		return
	}
	a.Stats.HTTP.Succeeded(kind, time.Since(a.began)-start)
}

// read answers a GET or HEAD.
func (a *API) read(w http.ResponseWriter, r *http.Request, q *keyRequest) error {
	if q.quorum {
		if err := a.barrier(r.Context()); err != nil {
			return err
		}
		// With the keys this member has caught up with who may read them.
		if err := a.permit(w, r, q); err != nil {
			return err
		}
	}
	n, index, err := a.Keyspace.Get(q.path)
	if err == nil && n.Dir {
		return a.list(w, r, q)
	}
	a.Stats.Store.Count(stats.Get, err == nil)
	if err != nil {
		return err
	}
	body := getBuffer()
	defer putBuffer(body)
	var now int64
	if n.Expiry != store.Never {
		now = a.Keyspace.Now()
	}
	*body = appendGet((*body)[:0], &n, now)
	a.setKeyHeaders(w.Header(), index)
	_ = send(w, *body) // nobody left to tell
	return nil
}

func (a *API) barrier(ctx context.Context) error {
	ctx, cancel := a.within(ctx)
	defer cancel()
	return a.Keyspace.Barrier(ctx)
}

// within limits ctx to the time a request may take.
func (a *API) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.RequestTimeout < 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, a.RequestTimeout)
}

// change has the keyspace carry out c, if the quota has room for it. What the
// tree refuses is an error.
func (a *API) change(ctx context.Context, c store.Command) (store.Result, error) {
	if a.Quota != nil {
		if err := a.Quota.check(a.Keyspace, &c); err != nil {
			return store.Result{}, err
		}
	}
	done, err := a.Keyspace.Do(ctx, c)
	if err == nil {
		err = done.Err
	}
	return done, err
}

// write answers a PUT, POST or DELETE.
func (a *API) write(w http.ResponseWriter, r *http.Request, q *keyRequest) error {
	ctx, cancel := a.within(r.Context())
	defer cancel()
	done, err := a.change(ctx, q.command(r.Method))
	if err != nil {
		return err
	}
	e := done.Event
	if r.Method == http.MethodPost { // its path was not known before
		noteName(w, e.Node.Path.String())
	}
	body := getBuffer()
	defer putBuffer(body)
	if q.quiet && !e.Action.Removes() {
		*body = appendAction((*body)[:0], e.Action)
	} else {
		*body = appendEvent((*body)[:0], e)
	}
	a.setKeyHeaders(w.Header(), e.Index)
	if e.Action == store.ActionCreate || e.Action == store.ActionSet && e.Prev == nil {
		w.WriteHeader(http.StatusCreated)
	}
	_ = send(w, *body) // nobody left to tell
	return nil
}
