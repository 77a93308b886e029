package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi/client"
)

func TestKeyAndCommandAreToldApart(t *testing.T) {
	for _, tt := range []struct{ args, key, command string }{
		{"/k -- sh -c x", "/k", "sh -c x"},
		{"/k -- sh -- x", "/k", "sh -- x"},
		{"echo hi /k", "/k", "echo hi"},
		{"echo /k", "/k", "echo"},
		{"k echo hi", "hi", "k echo"}, // as etcdctl does
		{"/k", "", ""},
		{"/k --", "", ""},
		{"", "", ""},
	} {
		key, command, ok := keyAndCommand(strings.Fields(tt.args))
		if key != tt.key || strings.Join(command, " ") != tt.command || ok != (tt.key != "") {
			t.Errorf("%q: %q, %q, %t", tt.args, key, command, ok)
		}
	}
}

func TestExecWatchWithoutACommandIsRefused(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, words := range []string{"", "/k", "-r /k", "/k --", "-- /k"} {
			w.mustFail(1, "Error:  key and command to exec required\n", append([]string{"exec-watch"}, strings.Fields(words)...)...)
		}
	})
}

func TestExecWatchTellsAProgramWhatHasHappened(t *testing.T) {
	for _, words := range []string{
		"exec-watch --recursive /t -- sh -c @",
		"exec-watch /t --recursive -- sh -c @",
		"exec-watch --after-index 3 /t -r -- sh -c @",
		"exec-watch -r -- sh -c @ /t",
	} {
		t.Run(words, func(t *testing.T) {
			inWorld(t, 1, func(t *testing.T, w *world) {
				s, _, _ := w.newShell(strings.Fields(words)...)
				s.args[slices.Index(s.args, "@")] = `cat; env | grep -e ^ETCD -e ^MINE | sort`
				s.environ = append(s.environ, "MINE=1", "ETCDCTL_API=2", "ETCD_WATCH_VALUE=old")
				s.stdin = strings.NewReader("not passed on")
				f := follow(s)
				w.must("a b\n", "set", "/t/k", "a b")
				synctest.Wait()
				w.must("PrevNode.Value: a b\n", "rm", "/t/k")
				const after = "MINE=1\n"
				endpoints := "ETCDCTL_ENDPOINTS=" + w.members.Members[0].ClientURL + "\n"
				mustBe(t, f.interrupted(), outcome{stdout: endpoints +
					"ETCD_WATCH_ACTION=set\nETCD_WATCH_KEY=/t/k\nETCD_WATCH_MODIFIED_INDEX=4\nETCD_WATCH_VALUE=a b\n" + after + endpoints +
					"ETCD_WATCH_ACTION=delete\nETCD_WATCH_KEY=/t/k\nETCD_WATCH_MODIFIED_INDEX=5\nETCD_WATCH_VALUE=\n" + after}, words)
			})
		})
	}
}

func TestExecWatchTellsOfDirectoriesOnly(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		f := w.follow("exec-watch", "-r", "/t", "--", "echo", "started")
		w.must("", "mkdir", "/t/sub")
		w.must("", "rm", "-r", "/t")
		mustBe(t, f.interrupted(), outcome{stderr: "Ignored dir /t/sub change\nIgnored dir /t change\n"}, "exec-watch")
	})
}

func TestAProgramThatCannotBeStartedEndsExecWatch(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		f := w.follow("exec-watch", "/k", "--", "no-such-program")
		w.must("1\n", "set", "/k", "1")
		mustBe(t, f.end(), outcome{code: 1, stderr: `exec: "no-such-program": executable file not found in $PATH`}, "exec-watch")
	})
}

func TestAProgramThatFailsDoesNotEndExecWatch(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		f := w.follow("exec-watch", "/k", "--", "sh", "-c", "echo oops >&2; exit 3")
		w.must("1\n", "set", "/k", "1")
		w.must("2\n", "set", "/k", "2")
		mustBe(t, f.interrupted(), outcome{stderr: "oops\noops\n"}, "exec-watch")
	})
}

