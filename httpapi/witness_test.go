package httpapi

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"keytree/httpapi/audit"
	"keytree/store"
)

// record has next answer r behind the audit, and is what was recorded.
func record(t *testing.T, r *http.Request, next http.HandlerFunc) audit.Record {
	t.Helper()
	s := &scribe{}
	Audited(next, Auditing{Record: s.write, Reads: true}).ServeHTTP(httptest.NewRecorder(), r)
	all := s.take()
	if len(all) != 1 {
		t.Fatalf("%d records", len(all))
	}
	return all[0]
}

func TestARecordTellsWhoAsked(t *testing.T) {
	r := httptest.NewRequest("PUT", "/v2/keys/a", nil)
	r.RemoteAddr = "@"
	by := func(user string) audit.Record {
		return record(t, r, func(w http.ResponseWriter, r *http.Request) { noteUser(w, user) })
	}
	if got := by(""); got.User != "" || got.By != audit.None || got.Client != "@" || got.Certificate != "" {
		t.Errorf("a guest: %+v", got)
	}
	r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{{Subject: pkix.Name{CommonName: "box"}}}}}
	if got := by(""); got.User != "" || got.By != audit.None || got.Certificate != "box" {
		t.Errorf("a certificate that names no user: %+v", got)
	}
	if got := by("box"); got.User != "box" || got.By != audit.Certificate || got.Certificate != "box" {
		t.Errorf("a certificate: %+v", got)
	}
	r.SetBasicAuth("eve", "secret")
	if got := by("eve"); got.User != "eve" || got.By != audit.Basic || got.Certificate != "box" {
		t.Errorf("a password: %+v", got)
	}
}

func TestWhatAProxyClaimsIsRecordedAsClaimed(t *testing.T) {
	r := httptest.NewRequest("PUT", "/v2/keys/a", nil)
	r.Header["X-Forwarded-For"] = []string{"192.0.2.1", "192.0.2.2, 192.0.2.3"}
	got := record(t, r, func(http.ResponseWriter, *http.Request) {})
	if got.Forwarded != "192.0.2.1, 192.0.2.2, 192.0.2.3" || got.Client != r.RemoteAddr || got.Status != 200 {
		t.Errorf("got %+v", got)
	}
}

func TestAHandlerThatPanicsIsRecorded(t *testing.T) {
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the panic did not go on")
		}
	}()
	s := &scribe{}
	defer func() {
		if all := s.take(); len(all) != 1 || all[0].Outcome != audit.Unknown || all[0].Status != 0 {
			t.Errorf("got %+v", all)
		}
	}()
	Audited(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
		Auditing{Record: s.write}).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("DELETE", "/v2/keys/a", nil))
}

// An error of the server leaves open what came of a change, unless it is one
// that is answered before the change is begun.
func TestOnlySomeErrorsOfTheServerLeaveTheOutcomeOpen(t *testing.T) {
	for _, c := range []struct {
		status int
		code   store.Code
		want   audit.Outcome
	}{
		{500, store.CodeRaft, audit.Unknown}, {500, 0, audit.Unknown}, {502, 0, audit.Unknown},
		{503, 0, audit.Refused}, {403, store.CodeQuota, audit.Refused},
	} {
		got := record(t, httptest.NewRequest("PUT", "/v2/keys/a", nil), func(w http.ResponseWriter, r *http.Request) {
			noteCode(w, c.code)
			w.WriteHeader(c.status)
		})
		if got.Outcome != c.want || got.Status != c.status || got.Code != int(c.code) {
			t.Errorf("%d: got %+v", c.status, got)
		}
	}
}

// What stands between the recorder and the transport's own writer is looked
// through.
func TestNotesReachTheRecorderThroughOthers(t *testing.T) {
	r := httptest.NewRequest("PUT", "/v2/keys/a", nil)
	got := record(t, r, func(w http.ResponseWriter, r *http.Request) {
		w = wrapped{w}
		noteUser(w, "eve")
		noteName(w, "/b")
		noteCode(w, store.CodeRaft)
	})
	if got.User != "eve" || got.Name != "/b" || got.Code != 300 {
		t.Errorf("got %+v", got)
	}
	for _, w := range []http.ResponseWriter{httptest.NewRecorder(), wrapped{httptest.NewRecorder()}} { // nobody records
		noteUser(w, "eve")
		noteName(w, "/b")
		noteCode(w, store.CodeRaft)
		noteKey(w, &keyRequest{})
	}
}

type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// deaf is a transport that takes no deadline.
type deaf struct{ http.ResponseWriter }

var errDeaf = errors.New("deaf")

func (deaf) SetReadDeadline(time.Time) error  { return errDeaf }
func (deaf) SetWriteDeadline(time.Time) error { return errDeaf }
func (deaf) FlushError() error                { return errDeaf }

func TestTheRecorderHandsFlushesAndDeadlinesOn(t *testing.T) {
	s := &scribe{}
	Audited(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		for what, err := range map[string]error{
			"flush": control.Flush(), "read": control.SetReadDeadline(time.Now()), "write": control.SetWriteDeadline(time.Now()),
		} {
			if err != errDeaf {
				t.Errorf("%s: %v", what, err)
			}
		}
	}), Auditing{Record: s.write}).ServeHTTP(deaf{httptest.NewRecorder()}, httptest.NewRequest("PUT", "/v2/keys/a", nil))
}

func TestWithoutAuditNothingIsWrapped(t *testing.T) {
	a := &API{}
	if got := Audited(a, Auditing{Reads: true}); got != http.Handler(a) {
		t.Errorf("got %T", got)
	}
}

// Beside BenchmarkGet and BenchmarkPut: what it costs to be looked at, and to
// be recorded.
func BenchmarkGetAudited(b *testing.B) {
	for name, reads := range map[string]bool{"seen": false, "recorded": true} {
		b.Run(name, func(b *testing.B) {
			a, _ := newBenchAPI(b)
			h := Audited(a, Auditing{Record: func(audit.Record) {}, Reads: reads})
			benchmarkRequest(b, h.ServeHTTP, "GET", "/v2/keys/d/500")
		})
	}
}
