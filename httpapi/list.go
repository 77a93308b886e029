package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"keytree/store"
)

// Pager walks directories a page at a time. It may be called from any
// goroutine.
type Pager interface {
	Page(store.PageOptions) (*store.Page, error)
}

// listPath is where a directory of any size is read in pages.
const listPath = "/keytree/v1/list"

const (
	usualNodes = 1000   // on a page, unless its reader says otherwise
	mostNodes  = 10_000 // on a page; also those looked at for it, shown or not
)

// listRequest is a request for a page after its parameters were checked.
type listRequest struct {
	keyRequest // of the directory
	options    store.PageOptions
	keysOnly   bool
	prefix     string
}

// listNodes answers a GET or HEAD of listPath. Like a listing, a page is sent
// while it is walked.
func (a *API) listNodes(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		methodNotAllowed(w, "GET,HEAD")
		return
	}
	err := a.sendPage(w, r)
	var bad *problem
	switch {
	case errors.As(err, &bad):
		a.serve(w, r, func(*http.Request) (reply, error) { return reply{content: contentJSON}, bad })
	case err != nil:
		a.fail(w, r, err)
	}
}

func (a *API) sendPage(w http.ResponseWriter, r *http.Request) error {
	q, err := parseList(r.URL.RawQuery)
	if err != nil {
		return err
	}
	noteKey(w, &q.keyRequest)
	if err := a.permitList(w, r, q); err != nil {
		return err
	}
	if q.quorum {
		if err := a.barrier(r.Context()); err != nil {
			return err
		}
		if err := a.permitList(w, r, q); err != nil { // as it is known by now
			return err
		}
	}
	l, err := a.Pages.Page(q.options)
	if err != nil {
		return err
	}
	p := listPage{delivery: a.delivery(w, r), nodes: l, q: q, now: a.Keyspace.Now()}
	return a.deliver(r, &p.delivery, l, p.write)
}

// permitList asks whether who sent r may read the directory, as a key with or
// without a slash at its end: either way gets its listing under /v2/keys. Names
// that are hidden are shown to who may read all of that beginning.
func (a *API) permitList(w http.ResponseWriter, r *http.Request, q *listRequest) error {
	wish := q.keyRequest
	err := a.permit(w, r, &wish)
	var refused *store.Error
	if errors.As(err, &refused) && refused.Code == store.CodeUnauthorized && len(wish.raw) > 1 {
		wish.raw = strings.TrimSuffix(wish.raw, "/")
		err = a.permit(w, r, &wish)
	}
	if err == nil && strings.HasPrefix(q.options.Beginning, "_") {
		wish.raw, wish.recursive = q.raw+q.options.Beginning, true
		err = a.permit(w, r, &wish)
	}
	return err
}

// listPage is a page on its way to a client.
type listPage struct {
	delivery
	nodes *store.Page
	q     *listRequest
	now   int64
}

// write walks the page and sends it. It returns the buffer it used.
func (p *listPage) write(b []byte) ([]byte, error) {
	b = append(b, `{"index":`...)
	b = strconv.AppendUint(b, uint64(p.nodes.Index()), 10)
	b = append(b, `,"nodes":[`...)
	for first := true; p.nodes.Next(); first = false {
		if !first {
			b = append(b, ',')
		}
		b = p.append(b, p.nodes.Item())
		if len(b) < pieceBytes {
			continue
		}
		if p.head { // it is clear by now that the length is not going to be told
			break
		}
		var err error
		if b, err = p.ship(b, p.nodes); err != nil {
			return b, err
		}
	}
	if err := p.nodes.Err(); err != nil {
		return b, err
	}
	b = append(b, ']')
	if after, more := p.nodes.Rest(); more {
		b = append(b, `,"continue":"`...)
		b = append(b, p.q.token(after)...)
		b = append(b, '"')
	}
	b = append(b, "}\n"...)
	p.end(b)
	return b, nil
}

// append appends one node, as the dialect renders it.
func (p *listPage) append(b []byte, i *store.Item) []byte {
	b = appendName(b, i.Path, i.Dir)
	if !i.Dir && !p.q.keysOnly {
		b = append(b, `,"value":"`...)
		b = appendEscaped(b, i.Value)
		b = append(b, '"')
	}
	b = appendExpiry(b, i.Expiry, p.now)
	return appendIndices(b, i.Modified, i.Created)
}

// parseList reads the parameters of a page. Those that are not known are
// passed over, as under /v2/keys.
func parseList(query string) (*listRequest, error) {
	given, err := url.ParseQuery(query)
	if err != nil {
		return nil, &problem{http.StatusBadRequest, err.Error()}
	}
	q := &listRequest{}
	for _, flag := range []struct {
		name string
		to   *bool
	}{{"recursive", &q.recursive}, {"keysOnly", &q.keysOnly}, {"quorum", &q.quorum}} {
		if !given.Has(flag.name) {
			continue
		}
		if *flag.to, err = strconv.ParseBool(given.Get(flag.name)); err != nil {
			return nil, &problem{http.StatusBadRequest, flag.name + " must be true or false"}
		}
	}
	if err := q.setPrefix(given.Get("prefix")); err != nil {
		return nil, err
	}
	o := &q.options
	o.Recursive, o.Contains, o.Limit, o.Look = q.recursive, given.Get("contains"), usualNodes, mostNodes
	if given.Has("limit") {
		if o.Limit, err = strconv.Atoi(given.Get("limit")); err != nil || o.Limit < 1 || o.Limit > mostNodes {
			return nil, &problem{http.StatusBadRequest, fmt.Sprintf("limit must be a whole number from 1 to %d", mostNodes)}
		}
	}
	if given.Has("continue") {
		o.After, err = q.after(given.Get("continue"))
	}
	return q, err
}

// setPrefix takes the directory and the beginning of names from a prefix.
func (q *listRequest) setPrefix(prefix string) error {
	if prefix == "" {
		prefix = "/"
	}
	name := strings.LastIndexByte(prefix, '/') + 1
	if !isClean(prefix[:name]) {
		return &problem{http.StatusBadRequest, `prefix must begin with a slash and have no empty, "." or ".." element`}
	}
	if err := q.locate(prefix); err != nil { // its limits are those of a key
		return err
	}
	q.raw, q.prefix = prefix[:name], prefix
	q.path = store.ParsePath(store.Keys, q.raw)
	q.options.Dir, q.options.Beginning = q.path, prefix[name:]
	return nil
}
