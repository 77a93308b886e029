package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Response is the answer to a request on keys, or an event. Its JSON form is
// that of etcdctl.
type Response struct {
	Action   string `json:"action"` // get, set, create, update, delete, compareAndSwap, compareAndDelete, expire
	Node     *Node  `json:"node"`   // nil after SetOptions.NoValueOnSuccess
	PrevNode *Node  `json:"prevNode"`

	Index     uint64 `json:"-"` // X-Etcd-Index: of the tree; of an event: when the watch was set up
	RaftIndex uint64 `json:"-"`
	RaftTerm  uint64 `json:"-"`
	ClusterID string `json:"-"`
}

// Node is a key or a directory.
type Node struct {
	Key           string     `json:"key"` // empty: the root
	Dir           bool       `json:"dir,omitempty"`
	Value         string     `json:"value"`
	Nodes         []*Node    `json:"nodes"` // children, in a listing
	CreatedIndex  uint64     `json:"createdIndex"`
	ModifiedIndex uint64     `json:"modifiedIndex"`
	Expiration    *time.Time `json:"expiration,omitempty"` // nil: it stays
	TTL           int64      `json:"ttl,omitempty"`        // seconds that were left
}

// GetOptions say how Get reads.
type GetOptions struct {
	Recursive bool // with everything beneath
	Sort      bool // children in the order of their names
	Quorum    bool // no older than any answer before; else what the endpoint has
}

// PrevExist says whether a key must be there before.
type PrevExist string

// What Set and Delete may ask of a key.
const (
	PrevIgnore  PrevExist = ""
	PrevExists  PrevExist = "true"
	PrevMissing PrevExist = "false"
)

// SetOptions say what Set does and when.
type SetOptions struct {
	TTL time.Duration // rounded up to whole seconds; 0 or less: it stays

	PrevValue string // the value it must have; empty: any
	PrevIndex uint64 // the ModifiedIndex it must have; 0: any
	PrevExist PrevExist

	Dir              bool // a directory; the value is not sent
	Refresh          bool // a new TTL alone: the value is not sent, and nobody who watches is told
	NoValueOnSuccess bool // the answer has no nodes
}

// DeleteOptions say what Delete may remove.
type DeleteOptions struct {
	PrevValue string // the value it must have; empty: any
	PrevIndex uint64 // the ModifiedIndex it must have; 0: any
	Recursive bool   // a directory with all that is in it, too
	Dir       bool   // an empty directory, too
}

// Get reads a key, or a directory with its children.
func (c *Client) Get(ctx context.Context, key string, o GetOptions) (*Response, error) {
	return c.askKey(ctx, key, request{method: http.MethodGet, query: url.Values{
		"quorum":    {strconv.FormatBool(o.Quorum)},
		"recursive": {strconv.FormatBool(o.Recursive)},
		"sorted":    {strconv.FormatBool(o.Sort)},
	}})
}

// Set writes a key or makes a directory. With PrevMissing it is sent to one
// endpoint only, and the error is then that endpoint's own. Otherwise an
// endpoint that breaks the connection may have carried it out before the next
// one is asked.
func (c *Client) Set(ctx context.Context, key, value string, o SetOptions) (*Response, error) {
	q := url.Values{}
	addCondition(q, o.PrevValue, o.PrevIndex)
	if o.PrevExist != PrevIgnore {
		q.Set("prevExist", string(o.PrevExist))
	}
	addTrue(q, "dir", o.Dir)
	addTrue(q, "refresh", o.Refresh)
	addTrue(q, "noValueOnSuccess", o.NoValueOnSuccess)
	return c.askKey(ctx, key, withForm(request{
		method: http.MethodPut, query: q, once: o.PrevExist == PrevMissing,
	}, value, !o.Dir && !o.Refresh, o.TTL))
}

// Create writes a key that must not be there yet.
func (c *Client) Create(ctx context.Context, key, value string, ttl time.Duration) (*Response, error) {
	return c.Set(ctx, key, value, SetOptions{PrevExist: PrevMissing, TTL: ttl})
}

// CreateInOrder makes a key in the directory dir whose name is greater than
// those of all keys made so before.
func (c *Client) CreateInOrder(ctx context.Context, dir, value string, ttl time.Duration) (*Response, error) {
	return c.askKey(ctx, dir, withForm(request{method: http.MethodPost}, value, true, ttl))
}

