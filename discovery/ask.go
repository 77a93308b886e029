package discovery

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"

	"keytree/httpapi/client"
)

// What is read of one answer at most: a roll of a thousand members is a fifth
// of it.
const (
	maxAnswer = 1 << 20
	maxHeader = 64 << 10
)

// failure means that there was no answer, or none to rely on: another try may
// get one.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// get reads what is at key below the token; empty: the token itself. Its
// errors, and those of enter and await, are a *failure, a *client.Error for a
// refusal, and ErrBadEndpoint for what no keys server says.
func (t *token) get(ctx context.Context, key string) (*client.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	at := path.Join(t.path, key)
	r, err := t.server.Get(ctx, at, client.GetOptions{})
	return r, judge("GET "+at, r, err)
}

// enter writes the member's own key, which must not be there yet.
func (t *token) enter(ctx context.Context) (*client.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	at := path.Join(t.path, t.config.Self.String())
	r, err := t.server.Create(ctx, at, t.config.Registration, 0)
	if err == nil && r.Action == "get" { // what stands between followed a redirect, and made it a GET
		return nil, bad("PUT "+at, "what is there, and nothing was written")
	}
	return r, judge("PUT "+at, r, err)
}

// await waits, as long as ctx lets it, for the first event from the index
// since on of key below the token.
func (t *token) await(ctx context.Context, key string, since uint64, recursive bool) (*client.Response, error) {
	at := path.Join(t.path, key)
	r, err := t.server.Wait(ctx, at, since, recursive)
	if errors.Is(err, client.ErrEmptyBody) {
		return nil, &failure{errors.New("the server ended the wait")}
	}
	return r, judge("GET "+at, r, err)
}

// judge says what the answer r to a question, or the error instead of one,
// means.
func judge(question string, r *client.Response, err error) error {
	var all *client.ClusterError
	if errors.As(err, &all) {
		err = all.Errors[0] // there is but one endpoint
	}
	var trouble *client.MemberError
	var refusal *client.Error
	var long *client.TooLongError
	var invalid *client.InvalidAnswerError
	switch {
	case err == nil && r.Node != nil:
		return nil
	case err == nil, errors.Is(err, client.ErrEmptyBody):
		return bad(question, "nothing about a key")
	case err == context.DeadlineExceeded: // bare: the question's own, not that of connecting
		return &failure{fmt.Errorf("no answer within %v", answerTime)}
	case errors.As(err, &trouble):
		return &failure{serverError(trouble)}
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &long):
		return bad(question, "an answer of more than 1 MiB")
	case errors.As(err, &invalid):
		return bad(question, status(invalid.Status)+" and nothing about a key")
	}
	return &failure{err}
}

func serverError(e *client.MemberError) error {
	if e.Refusal != nil {
		return fmt.Errorf("the server answers %s: %w", status(e.Status), e.Refusal)
	}
	return errors.New("the server answers " + status(e.Status))
}

func status(code int) string { return fmt.Sprintf("%d %s", code, http.StatusText(code)) }

func bad(question, what string) error {
	return fmt.Errorf("%w: %s gets %s", ErrBadEndpoint, question, what)
}
