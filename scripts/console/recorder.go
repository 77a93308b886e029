package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// A request is one that the page sent.
type request struct {
	method string
	url    *url.URL
	status int64   // 0 while there is no answer
	bytes  float64 // of the answer, as they came
}

// A recorder sees all that a tab asks for, and all that goes wrong in it.
type recorder struct {
	origin string

	mu       sync.Mutex
	inFlight map[string]*request
	requests []*request
	wrong    []string
	expected []int64 // statuses that the scenario brings about
}

// note takes an event of the tab. It is called by chromedp, in their order.
func (r *recorder) note(event any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		r.complain("an exception: %s", exception(e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		switch e.Type {
		case runtime.ConsoleAPICalledTypeError, runtime.ConsoleAPICalledTypeWarning, runtime.ConsoleAPICalledTypeAssert:
			r.complain("the page's console: %s %s", e.Type, arguments(e.Args))
		}
	case *log.EventEntryAdded:
		r.noteEntry(e.Entry)
	case *network.EventRequestWillBeSent:
		r.noteRequest(string(e.RequestID), e.Request)
	case *network.EventResponseReceived:
		if q := r.inFlight[string(e.RequestID)]; q != nil {
			q.status = e.Response.Status
		}
	case *network.EventLoadingFinished:
		if q := r.inFlight[string(e.RequestID)]; q != nil {
			q.bytes = e.EncodedDataLength
		}
	}
}

// noteEntry takes a line of the browser's own log. Of answers that are no
// success, those count that nobody meant to bring about.
func (r *recorder) noteEntry(e *log.Entry) {
	if e.Level != log.EntryLevelError && e.Level != log.EntryLevelWarning {
		return
	}
	if q := r.inFlight[string(e.NetworkRequestID)]; e.Source == log.EntrySourceNetwork && q != nil && slices.Contains(r.expected, q.status) {
		return
	}
	r.complain("the browser's log: %s %s: %s %s", e.Source, e.Level, e.Text, strings.TrimPrefix(e.URL, r.origin))
}

func (r *recorder) noteRequest(id string, q *network.Request) {
	u, err := url.Parse(q.URL)
	if err != nil {
		r.complain("a request to %q: %v", q.URL, err)
		return
	}
	if !r.isOwn(u) {
		r.complain("a request to another origin: %s", q.URL)
	}
	r.inFlight[id] = &request{method: q.Method, url: u}
	r.requests = append(r.requests, r.inFlight[id])
}

// isOwn reports whether a request stays at home.
func (r *recorder) isOwn(u *url.URL) bool {
	switch u.Scheme {
	case "data", "blob", "about":
		return true
	}
	return u.Scheme+"://"+u.Host == r.origin
}

// complain notes what is wrong, once. r.mu must be held.
func (r *recorder) complain(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.wrong, text) {
		r.wrong = append(r.wrong, text)
	}
}

// expect says which answers are no fault of the page from now on.
func (r *recorder) expect(statuses ...int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expected = statuses
}

// complaints are what was wrong so far.
func (r *recorder) complaints() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.wrong)
}

// mark is a point in time for since.
func (r *recorder) mark() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

// since are the requests that the page sent after a mark, to paths that begin
// with prefix.
func (r *recorder) since(mark int, prefix string) (list []request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.requests[mark:] {
		if strings.HasPrefix(q.url.Path, prefix) {
			list = append(list, *q)
		}
	}
	return list
}

func exception(d *runtime.ExceptionDetails) string {
	if d.Exception != nil && d.Exception.Description != "" {
		return d.Exception.Description
	}
	return d.Text
}

func arguments(list []*runtime.RemoteObject) string {
	var parts []string
	for _, a := range list {
		if a.Description != "" {
			parts = append(parts, a.Description)
		} else {
			parts = append(parts, string(a.Value))
		}
	}
	return strings.Join(parts, " ")
}
