package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"keytree/httpapi/client"
)

func TestAWatchEndsWithTheNextEvent(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		f := w.follow("watch", "/d/k")
		w.must("1\n", "set", "/d/other", "1")
		if f.ended() {
			t.Error("an event of another key ended the watch")
		}
		w.must("2\n", "set", "/d/k", "2")
		mustBe(t, f.end(), outcome{stdout: "2\n"}, "watch")

		f = w.follow("watch", "/d")
		w.must("3\n", "set", "/d/k", "3")
		if f.ended() {
			t.Error("what happened beneath the key ended a watch that is not recursive")
		}
		mustBe(t, f.interrupted(), outcome{}, "watch", "/d")
	})
}

func TestARecursiveWatchNamesEventsAndPassesOverDirectories(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		f := w.follow("watch", "/d", "-r", "-f")
		w.must("", "mkdir", "/d/sub")
		w.must("1\n", "mk", "/d/a", "1")
		w.must("2\n", "update", "/d/a", "2")
		w.must("3\n", "set", "/d/a", "3", "--swap-with-value", "2")
		w.must("PrevNode.Value: 3\n", "rm", "/d/a")
		w.must("4\n", "set", "/d/b", "4", "--ttl", "1")
		time.Sleep(3 * time.Second)
		w.must("", "rm", "-r", "/d")
		mustBe(t, f.interrupted(), outcome{stdout: "[create] /d/a\n1\n[update] /d/a\n2\n[compareAndSwap] /d/a\n3\n" +
			"[delete] /d/a\nPrevNode.Value: 3\n[set] /d/b\n4\n[expire] /d/b\n\n"}, "watch")
	})
}

func TestAWatchShowsEventsInTheFormatThatIsWanted(t *testing.T) {
	for format, want := range map[string]outcome{
		"extended": {stdout: "[set] /k\nKey: /k\nCreated-Index: 4\nModified-Index: 4\nTTL: 0\nIndex: 3\n\n1\n" +
			"[delete] /k\nKey: /k\nCreated-Index: 4\nModified-Index: 5\nPrevNode.Value: 1\nTTL: 0\nIndex: 4\n"},
		"json": {stdout: "[set] /k\n" +
			`{"action":"set","node":{"key":"/k","value":"1","nodes":null,"createdIndex":4,"modifiedIndex":4},"prevNode":null}` + "\n[delete] /k\n" +
			`{"action":"delete","node":{"key":"/k","value":"","nodes":null,"createdIndex":4,"modifiedIndex":5},"prevNode":{"key":"/k","value":"1","nodes":null,"createdIndex":4,"modifiedIndex":4}}` + "\n"},
		"xml": {stdout: "[set] /k\n[delete] /k\n", stderr: "Unsupported output format: xml\nUnsupported output format: xml\n"},
	} {
		t.Run(format, func(t *testing.T) {
			inWorld(t, 1, func(t *testing.T, w *world) {
				f := w.follow("-o", format, "watch", "--recursive", "--forever", "/k")
				w.must("1\n", "set", "/k", "1")
				synctest.Wait() // an event that happens before it is asked for has a later Index
				w.must("PrevNode.Value: 1\n", "rm", "/k")
				mustBe(t, f.interrupted(), want, "watch")
			})
		})
	}
}

func TestAWatchBeginsAfterAnIndex(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		for _, value := range []string{"4", "5", "6"} {
			w.must(value+"\n", "set", "/k", value)
		}
		w.must("5\n", "watch", "/k", "--after-index", "4")
		for _, none := range []string{"0", "-1", "-7", "100"} {
			f := w.follow("watch", "--after-index", none, "/k")
			if f.ended() {
				t.Errorf("after %s there is an event", none)
			}
			mustBe(t, f.interrupted(), outcome{}, "watch", none)
		}
	})
}

func TestAWatchWithoutAKeyIsRefused(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustFail(1, "Error:  key required\n", "watch")
		w.mustFail(1, "Error:  key required\n", "watch", "-f", "-r")
	})
}

