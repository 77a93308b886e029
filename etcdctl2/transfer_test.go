package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// mustRun runs words, which must end well, and returns what they print.
func (w *world) mustRun(words ...string) string {
	w.t.Helper()
	o := w.run(words...)
	if o.code != 0 || o.stderr != "" {
		w.t.Fatalf("%q: code %d, stderr %q", words, o.code, o.stderr)
	}
	return o.stdout
}

// fill makes a small tree with all there is in trees.
func (w *world) fill() {
	w.mustRun("set", "/a", "1")
	w.mustRun("set", "/dir/b", "two\n<lines> & \"more\"")
	w.mustRun("set", "--ttl", "100", "/dir/short", "s")
	w.mustRun("mkdir", "/dir/empty")
	w.mustRun("mkdir", "--ttl", "1000", "/lease")
	w.mustRun("set", "/lease/c", "")
	w.mustRun("set", "/_hidden/d", "h")
}

// timeless are the lines of an exported tree, with the ends of keys in seconds
// from now.
func timeless(t *testing.T, exported string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(exported) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, name := range []string{"time", "expiration"} {
			if text, ok := fields[name].(string); ok {
				end, err := time.Parse(time.RFC3339Nano, text)
				if err != nil {
					t.Fatal(err)
				}
				fields[name] = time.Until(end).Round(time.Second).Seconds()
			}
		}
		delete(fields, "index")
		again, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(again, '\n'))
	}
	return b.String()
}

func TestExportWritesKeysDirectoriesAndWhenTheyEnd(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.fill()
		got := timeless(t, w.mustRun("export", "--hidden", "/_hidden"))
		want := `{"export":1,"key":"/","time":0}
{"key":"/a","value":"1"}
{"dir":true,"key":"/dir"}
{"dir":true,"expiration":1000,"key":"/lease"}
{"key":"/dir/b","value":"two\n\u003clines\u003e \u0026 \"more\""}
{"dir":true,"key":"/dir/empty"}
{"expiration":100,"key":"/dir/short","value":"s"}
{"key":"/lease/c"}
{"dir":true,"key":"/_hidden"}
{"key":"/_hidden/d","value":"h"}
`
		head, end, found := strings.Cut(got, `{"checksum":`)
		if head != want || !found || !strings.HasSuffix(end, `,"directories":4,"end":1,"keys":5}`+"\n") {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
		if got := timeless(t, w.mustRun("export", "/dir/b")); strings.Count(got, "\n") != 3 {
			t.Errorf("of one key: %s", got)
		}
		w.mustFail(exitRefused, "Error:  100: Key not found (/none) [10]\n", "export", "/none")
	})
}

func TestWhatIsExportedCanBeImported(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.fill()
		exported := w.mustRun("export", "--hidden", "/_hidden")
		w.mustRun("rm", "-r", "/dir")
		w.mustRun("rm", "-r", "/lease")
		w.mustRun("rm", "-r", "/_hidden")
		w.mustRun("set", "/a", "another")
		time.Sleep(10 * time.Second)
		o := w.runWith(exported, "import")
		if o.code != 0 || !strings.HasPrefix(o.stdout, "Imported 5 keys and 4 directories.\nCompared 5 keys and 4 directories: the same, checksum ") {
			t.Fatalf("%+v", o)
		}
		again := w.mustRun("export", "--hidden", "/_hidden")
		_, got, _ := strings.Cut(timeless(t, again), "\n")
		if _, want, _ := strings.Cut(timeless(t, exported), "\n"); got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	})
}

func TestAnImportThatWasCutShortGoesOn(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var lines strings.Builder
		for i := range 50 {
			fmt.Fprintf(&lines, "{\"key\":\"/d/%d\",\"value\":\"v\"}\n", i)
		}
		s, stdout, stderr := w.newShell("import", "--writers", "1")
		s.stdin = strings.NewReader(lines.String())
		var writes atomic.Int64
		net := s.transport
		s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut && writes.Add(1) > 20 {
				return nil, errors.New("the network is gone")
			}
			return net.RoundTrip(r)
		})
		o := ended(s, stdout, stderr)
		if o.code != exitRefused || !strings.HasPrefix(o.stderr, "Stopped after 20 writes; what is missing can be imported with --resume.\nError:  import /d/20: ") {
			t.Fatalf("%+v", o)
		}
		if o := w.runWith(lines.String(), "import", "--dry-run"); o.stdout != "Would write 30 keys and 0 directories; 20 were there already.\n" {
			t.Errorf("dry run: %+v", o)
		}
		o = w.runWith(lines.String(), "import", "--resume")
		if !strings.HasPrefix(o.stdout, "Imported 30 keys and 0 directories; 20 were there already.\nCompared 50 keys and 0 directories: the same") {
			t.Errorf("resumed: %+v", o)
		}
	})
}

