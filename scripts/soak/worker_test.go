package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// mustAsk runs f with a worker whose server answers everything with status and
// body, and returns the faults.
func mustAsk(t *testing.T, status int, body any, f func(w *worker)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		_ = json.NewEncoder(rw).Encode(body) // a broken connection shows in the test
	}))
	defer s.Close()
	w := newWorker(0, 1, []string{strings.TrimPrefix(s.URL, "http://")}, &journal{})
	defer w.session.close()
	f(w)
	return strings.Join(w.log.faults(), "; ")
}

func TestAReadIsHeldAgainstTheLastWrite(t *testing.T) {
	is := reply{Action: "get", Node: &node{Key: "/k", Value: "2", ModifiedIndex: 7}}
	for _, tt := range []struct {
		name  string
		known known
		ghost string
		fault bool
	}{
		{"as written", known{value: "2", modified: 7}, "", false},
		{"another value", known{value: "1", modified: 7}, "", true},
		{"another index", known{value: "2", modified: 5}, "", true},
		{"there was none", known{}, "", true},
		{"a write of unknown outcome", known{value: "1", modified: 5}, "2", false},
		{"not what the write of unknown outcome wrote", known{value: "1", modified: 5}, "3", true},
	} {
		faults := mustAsk(t, 200, is, func(w *worker) {
			if w.own["/k"] = tt.known; tt.ghost != "" {
				w.haunt("/k", tt.ghost)
			}
			if err := w.read(t.Context(), "/k"); err != nil {
				t.Error(err)
			}
			if got := w.own["/k"]; got != (known{value: "2", modified: 7}) {
				t.Errorf("%s: the worker did not learn: %v", tt.name, got)
			}
		})
		if (faults != "") != tt.fault {
			t.Errorf("%s: faults %q, want some: %v", tt.name, faults, tt.fault)
		}
	}
}

func TestAnAcknowledgedKeyThatIsGoneIsAFault(t *testing.T) {
	gone := reply{ErrorCode: codeNotFound}
	faults := mustAsk(t, 404, gone, func(w *worker) {
		w.own["/k"] = known{value: "1", modified: 5}
		if err := w.read(t.Context(), "/k"); err != nil {
			t.Error(err)
		}
	})
	if faults == "" {
		t.Error("no fault")
	}
}

func TestAnInOrderKeyThatIsGoneIsAFault(t *testing.T) {
	is := reply{Action: "get", Node: &node{Key: "/q", Dir: true, Nodes: []node{{Key: "/q/2"}, {Key: "/q/4"}}}}
	for _, tt := range []struct {
		queue string
		fault bool
	}{
		{"/q/2 /q/4", false},
		{"/q/1 /q/2 /q/4", false}, // the oldest may have been removed
		{"/q/2", false},           // a new one may have come
		{"/q/2 /q/3 /q/4", true},
	} {
		faults := mustAsk(t, 200, is, func(w *worker) {
			w.queue, w.lost = strings.Fields(tt.queue), true
			if err := w.enqueue(t.Context()); err != nil {
				t.Error(err)
			}
			if len(w.queue) != 2 || w.lost {
				t.Errorf("the queue is %v, lost %v", w.queue, w.lost)
			}
		})
		if (faults != "") != tt.fault {
			t.Errorf("queue %s: faults %q, want some: %v", tt.queue, faults, tt.fault)
		}
	}
}

func TestAWriteThatIsNotAnsweredIsOfUnknownOutcome(t *testing.T) {
	refused := reply{ErrorCode: 300}
	faults := mustAsk(t, 500, refused, func(w *worker) {
		if err := w.write(t.Context(), "PUT", "/k", map[string][]string{"value": {"1"}}, false); err == nil {
			t.Error("no error")
		}
		if !w.own["/k"].unclear || !w.haunted("/k") {
			t.Errorf("the worker takes it for known: %v", w.own["/k"])
		}
	})
	if faults != "" {
		t.Errorf("faults %q", faults)
	}
}