// mustFill lets a thousand events, and a few, pass.
func (w *world) mustFill() {
	w.t.Helper()
	cl := w.mustClient()
	for i := range 1010 {
		if _, err := cl.Set(w.t.Context(), "/fill", strconv.Itoa(i), client.SetOptions{}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestAWatchFromAnIndexThatHistoryHasLeftBehindIsRefused(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.mustFill()
		const refusal = "Error:  401: The event in requested index is outdated and cleared (the requested history has been cleared [14/3]) [1013]\n"
		w.mustFail(4, refusal, "watch", "--after-index", "2", "/k")
		w.mustFail(4, refusal, "watch", "--after-index", "2", "-f", "-r", "/k")
		w.mustFail(4, refusal, "exec-watch", "--after-index", "2", "/k", "--", "true")
	})
}

func TestAWatchForOneEventFailsWithItsServer(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		f := w.follow("watch", "/k")
		w.members.Members[0].Stop()
		got := f.end()
		if got.code != 4 || !strings.HasPrefix(got.stderr, "Error:  client: etcd cluster is unavailable or misconfigured; error #0: ") || got.stdout != "" {
			t.Error(got)
		}
	})
}

func TestAWatchForEverOutlivesItsServerAndLosesNothing(t *testing.T) {
	inWorld(t, 1, func(t *testing.T, w *world) {
		m := w.members.Members[0]
		f := w.follow("watch", "/k", "--forever")
		w.must("1\n", "set", "/k", "1")
		for range 2 {
			m.Stop()
			time.Sleep(time.Minute)
			m.Start()
			m.AwaitReady()
			w.must("2\n", "set", "/k", "2") // whether the watch is back or not
			w.must("3\n", "set", "/k", "3")
			time.Sleep(time.Minute)
		}
		got := f.interrupted()
		if got.stdout != "1\n2\n3\n2\n3\n" || got.code != 0 {
			t.Error(got)
		}
		if told := lines(got.stderr); len(told) != 2 || !strings.HasPrefix(told[0], "Lost the connection, trying to get it back: ") {
			t.Errorf("two outages were told of as %q", told)
		}
	})
}

func TestAWatchForEverThatNobodyHasTakenFails(t *testing.T) {
	for _, words := range []string{"watch -f /k", "watch -f --after-index 3 /k", "exec-watch /k -- true"} {
		s, stdout, stderr := newShell(append([]string{"--endpoints", "http://a:1", "--no-sync"}, strings.Fields(words)...)...)
		s.transport = alone
		mustBe(t, ended(s, stdout, stderr), outcome{stderr: refusedBlock, code: 4}, words)
	}
}

// inTurn is a network that gives one answer after the other, and after them
// none any more.
func inTurn(answers ...transport) transport {
	return func(r *http.Request) (*http.Response, error) {
		if len(answers) == 0 {
			return alone(r)
		}
		answer := answers[0]
		answers = answers[1:]
		return answer(r)
	}
}

// breaks is a network in which a watch is taken and then the connection breaks.
func breaks(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"X-Etcd-Index": {"5"}, "X-Etcd-Cluster-Id": {"c1"}},
		Body:       io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)),
	}, nil
}

func TestAWatchForEverThatMissedEventsSaysSoAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stdout, stderr := newShell("--endpoints", "http://a:1", "--no-sync", "watch", "-f", "/k")
		s.transport = inTurn(breaks, alone, says(http.StatusBadRequest,
			`{"errorCode":401,"message":"The event in requested index is outdated and cleared","cause":"the requested history has been cleared [9/6]","index":1008}`))
		mustBe(t, ended(s, stdout, stderr), outcome{code: 4, stderr: "Lost the connection, trying to get it back: unexpected EOF\n" +
			"Lost history: the events from index 6 to 1008 may have been missed.\n" +
			"Error:  401: The event in requested index is outdated and cleared (the requested history has been cleared [9/6]) [1008]\n"})
	})
}

func TestAWatchForEverDoesNotGoOnWithAnotherCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stdout, stderr := newShell("--endpoints", "http://a:1", "--no-sync", "watch", "-f", "/k")
		s.transport = inTurn(breaks, func(r *http.Request) (*http.Response, error) {
			resp, err := breaks(r)
			resp.Header.Set("X-Etcd-Cluster-Id", "c2")
			return resp, err
		})
		mustBe(t, ended(s, stdout, stderr), outcome{code: 4, stderr: "Lost the connection, trying to get it back: unexpected EOF\n" +
			"Error:  client: the endpoints belong to another cluster now, which is at index 5; events from 6 on may be lost\n"})
	})
}