// roundTripper is a function that sends requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestLifetimesAreImportedToTheNearestSecond(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var lines strings.Builder
		write := func(key string, left time.Duration) {
			fmt.Fprintf(&lines, "{\"key\":%q,\"value\":\"v\",\"expiration\":%q}\n", key, time.Now().Add(left).Format(time.RFC3339Nano))
		}
		write("/gone", -time.Second)
		write("/soon", 10*time.Millisecond)
		write("/below", 10400*time.Millisecond)
		write("/above", 10600*time.Millisecond)
		o := w.runWith(lines.String(), "import")
		if !strings.HasPrefix(o.stdout, "Imported 3 keys and 0 directories; 1 have ended.\nCompared 3 keys") {
			t.Errorf("%+v", o)
		}
		for key, ttl := range map[string]string{"/soon": "TTL: 1", "/below": "TTL: 10", "/above": "TTL: 11"} {
			if got := w.mustRun("-o", "extended", "get", key); !strings.Contains(got, ttl+"\n") {
				t.Errorf("%s: %s, want %s", key, got, ttl)
			}
		}
		w.mustFail(exitRefused, "Error:  100: Key not found (/gone) [6]\n", "get", "/gone")
	})
}

func TestImportRefusesWhatIsNotWhole(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.fill()
		exported := w.mustRun("export")
		lines := strings.SplitAfter(exported, "\n")
		cut := strings.Join(lines[:len(lines)-2], "")
		for _, test := range []struct{ text, reason string }{
			{cut, "the end is missing: this is only the beginning of what was exported"},
			{strings.Replace(exported, `"value":"1"`, `"value":"2"`, 1), "line 9: this is not what was exported: "},
			{strings.Join(append(lines[:2:2], lines[3:]...), ""), "line 8: this is not what was exported: "},
			{exported + lines[1], "line 10: there is more after the end"},
			{"{\"export\":2}\n", "line 1: it was exported by a newer program, in version 2 of the form"},
			{"nonsense\n", "line 1: invalid character 'o' in literal null"},
			{"{\"key\":\"a\"}\n", `line 1: "a" is no key`},
			{"{\"key\":\"/a/../b\"}\n", `line 1: "/a/../b" is no key`},
			{"{\"key\":\"/\",\"dir\":true}\n", `line 1: "/" is no key`},
		} {
			o := w.runWith(test.text, "import")
			if o.code != exitRefused || !strings.Contains(o.stderr, "Error:  "+test.reason) {
				t.Errorf("%q: %+v, want %q", test.text, o, test.reason)
			}
		}
	})
}

func TestAnImportDoesNotTurnKeysIntoDirectories(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustRun("set", "/k", "v")
		o := w.runWith(`{"key":"/k","dir":true}`, "import")
		if o.code != exitRefused || !strings.Contains(o.stderr, "Error:  import /k: 105: Key already exists (/k) [4]\n") {
			t.Errorf("%+v", o)
		}
		w.must("v\n", "get", "/k")
		o = w.runWith(`{"key":"/k/x","value":"1"}`, "import", "--resume")
		if o.code != exitRefused || !strings.Contains(o.stderr, "Error:  import /k/x: 104: Not a directory (/k) [4]\n") {
			t.Errorf("%+v", o)
		}
	})
}

func TestADirectoryThatIsThereGetsItsLifetime(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustRun("set", "/d/x", "1")
		end := time.Now().Add(500 * time.Second).Format(time.RFC3339Nano)
		o := w.runWith(`{"key":"/d","dir":true,"expiration":"`+end+`"}`, "import")
		if o.code != 0 {
			t.Errorf("%+v", o)
		}
		if got := w.mustRun("tree"); got != "/\n└── d/ (500 s)\n    └── x\n\n1 directory, 1 key\n" {
			t.Error(got)
		}
	})
}

