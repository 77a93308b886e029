package discovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// What is read of one answer at most: a roll of a thousand members is a fifth
// of it.
const (
	maxAnswer = 1 << 20
	maxHeader = 64 << 10
)

// question is one request to the keys server.
type question struct {
	method string // default: GET
	key    string // below the token; empty: the token itself
	params string
	form   url.Values
	limit  time.Duration // default: none
}

// answer is what the server says of a key, or of an event.
type answer struct {
	Action string `json:"action"`
	Node   *node  `json:"node"`
	index  uint64 // of the server; 0 if it did not tell
}

type node struct {
	Key           string `json:"key"`
	Value         string `json:"value"`
	Dir           bool   `json:"dir"`
	Nodes         []node `json:"nodes"`
	ModifiedIndex uint64 `json:"modifiedIndex"`
	CreatedIndex  uint64 `json:"createdIndex"`
}

// refusal is an answer of the server that says no.
type refusal struct {
	Code    int    `json:"errorCode"`
	Message string `json:"message"`
	Cause   string `json:"cause"`
	Index   uint64 `json:"index"`
}

const (
	codeKeyNotFound    = 100
	codeKeyExists      = 105
	codeHistoryCleared = 401
)

func (r *refusal) Error() string {
	return fmt.Sprintf("%d: %s (%s) [%d]", r.Code, r.Message, r.Cause, r.Index)
}

func refusedWith(err error, code int) bool {
	var r *refusal
	return errors.As(err, &r) && r.Code == code
}

// failure means that there was no answer, or none to rely on: another try may
// get one.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// ask sends q and returns what is answered. Its errors are a *failure, a
// *refusal, and ErrBadEndpoint for what no keys server says.
func (t *token) ask(ctx context.Context, q question) (answer, error) {
	if q.limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, q.limit, fmt.Errorf("no answer within %v", q.limit))
		defer cancel()
	}
	r, err := t.request(ctx, q)
	if err != nil {
		return answer{}, err
	}
	resp, err := t.client.Do(r)
	if err != nil {
		return answer{}, t.failed(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, t.failed(ctx, err)
	case len(body) > maxAnswer:
		return answer{}, bad(r, "an answer of more than 1 MiB")
	case resp.StatusCode >= http.StatusInternalServerError:
		return answer{}, &failure{serverError(resp.Status, body)}
	case resp.StatusCode >= http.StatusBadRequest:
		var no refusal
		if json.Unmarshal(body, &no) != nil || no.Code == 0 {
			return answer{}, bad(r, resp.Status)
		}
		return answer{}, &no
	case resp.Request.Method != r.Method:
		return answer{}, bad(r, "a redirect that makes it a "+resp.Request.Method)
	case len(body) == 0 && q.limit == 0:
		return answer{}, &failure{errors.New("the server ended the wait")}
	}
	return decode(r, resp, body)
}

func (t *token) request(ctx context.Context, q question) (*http.Request, error) {
	u := t.server
	u.Path = path.Join(t.path, q.key)
	u.RawQuery = q.params
	r, err := http.NewRequestWithContext(ctx, q.method, u.String(), strings.NewReader(q.form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidURL, withoutURL(err))
	}
	if q.form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r, nil
}

// decode reads an answer that says yes.
func decode(r *http.Request, resp *http.Response, body []byte) (answer, error) {
	var a answer
	if json.Unmarshal(body, &a) != nil || a.Node == nil {
		return answer{}, bad(r, "an answer that is not about a key")
	}
	if text := resp.Header.Get("X-Etcd-Index"); text != "" {
		index, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return answer{}, bad(r, "an X-Etcd-Index that is not a number")
		}
		a.index = index
	}
	return a, nil
}

// failed is the failure behind an error of the HTTP client. The client names
// the whole URL, which says little and may hold a password.
func (t *token) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &failure{context.Cause(ctx)}
	}
	return &failure{withoutURL(err)}
}

func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

func serverError(status string, body []byte) error {
	var no refusal
	if json.Unmarshal(body, &no) == nil && no.Code != 0 {
		return fmt.Errorf("the server answers %s: %w", status, &no)
	}
	return errors.New("the server answers " + status)
}

func bad(r *http.Request, what string) error {
	return fmt.Errorf("%w: %s %s gets %s", ErrBadEndpoint, r.Method, r.URL.Path, what)
}
