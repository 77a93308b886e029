package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// errNoEndpoint: there is nobody to hand a request to.
var errNoEndpoint = errors.New("httpproxy: zero endpoints currently available")

// unanswered: none of so many endpoints answered a request.
type unanswered int

func (u unanswered) Error() string {
	return fmt.Sprintf("httpproxy: unable to get response from %d endpoint(s)", int(u))
}

// failover is a RoundTripper that takes the first answer which one of the
// endpoints gives.
//
// A read is tried on the next endpoint whatever happened to it before an
// answer began. Anything else is, only if nothing of it was sent: a write
// that was sent may have been done, and doing it once more is not for a proxy
// to decide.
type failover struct{ *Proxy }

// RoundTrip implements http.RoundTripper. Its errors are errNoEndpoint, an
// unanswered, or the context's. r.GetBody gives the body, if there is one.
func (f failover) RoundTrip(r *http.Request) (*http.Response, error) {
	f.counters.began(r.Method)
	began := time.Now()
	candidates := f.endpoints.usable()
	if len(candidates) == 0 {
		f.counters.dropped(r.Method, zeroEndpoints)
		return nil, errNoEndpoint
	}
	for i, e := range candidates {
		answer, sent, err := f.try(r, e)
		if err == nil {
			f.counters.handled(r, answer.StatusCode, time.Since(began))
			return answer, nil
		}
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		f.counters.dropped(r.Method, failedSending)
		if sent && !repeatable(r.Method) {
			candidates = candidates[:i+1]
			break
		}
	}
	f.counters.dropped(r.Method, failedAnswer)
	return nil, unanswered(len(candidates))
}

// try sends r to e. When there is no answer it tells whether anything may
// have been sent.
func (f failover) try(r *http.Request, e *endpoint) (_ *http.Response, sent bool, _ error) {
	ctx, link := watchLink(r.Context())
	out := r.WithContext(ctx)
	out.URL = &url.URL{
		Scheme: e.scheme, Host: e.host,
		Path: r.URL.Path, RawPath: r.URL.RawPath,
		RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery,
	}
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, false, err
		}
		out.Body = body
	}
	began := time.Now()
	answer, err := f.transport.RoundTrip(out)
	if err == nil && answer.StatusCode < 200 {
		// Nobody asked for a change of protocol, and less than 100 is no status.
		_ = answer.Body.Close() // nothing was written
		err = errors.New("answer with status " + strconv.Itoa(answer.StatusCode))
	}
	if err == nil {
		return answer, true, nil
	}
	if ctx.Err() == nil { // a client's leaving says nothing about e
		f.blame(e, began, err)
	}
	return nil, link.made(), err
}

// blame holds a failure against e: a lot, if nobody can connect to it; until
// the next probe, if it may have been the request's fault.
func (f failover) blame(e *endpoint, began time.Time, err error) {
	if _, none := errors.AsType[unconnected](err); none {
		f.endpoints.unreachable(e, err)
		return
	}
	f.endpoints.broke(e, began, err)
}

func repeatable(method string) bool {
	return method == http.MethodGet || method == http.MethodHead
}