// Update writes a key that must be there already. It keeps its CreatedIndex,
// and no TTL.
func (c *Client) Update(ctx context.Context, key, value string) (*Response, error) {
	return c.Set(ctx, key, value, SetOptions{PrevExist: PrevExists})
}

// Delete removes a key or a directory. It is sent to one endpoint only, and
// the error is then that endpoint's own.
func (c *Client) Delete(ctx context.Context, key string, o DeleteOptions) (*Response, error) {
	q := url.Values{}
	addCondition(q, o.PrevValue, o.PrevIndex)
	addTrue(q, "recursive", o.Recursive)
	addTrue(q, "dir", o.Dir)
	return c.askKey(ctx, key, request{method: http.MethodDelete, query: q, once: true})
}

func addCondition(q url.Values, value string, index uint64) {
	if value != "" {
		q.Set("prevValue", value)
	}
	if index != 0 {
		q.Set("prevIndex", strconv.FormatUint(index, 10))
	}
}

func addTrue(q url.Values, name string, set bool) {
	if set {
		q.Set(name, "true")
	}
}

// withForm gives r a body.
func withForm(r request, value string, hasValue bool, ttl time.Duration) request {
	form := url.Values{}
	if hasValue {
		form.Set("value", value)
	}
	if ttl > 0 {
		form.Set("ttl", strconv.FormatInt(seconds(ttl), 10))
	}
	r.content, r.body = "application/x-www-form-urlencoded", []byte(form.Encode())
	return r
}

// seconds is ttl rounded up; 0 if there is none.
func seconds(ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	return int64((ttl-1)/time.Second) + 1
}

// askKey puts r to the cluster, about key.
func (c *Client) askKey(ctx context.Context, key string, r request) (*Response, error) {
	var err error
	if r.path, err = c.keyPath(key); err != nil {
		return nil, err
	}
	a, err := c.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	return a.response()
}

// keyPath is the path of key, cleaned. A slash at its end is kept: whether a
// role has a right can depend on it.
func (c *Client) keyPath(key string) (string, error) {
	if !strings.HasPrefix(key, "/") {
		key = "/" + key
	}
	root := c.config.KeysPath
	p := path.Join(root, key)
	if p != root && !strings.HasPrefix(p, strings.TrimSuffix(root, "/")+"/") {
		return "", ErrInvalidJSON
	}
	if strings.HasSuffix(key, "/") && p != "/" {
		p += "/"
	}
	return p, nil
}

// response reads an answer about a key.
func (a *answer) response() (*Response, error) {
	if a.status != http.StatusOK && a.status != http.StatusCreated {
		return nil, a.refusal()
	}
	if len(a.body) == 0 {
		return nil, ErrEmptyBody
	}
	return parseResponse(a.status, a.header, a.body)
}

// refusal is the error in an answer that says no to a request on keys.
func (a *answer) refusal() error {
	if e := parseRefusal(a.status, a.body); e != nil {
		return e
	}
	return &InvalidAnswerError{Status: a.status}
}

func parseResponse(status int, h http.Header, body []byte) (*Response, error) {
	r := &Response{}
	if json.Unmarshal(body, r) != nil || r.Action == "" || hasHoles(r.Node) || !readMarks(r, h) {
		return nil, &InvalidAnswerError{Status: status}
	}
	return r, nil
}

// hasHoles reports whether there is a null among the nodes beneath n.
func hasHoles(n *Node) bool {
	return n != nil && slices.ContainsFunc(n.Nodes, func(child *Node) bool { return child == nil || hasHoles(child) })
}

// readMarks takes what the header says into r, and reports whether it makes
// sense.
func readMarks(r *Response, h http.Header) bool {
	r.ClusterID = h.Get(clusterHeader)
	for name, to := range map[string]*uint64{indexHeader: &r.Index, "X-Raft-Index": &r.RaftIndex, "X-Raft-Term": &r.RaftTerm} {
		text := h.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return false
		}
		*to = n
	}
	return true
}

const (
	indexHeader   = "X-Etcd-Index"
	clusterHeader = "X-Etcd-Cluster-Id"
)
