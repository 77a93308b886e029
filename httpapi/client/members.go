package client

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// Member is a server that takes part in the cluster.
type Member struct {
	ID         string   `json:"id"`   // hexadecimal
	Name       string   `json:"name"` // empty: it has not started yet
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	Learner    bool     `json:"isLearner,omitempty"` // it does not vote; Keytree only
}

const membersPath = "/v2/members"

// Members are all members, in the order the server lists them in.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	var list struct {
		Members []Member `json:"members"`
	}
	err := c.askJSON(ctx, request{method: http.MethodGet, path: membersPath}, &list, terse(http.StatusOK))
	return list.Members, err
}

// Leader is the member that leads.
func (c *Client) Leader(ctx context.Context) (*Member, error) {
	m := &Member{}
	if err := c.askJSON(ctx, request{method: http.MethodGet, path: membersPath + "/leader"}, m, terse(http.StatusOK)); err != nil {
		return nil, err
	}
	return m, nil
}

// AddMember adds a member that will be reached at peerURLs by the others.
func (c *Client) AddMember(ctx context.Context, peerURLs ...string) (*Member, error) {
	m := &Member{}
	r := withJSON(request{method: http.MethodPost, path: membersPath}, peers{peerURLs})
	if err := c.askJSON(ctx, r, m, terse(http.StatusCreated).telling(http.StatusConflict)); err != nil {
		return nil, err
	}
	return m, nil
}

// RemoveMember removes a member for ever. One that was removed already is no
// error.
func (c *Client) RemoveMember(ctx context.Context, id string) error {
	p, ok := below(membersPath, id)
	if !ok {
		return noSuchMember(id)
	}
	return c.askJSON(ctx, request{method: http.MethodDelete, path: p}, nil, terse(http.StatusNoContent, http.StatusGone))
}

// UpdateMember changes where the others reach a member.
func (c *Client) UpdateMember(ctx context.Context, id string, peerURLs ...string) error {
	p, ok := below(membersPath, id)
	if !ok {
		return noSuchMember(id)
	}
	r := withJSON(request{method: http.MethodPut, path: p}, peers{peerURLs})
	return c.askJSON(ctx, r, nil, terse(http.StatusNoContent).telling(http.StatusNotFound, http.StatusConflict))
}

type peers struct {
	PeerURLs []string `json:"peerURLs"`
}

// noSuchMember is what a server says to an id that is none.
func noSuchMember(id string) error {
	return &StatusError{Status: http.StatusNotFound, Message: "No such member: " + id}
}

// below is the path of what is called name in a collection. A name that would
// lead elsewhere has none.
func below(collection, name string) (string, bool) {
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return "", false
	}
	return collection + "/" + name, true
}

// withJSON gives r a body.
func withJSON(r request, v any) request {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // they are ours
	}
	r.content, r.body = "application/json", body
	return r
}

// expect says which statuses are good, and how the others are told.
type expect struct {
	good  []int
	terse bool
	told  []int // with their message nevertheless
}

func status(good ...int) expect { return expect{good: good} }
func terse(good ...int) expect  { return expect{good: good, terse: true} }

func (e expect) telling(statuses ...int) expect {
	e.told = statuses
	return e
}

// askJSON puts r to the cluster and reads the answer into v, which may be nil.
func (c *Client) askJSON(ctx context.Context, r request, v any, e expect) error {
	_, err := c.askStatus(ctx, r, v, e)
	return err
}

// askStatus is askJSON that tells which of the good statuses it was.
func (c *Client) askStatus(ctx context.Context, r request, v any, e expect) (int, error) {
	a, err := c.ask(ctx, r)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(e.good, a.status) {
		return a.status, e.refusal(a)
	}
	if v != nil && json.Unmarshal(a.body, v) != nil {
		return a.status, &InvalidAnswerError{Status: a.status}
	}
	return a.status, nil
}

func (e expect) refusal(a *answer) error {
	var said struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(a.body, &said) // without a message the status says enough
	return &StatusError{
		Status:  a.status,
		Message: said.Message,
		terse:   e.terse && !slices.Contains(e.told, a.status),
	}
}
