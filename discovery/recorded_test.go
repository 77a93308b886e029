package discovery

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"testing"
)

// exchange is one line of a recording: what a member of etcd 3.4.23 asked of
// another such server, and got.
type exchange struct {
	Method      string            `json:"method"`
	Path        string            `json:"path"`
	Headers     map[string]string `json:"headers"`
	Body        string            `json:"body"`
	Status      int               `json:"status"`
	RespHeaders map[string]string `json:"resp_headers"`
	RespBody    string            `json:"resp_body"`
}

func readRecording(t *testing.T) (lines []exchange) {
	t.Helper()
	f, err := os.Open("testdata/discovery_01_requests.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := json.NewDecoder(f); ; {
		var x exchange
		if err := d.Decode(&x); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, x)
	}
}

// The requests are those that etcd's own member sent, to the byte, and are
// understood with etcd's own answers.
func TestTheRequestsAreThoseOfEtcd(t *testing.T) {
	lines := readRecording(t)[1:8] // the first is of who made the token, the rest of others
	told(t, func(t *testing.T) {
		asked := 0
		l := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || asked >= len(lines) {
				t.Errorf("%s %s after the last: %v", r.Method, r.RequestURI, err)
				panic(http.ErrAbortHandler)
			}
			x := lines[asked]
			asked++
			if r.Method != x.Method || r.RequestURI != x.Path || string(body) != x.Body {
				t.Errorf("request %d: got %s %s %q\nwant %s %s %q", asked, r.Method, r.RequestURI, body, x.Method, x.Path, x.Body)
			}
			if got, want := r.Header.Get("Content-Type"), x.Headers["Content-Type"]; got != want {
				t.Errorf("request %d: Content-Type %q, want %q", asked, got, want)
			}
			for name, value := range x.RespHeaders {
				w.Header().Set(name, value)
			}
			w.WriteHeader(x.Status)
			_, _ = io.WriteString(w, x.RespBody)
		}))
		c := newConfig(l, new(bytes.Buffer))
		c.URL = "http://host:2379/v2/keys/_etcd/registry/tok1"
		c.Self = 0xcf28a41e0affd38c
		c.Registration = "db=http://127.0.0.1:21612"
		got, err := join(t, c)
		if want := "db=http://127.0.0.1:21612,da=http://127.0.0.1:21611"; err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
		if asked != len(lines) {
			t.Errorf("%d requests, want %d", asked, len(lines))
		}
	})
}
