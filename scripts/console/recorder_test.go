package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

const home = "http://127.0.0.1:2379"

func newRecorder() *recorder {
	return &recorder{origin: home, inFlight: map[string]*request{}}
}

// sent has the page send a request that is answered.
func (r *recorder) sent(id, url string, status int64) {
	r.note(&network.EventRequestWillBeSent{RequestID: network.RequestID(id), Request: &network.Request{URL: url, Method: "GET"}})
	r.note(&network.EventResponseReceived{RequestID: network.RequestID(id), Response: &network.Response{Status: status}})
}

// logged has the browser log an answer.
func (r *recorder) logged(source log.EntrySource, id string) {
	r.note(&log.EventEntryAdded{Entry: &log.Entry{Source: source, Level: log.EntryLevelError, Text: "bad", NetworkRequestID: network.RequestID(id)}})
}

func TestRequestsToOthersAreComplainedOf(t *testing.T) {
	r := newRecorder()
	r.sent("1", home+"/ui/app.js", 200)
	r.sent("2", "data:image/svg+xml,x", 200)
	if got := r.complaints(); len(got) > 0 {
		t.Errorf("got %q for requests to the own origin", got)
	}
	for _, url := range []string{"http://127.0.0.1:2380/x", "https://127.0.0.1:2379/x", "http://127.0.0.1:2379.example.com/x", "https://fonts.example.com/a.css"} {
		r := newRecorder()
		r.sent("1", url, 200)
		if got := r.complaints(); len(got) != 1 || !strings.Contains(got[0], url) {
			t.Errorf("%s: got %q, want a complaint", url, got)
		}
	}
}

func TestAnswersThatWereMeantAreNoFault(t *testing.T) {
	r := newRecorder()
	r.expect(412)
	r.sent("1", home+"/v2/keys/a", 412)
	r.logged(log.EntrySourceNetwork, "1")
	if got := r.complaints(); len(got) > 0 {
		t.Errorf("got %q for an answer that was expected", got)
	}
	r.sent("2", home+"/v2/keys/a", 500)
	r.logged(log.EntrySourceNetwork, "2")
	r.logged(log.EntrySourceSecurity, "")
	if got := r.complaints(); len(got) != 2 {
		t.Errorf("got %q, want one for the 500 and one for the policy", got)
	}
}

func TestWhatThePageSaysAndThrowsIsComplainedOf(t *testing.T) {
	r := newRecorder()
	r.note(&runtime.EventConsoleAPICalled{Type: runtime.ConsoleAPICalledTypeLog, Args: []*runtime.RemoteObject{{Description: "hello"}}})
	r.note(&runtime.EventConsoleAPICalled{Type: runtime.ConsoleAPICalledTypeError, Args: []*runtime.RemoteObject{{Description: "broken"}}})
	r.note(&runtime.EventExceptionThrown{ExceptionDetails: &runtime.ExceptionDetails{Text: "Uncaught", Exception: &runtime.RemoteObject{Description: "TypeError: x"}}})
	got := r.complaints()
	want := []string{"the page's console: error broken", "an exception: TypeError: x"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRequestsAreCountedFromAMarkOn(t *testing.T) {
	r := newRecorder()
	r.sent("1", home+"/keytree/v1/list?prefix=/", 200)
	mark := r.mark()
	r.sent("2", home+"/keytree/v1/list?prefix=/load/&limit=200", 200)
	r.sent("3", home+"/v2/keys/a", 404)
	got := r.since(mark, "/keytree/v1/list")
	if len(got) != 1 || got[0].url.Query().Get("limit") != "200" || got[0].status != 200 {
		t.Errorf("got %v, want the second request", got)
	}
}
