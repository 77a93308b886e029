package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// request is one question to the cluster.
type request struct {
	method  string
	path    string     // of the dialect, decoded
	query   url.Values // looked at anew before each attempt
	content string     // media type of body
	body    []byte     // nil: none

	once   bool // send it to one endpoint only, whatever happens
	wait   bool // the answer may take for ever
	stream bool // hand out the body of a good answer as it comes

	// heard, if set, is shown the head of each answer that will be used,
	// before its body is read. Its error makes the answer useless.
	heard func(*http.Response) error
}

// answer is what an endpoint said, with a status below 500.
type answer struct {
	status int
	header http.Header
	body   []byte
	live   io.ReadCloser // instead of body, for a stream
}

// ask puts r to one endpoint after the other until one answers, and stays
// with that one. Errors are that of ctx once it is done, ErrNoEndpoints, a
// *TooLongError and a *ClusterError; for a request that goes to one endpoint
// only, that endpoint's own.
func (c *Client) ask(ctx context.Context, r request) (*answer, error) {
	list, first := c.turn()
	failed := &ClusterError{}
	for i := range list {
		n := (first + i) % len(list)
		if err := over(ctx); err != nil {
			return nil, err
		}
		a, err := c.try(ctx, list[n], r)
		if err == nil {
			c.pin(list[n])
			return a, nil
		}
		if ended := over(ctx); ended != nil {
			return nil, ended
		}
		if r.once {
			c.pin(list[(n+1)%len(list)])
			return nil, err
		}
		var long *TooLongError
		if errors.As(err, &long) {
			return nil, err // the others would say the same, at length
		}
		failed.Errors = append(failed.Errors, err)
	}
	return nil, failed
}

// over is the error of ctx if it is done, or is about to be: what waits for
// the network may notice a deadline before the context does.
func over(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		return context.DeadlineExceeded
	}
	return nil
}

// try puts r to e. Every error means that e could not be asked.
func (c *Client) try(ctx context.Context, e *endpoint, r request) (*answer, error) {
	late := &HeaderTimeoutError{Endpoint: e.text}
	begun := func() bool { return true }
	if c.config.HeaderTimeout > 0 && !r.wait {
		limited, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		begun = time.AfterFunc(c.config.HeaderTimeout, func() { cancel(late) }).Stop
		ctx = limited
	}
	resp, err := c.send(ctx, e, r)
	if !begun() {
		if err == nil {
			_ = resp.Body.Close() // it is not read
		}
		return nil, late
	}
	if err != nil {
		return nil, err
	}
	return c.receive(e, r, resp)
}

// receive makes an answer of what e sent.
func (c *Client) receive(e *endpoint, r request, resp *http.Response) (*answer, error) {
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if r.stream && a.status == http.StatusOK {
		if err := hear(r, resp); err != nil {
			_ = resp.Body.Close() // it is not read
			return nil, err
		}
		a.live = resp.Body
		return a, nil
	}
	defer resp.Body.Close()
	if a.status >= http.StatusInternalServerError {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal)) // the status says enough
		return nil, &MemberError{Endpoint: e.text, Status: a.status, Refusal: parseRefusal(a.status, text)}
	}
	if err := hear(r, resp); err != nil {
		return nil, err
	}
	var err error
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, c.config.MaxBody+1)); err != nil {
		return nil, err
	}
	if int64(len(a.body)) > c.config.MaxBody {
		return nil, &TooLongError{Limit: c.config.MaxBody}
	}
	return a, nil
}

func hear(r request, resp *http.Response) error {
	if r.heard == nil {
		return nil
	}
	return r.heard(resp)
}

const (
	maxRefusal   = 64 << 10 // bytes of an answer that is only looked at for a refusal
	maxRedirects = 10
)

// parseRefusal is the refusal in the body of an answer, nil if there is none.
func parseRefusal(status int, body []byte) *Error {
	e := &Error{}
	if json.Unmarshal(body, e) != nil || e.Code == 0 {
		return nil
	}
	e.Status = status
	return e
}

// send sends r to e and to where e sends it on.
func (c *Client) send(ctx context.Context, e *endpoint, r request) (*http.Response, error) {
	to := e.at(r.path, r.query.Encode())
	for range maxRedirects + 1 {
		resp, err := c.sendTo(ctx, e, to, r)
		if err != nil || resp.StatusCode/100 != 3 {
			return resp, err
		}
		location := resp.Header.Get("Location")
		_ = resp.Body.Close() // it is not read
		if location == "" {
			return nil, errNoLocation
		}
		if to, err = to.Parse(location); err != nil {
			return nil, err
		}
	}
	return nil, ErrTooManyRedirects
}

// sendTo sends r to a URL that e is or leads to. It goes to the transport
// itself: http.Client would wrap errors, and repeat a POST as a GET. The
// transport sends again by itself what reads only, and the rest if not a byte
// of it was sent.
func (c *Client) sendTo(ctx context.Context, e *endpoint, to *url.URL, r request) (*http.Response, error) {
	if c.config.Trace != nil {
		c.config.Trace(Attempt{Method: r.method, URL: e.shown(to), Body: r.body})
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, to.String(), body)
	if err != nil {
		return nil, err
	}
	if r.content != "" {
		req.Header.Set("Content-Type", r.content)
	}
	c.authorize(req, e)
	if e.socket && e.owns(to) {
		req.Host = socketName
		return c.socket.RoundTrip(req)
	}
	answer, err := c.tcp.RoundTrip(req)
	return answer, plainly(err)
}

// plainly is err without net/http's own words around what a server says in
// TLS: whether it meets that while writing or reading is chance.
func plainly(err error) error {
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" {
		return remote
	}
	return err
}

// authorize adds credentials, but not where a redirect leads out of the
// cluster: who is there has no business with them.
func (c *Client) authorize(req *http.Request, e *endpoint) {
	user := e.user
	if c.config.Username != "" {
		user = url.UserPassword(c.config.Username, c.config.Password)
	}
	if user == nil || !e.owns(req.URL) && (c.config.Username == "" || !c.knows(req.URL)) {
		return
	}
	password, _ := user.Password()
	req.SetBasicAuth(user.Username(), password)
}

// knows reports whether u leads to an endpoint.
func (c *Client) knows(u *url.URL) bool {
	list, _ := c.turn()
	for _, e := range list {
		if !e.socket && e.owns(u) {
			return true
		}
	}
	return false
}
