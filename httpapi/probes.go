package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Where supervisors ask whether to restart a member, and whether to send it
// requests.
const (
	livePath  = "/livez"
	readyPath = "/readyz"
)

// farBehind is how many committed entries a tree may lack that is still shown.
// Under load some are always on their way.
const farBehind = 5000

// check is one thing a probe looks at, and what is wrong with it.
type check struct {
	name string
	err  error
}

// live answers livePath: whether the member runs. A restart mends what it
// says no to, so it does not ask for others.
func (a *API) live(r *http.Request) (reply, error) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	return probed(r, a.vital(ctx))
}

// ready answers readyPath: whether the member runs, follows or leads, and shows
// the keys as they are by now. Nothing is written, and no quorum is asked.
func (a *API) ready(r *http.Request) (reply, error) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	return probed(r, append(a.vital(ctx), a.useful()...))
}

// vital is what a member cannot do without.
func (a *API) vital(ctx context.Context) []check {
	loop := a.Reporter.Alive(ctx)
	if errors.Is(loop, context.DeadlineExceeded) {
		loop = fmt.Errorf("it has not turned for %v", patience)
	}
	return []check{{"loop", loop}, {"disk", a.Reporter.DiskFailure()}}
}

// useful is what its clients cannot do without.
func (a *API) useful() []check {
	checks := []check{{name: "replay"}, {name: "leader"}, {name: "apply"}}
	select {
	case <-a.Reporter.Current():
	default:
		checks[0].err = errors.New("the tree is older than it was before the start")
	}
	if _, found := a.Cluster.Leader(); !found {
		checks[1].err = errors.New("no leader is known")
	}
	if n := a.Reporter.Behind(); n > farBehind {
		checks[2].err = fmt.Errorf("%d committed entries are not applied", n)
	}
	return checks
}

// probed answers with the checks that failed, or with all if r asks for them: a
// line for each.
func probed(r *http.Request, checks []check) (reply, error) {
	if err := r.Context().Err(); err != nil {
		return reply{}, err // the client did not wait: nothing is known
	}
	answer := reply{content: []string{"text/plain; charset=utf-8"}, nosniff: true}
	verbose := r.URL.Query().Has("verbose")
	for _, c := range checks {
		switch {
		case c.err != nil:
			answer.status = http.StatusServiceUnavailable
			answer.body = fmt.Appendf(answer.body, "%s: %v\n", c.name, c.err)
		case verbose:
			answer.body = fmt.Appendf(answer.body, "%s: ok\n", c.name)
		}
	}
	if len(answer.body) == 0 {
		answer.body = []byte("ok\n")
	}
	return answer, nil
}
