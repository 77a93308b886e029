package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestWhatIsInADirectoryThatHasEndedIsNotImported(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		end := time.Now().Add(10 * time.Second).Format(time.RFC3339Nano)
		late := time.Now().Add(500 * time.Second).Format(time.RFC3339Nano)
		lines := `{"key":"/d","dir":true,"expiration":"` + end + `"}
{"key":"/d/a","value":"1"}
{"key":"/d/b","value":"2","expiration":"` + late + `"}
{"key":"/d/sub","dir":true,"expiration":"` + late + `"}
{"key":"/d/sub/c","value":"3"}
{"key":"/stays","value":"4"}
`
		o := w.runWith(lines, "import")
		if o.code != 0 || !strings.HasPrefix(o.stdout, "Imported 4 keys and 2 directories.\nCompared 4 keys and 2 directories: the same") {
			t.Errorf("%+v", o)
		}
		time.Sleep(9500 * time.Millisecond) // one more would make it anew, for ever
		o = w.runWith(lines, "import")
		if o.code != 0 || !strings.HasPrefix(o.stdout, "Imported 1 key and 1 directory; 4 have ended.\nCompared 1 key and 0 directories: the same") {
			t.Errorf("%+v", o)
		}
		time.Sleep(2 * time.Second)
		o = w.runWith(lines, "import", "--resume")
		if o.code != 0 || !strings.HasPrefix(o.stdout, "Imported 0 keys and 0 directories; 1 were there already; 5 have ended.\nCompared 1 key and 0 directories: the same") {
			t.Errorf("%+v", o)
		}
		w.must("/stays\n", "ls", "-r", "/")
	})
}

// A key in a directory that ends must not be there before it: it would keep
// the directory, should that be over before it is made.
func TestADirectoryThatEndsIsMadeBeforeWhatIsInIt(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		end := time.Now().Add(20 * time.Second).Format(time.RFC3339Nano)
		s, stdout, stderr := w.newShell("import")
		s.stdin = strings.NewReader(`{"key":"/d","dir":true,"expiration":"` + end + "\"}\n" + `{"key":"/d/a","value":"1"}`)
		net := s.transport
		s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut && r.URL.Path == "/v2/keys/d" {
				time.Sleep(time.Second)
			}
			if r.Method == http.MethodPut && r.URL.Path == "/v2/keys/d/a" {
				w.must("/d\n", "ls", "/")
			}
			return net.RoundTrip(r)
		})
		if o := ended(s, stdout, stderr); o.code != 0 {
			t.Errorf("%+v", o)
		}
	})
}

func TestThePasswordForAnotherClusterIsNotShown(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, from := range []string{"http://root:secret@127.0.0.1:1", "http://root:secret@[::1"} {
			o := w.run("--debug", "import", "--from", from)
			if o.code == 0 || strings.Contains(o.stdout+o.stderr, "secret") {
				t.Errorf("%+v", o)
			}
		}
	})
}

// Entries that follow each other in other directories are groups of one.
func TestAnImportAsksNoMoreAtATimeThanItMay(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var lines strings.Builder
		for i := range 100 {
			fmt.Fprintf(&lines, "{\"key\":\"/d%d/k\",\"value\":\"v\"}\n", i)
		}
		s, stdout, stderr := w.newShell("import", "--resume", "--writers", "3")
		s.stdin = strings.NewReader(lines.String())
		var underWay, most atomic.Int64
		net := s.transport
		s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			n := underWay.Add(1)
			defer underWay.Add(-1)
			if n > most.Load() {
				most.Store(n)
			}
			time.Sleep(100 * time.Millisecond)
			return net.RoundTrip(r)
		})
		if o := ended(s, stdout, stderr); o.code != 0 || most.Load() != 3 {
			t.Errorf("%d were under way at once, want 3; %+v", most.Load(), o)
		}
	})
}