func TestAValueThatDoesNotFitIntoAnEnvironmentIsLeftOut(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		f := w.follow("exec-watch", "/k", "--", "sh", "-c", `echo $ETCD_WATCH_MODIFIED_INDEX ${ETCD_WATCH_VALUE-none}`)
		for _, value := range []string{"a\x00b", strings.Repeat("x", 200_000)} {
			if got := w.runWith(value, "set", "/k"); got.code != 0 {
				t.Fatal(got)
			}
			synctest.Wait()
		}
		w.must("short\n", "set", "/k", "short")
		const note = "The value of \"/k\" does not fit into the environment: going on without ETCD_WATCH_VALUE.\n"
		got := f.interrupted()
		if seen := lines(got.stdout); !slices.Equal(slices.Sorted(slices.Values(seen)), []string{"4 none", "5 none", "6 short"}) || got.stderr != note+note || got.code != 0 {
			t.Error(got)
		}
	})
}

func TestProgramsOfExecWatchOverlap(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		mark := filepath.Join(t.TempDir(), "second")
		s, _, _ := w.newShell("exec-watch", "/k", "--", "sh", "-c",
			`if [ $ETCD_WATCH_VALUE = 1 ]; then until [ -e "$MARK" ]; do sleep 0.01; done; else : >"$MARK"; fi; echo $ETCD_WATCH_VALUE`)
		s.environ = append(s.environ, "MARK="+mark, "PATH=/usr/bin:/bin")
		f := follow(s)
		w.must("1\n", "set", "/k", "1")
		w.must("2\n", "set", "/k", "2")
		got := f.interrupted()
		if seen := lines(got.stdout); !slices.Equal(slices.Sorted(slices.Values(seen)), []string{"1", "2"}) || got.code != 0 {
			t.Error(got)
		}
	})
}

// TestExecWatchLosesNoEvent writes while members stop, die and come back, and
// while all of them are gone, and counts what programs were told.
func TestExecWatchLosesNoEvent(t *testing.T) {
	inWorld(t, 3, func(t *testing.T, w *world) {
		f := w.follow("exec-watch", "-r", "/k", "--", "sh", "-c", "echo $ETCD_WATCH_MODIFIED_INDEX $ETCD_WATCH_VALUE")
		cl := w.mustClient()
		var written []string
		write := func() {
			for i := range 5 {
				r, err := cl.Set(t.Context(), fmt.Sprintf("/k/%d", i%2), strconv.Itoa(len(written)), client.SetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				written = append(written, fmt.Sprint(r.Node.ModifiedIndex, " ", r.Node.Value))
			}
		}
		write()
		for _, m := range w.members.Members { // one of them has the watch, and one leads
			m.Stop()
			w.members.Leader()
			write()
			m.Start()
			m.AwaitReady()
			write()
		}
		for range 3 {
			m := w.members.Leader()
			m.Kill()
			w.members.Leader()
			write()
			m.Start()
			m.AwaitReady()
		}
		for _, m := range w.members.Members {
			m.Stop()
		}
		time.Sleep(time.Minute)
		for _, m := range w.members.Members {
			m.Start()
		}
		for _, m := range w.members.Members {
			m.AwaitReady()
		}
		write()
		time.Sleep(time.Minute)
		got := f.interrupted()
		seen := lines(got.stdout)
		slices.Sort(seen) // programs overlap
		slices.Sort(written)
		if got.code != 0 || !slices.Equal(seen, written) {
			t.Errorf("code %d, stderr %q, %d programs for %d writes\nprograms: %q\nwrites: %q", got.code, got.stderr, len(seen), len(written), seen, written)
		}
		for _, line := range lines(got.stderr) {
			if !strings.HasPrefix(line, "Lost the connection, trying to get it back: ") {
				t.Errorf("the breaks were told of as %q", got.stderr)
			}
		}
	})
}

func TestExecWatchTakesAStreamWhereItCan(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		var asked []string
		s, _, _ := w.newShell("--no-sync", "exec-watch", "/k", "--", "true")
		network := s.transport
		s.transport = transport(func(r *http.Request) (*http.Response, error) {
			asked = append(asked, r.URL.RequestURI())
			return network.RoundTrip(r)
		})
		f := follow(s)
		w.must("1\n", "set", "/k", "1")
		w.must("2\n", "set", "/k", "2")
		mustBe(t, f.interrupted(), outcome{}, "exec-watch")
		if want := []string{"/version", "/v2/keys/k?recursive=false&stream=true&wait=true&waitIndex=0"}; !slices.Equal(asked, want) {
			t.Errorf("asked %q, want %q", asked, want)
		}
	})
}