func TestAnImportThatOthersWriteOverSaysSo(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		s, stdout, stderr := w.newShell("import")
		s.stdin = strings.NewReader(`{"key":"/k","value":"v"}`)
		net := s.transport
		s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet && strings.HasPrefix(r.URL.Path, "/v2/keys") {
				w.mustRun("set", "/k", "another")
			}
			return net.RoundTrip(r)
		})
		o := ended(s, stdout, stderr)
		if o.code != exitBadArgs || !strings.HasPrefix(o.stderr, "/k is not as it was imported\nCompared: 1 of 1 differ, checksum ") {
			t.Errorf("%+v", o)
		}
	})
}

func TestKeysAreCopiedFromAnotherCluster(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.fill()
		from := w.members.Members[0].ClientURL
		if o := w.run("import", "--from", from, "/dir"); !strings.HasPrefix(o.stdout, "Imported 2 keys and 2 directories.\nCompared 2 keys and 2 directories: the same") {
			t.Errorf("%+v", o)
		}
		if o := w.run("import", "--from", from, "--hidden", "/_hidden", "--resume"); !strings.HasPrefix(o.stdout, "Imported 0 keys and 0 directories; 9 were there already.\n") {
			t.Errorf("%+v", o)
		}
		w.mustFail(exitBadArgs, "--hidden needs --from: a file has what it has\n", "import", "--hidden", "/_hidden")
		w.mustFail(exitBadArgs, "--writers must be from 1 to 1000\n", "import", "--writers", "0")
		w.mustFail(exitBadArgs, "open no-such-file: no such file or directory\n", "import", "no-such-file")
	})
}

func TestTheChecksumDependsOnWhatIsThereOnly(t *testing.T) {
	a, b := entry{Key: "/a", Value: "1"}, entry{Key: "/b", Value: "2"}
	sum := func(entries ...entry) string {
		var all tally
		for i := range entries {
			all.add(&entries[i])
		}
		return all.checksum()
	}
	if sum(a, b) != sum(b, a) {
		t.Error("it depends on the order")
	}
	for _, other := range [][]entry{{a}, {a, {Key: "/b", Value: "3"}}, {a, {Key: "/b2", Value: ""}}, {a, {Key: "/b", Dir: true}}, {{Key: "/a1"}, b}} {
		if sum(other...) == sum(a, b) {
			t.Errorf("%v counts as %v", other, []entry{a, b})
		}
	}
}

func TestProgressWithoutATerminalIsALineNowAndThen(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var out bytes.Buffer
		p := (&call{shell: &shell{stderr: &out}}).newProgress()
		for range 25 {
			p.add(10)
			time.Sleep(time.Second)
		}
		p.end()
		if got := out.String(); got != "110 keys so far\n210 keys so far\n" {
			t.Errorf("got %q", got)
		}
	})
}

func TestAnImportOutlivesAnOutage(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var lines strings.Builder
		for i := range 100 {
			fmt.Fprintf(&lines, "{\"key\":\"/d%d/k\",\"value\":\"v\"}\n", i)
		}
		s, stdout, stderr := w.newShell("import")
		s.stdin = strings.NewReader(lines.String())
		var asked atomic.Int64
		var down atomic.Pointer[time.Time]
		net := s.transport
		s.transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			if asked.Add(1) == 50 {
				now := time.Now()
				down.Store(&now)
			}
			if since := down.Load(); since != nil && time.Since(*since) < 10*time.Second {
				return nil, errors.New("the network is gone")
			}
			return net.RoundTrip(r)
		})
		begin := time.Now()
		o := ended(s, stdout, stderr)
		if o.code != 0 || !strings.HasPrefix(o.stdout, "Imported 100 keys and 0 directories.\nCompared 100 keys and 0 directories: the same") {
			t.Errorf("%+v", o)
		}
		if took := time.Since(begin); took < 10*time.Second || took > 13*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAnImportHoldsOnlySoMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &importer{}
		i.mu.idle.L = &i.mu
		i.take(underWay + 1) // a directory may be larger, if there is nothing else
		var begun atomic.Bool
		go func() {
			i.take(1)
			begun.Store(true)
		}()
		synctest.Wait()
		if begun.Load() {
			t.Error("more is held than there should be")
		}
		i.giveBack(underWay + 1)
		synctest.Wait()
		if !begun.Load() {
			t.Error("there is room, but nobody was told")
		}
	})
}
