package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A client asks a member by HTTP, beside the browser.
type client struct {
	base           string
	http           *http.Client
	user, password string // none when empty
}

func newClient(base string) client {
	return client{base: base, http: &http.Client{Timeout: patience}}
}

// as is c with the credentials of a user.
func (c client) as(user, password string) client {
	c.user, c.password = user, password
	return c
}

// A node is what stands at a key.
type node struct {
	Key           string
	Value         string
	Dir           bool
	TTL           int64
	Nodes         []node
	ModifiedIndex uint64
	CreatedIndex  uint64
}

// do sends a request and returns its status and answer.
func (c client) do(ctx context.Context, method, path, kind, body string) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if c.user != "" {
		r.SetBasicAuth(c.user, c.password)
	}
	a, err := c.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(a.Body)
	return a.StatusCode, answer, errors.Join(err, a.Body.Close())
}

// getJSON reads an answer of 200 into v.
func (c client) getJSON(ctx context.Context, path string, v any) error {
	status, answer, err := c.do(ctx, http.MethodGet, path, "", "")
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("GET %s: %d %.200s", path, status, answer)
	}
	return step("GET "+path, json.Unmarshal(answer, v))
}

// get returns the node at key, nil if there is none. What was written at
// another member is seen.
func (c client) get(ctx context.Context, key string) (*node, error) {
	path := "/v2/keys" + (&url.URL{Path: key}).EscapedPath() + "?quorum=true&sorted=true"
	status, answer, err := c.do(ctx, http.MethodGet, path, "", "")
	if err != nil {
		return nil, err
	}
	var event struct{ Node *node }
	switch err := json.Unmarshal(answer, &event); {
	case status == http.StatusNotFound:
		return nil, nil
	case status != http.StatusOK || err != nil:
		return nil, fmt.Errorf("GET %s: %d %.200s", key, status, answer)
	}
	return event.Node, nil
}

// set writes a key. More may be parameters such as ttl and 5.
func (c client) set(ctx context.Context, key, value string, more ...string) error {
	form := url.Values{"value": {value}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	status, answer, err := c.do(ctx, http.MethodPut, "/v2/keys"+(&url.URL{Path: key}).EscapedPath(), "application/x-www-form-urlencoded", form.Encode())
	if err != nil {
		return err
	}
	if status != http.StatusOK && status != http.StatusCreated {
		return fmt.Errorf("PUT %s: %d %.200s", key, status, answer)
	}
	return nil
}

// send sends JSON and wants it to be accepted.
func (c client) send(ctx context.Context, method, path string, v any) error {
	var body bytes.Buffer
	if v != nil {
		if err := json.NewEncoder(&body).Encode(v); err != nil {
			return err
		}
	}
	status, answer, err := c.do(ctx, method, path, "application/json", body.String())
	if err == nil && status >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %d %.200s", method, path, status, answer)
	}
	return err
}

// A listedMember is a line of /v2/members.
type listedMember struct {
	ID         string
	Name       string
	PeerURLs   []string
	ClientURLs []string
}

func (c client) listMembers(ctx context.Context) ([]listedMember, error) {
	var all struct{ Members []listedMember }
	err := c.getJSON(ctx, "/v2/members", &all)
	return all.Members, err
}
