package client

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// ListOptions say what List reads, and how.
type ListOptions struct {
	Recursive bool   // with all that is beneath the children
	Contains  string // only nodes whose last name has it
	KeysOnly  bool   // without values
	Quorum    bool   // no older than any answer before; else what the endpoint has

	Limit    int    // nodes on a page at most; 0: 1000
	Continue string // of the page before, read with the same prefix and options; empty: from the beginning
}

// Page is a piece of a directory, all of one moment.
type Page struct {
	Nodes    []*Node `json:"nodes"`    // in the order of their names, a directory before what is in it; without Nodes of their own
	Index    uint64  `json:"index"`    // of the tree
	Continue string  `json:"continue"` // for the next page; empty: this is the last
}

// List reads a page of a directory, however large that is. The prefix is the
// directory up to the last slash, and the beginning of names in it: "/a/" is
// all that is in /a. With Contains a page may be empty that is not the last.
// The error is an *Error, or a *StatusError for what is malformed. Of etcd,
// which knows nothing like it, it is a *StatusError with 404.
func (c *Client) List(ctx context.Context, prefix string, o ListOptions) (*Page, error) {
	q := url.Values{"prefix": {prefix}}
	addTrue(q, "recursive", o.Recursive)
	addTrue(q, "keysOnly", o.KeysOnly)
	addTrue(q, "quorum", o.Quorum)
	if o.Contains != "" {
		q.Set("contains", o.Contains)
	}
	if o.Limit != 0 {
		q.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Continue != "" {
		q.Set("continue", o.Continue)
	}
	a, err := c.ask(ctx, request{method: http.MethodGet, path: "/keytree/v1/list", query: q})
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		if e := parseRefusal(a.status, a.body); e != nil {
			return nil, e
		}
		return nil, status(http.StatusOK).refusal(a)
	}
	p := &Page{}
	if json.Unmarshal(a.body, p) != nil || slices.ContainsFunc(p.Nodes, func(n *Node) bool { return n == nil || n.Key == "" }) {
		return nil, &InvalidAnswerError{Status: a.status}
	}
	return p, nil
}

// All reads page after page, and gives what is on them node by node. A node
// that is there all the time is given once; it is of the moment of its page. An
// error is the last that is given.
func (c *Client) All(ctx context.Context, prefix string, o ListOptions) iter.Seq2[*Node, error] {
	return func(yield func(*Node, error) bool) {
		for o := o; ; {
			p, err := c.List(ctx, prefix, o)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, n := range p.Nodes {
				if !yield(n, nil) {
					return
				}
			}
			if p.Continue == "" {
				return
			}
			o.Continue = p.Continue
		}
	}
}
