package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"keytree/httpapi"
	"keytree/httpapi/apitest"
	"keytree/httpapi/auth"
)

// world is a cluster in memory and those who type commands.
type world struct {
	t       *testing.T
	members *apitest.Cluster
}

// inWorld runs test in a world of n members, on a clock of its own.
func inWorld(t *testing.T, n int, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		test(t, &world{t: t, members: apitest.Open(t, n, func(m *apitest.Member) apitest.Servers {
			return apitest.Servers{Clients: httpapi.NewServer(handler(t, m), slog.New(slog.DiscardHandler))}
		})})
	})
}

// handler is what m answers clients with.
func handler(t testing.TB, m *apitest.Member) http.Handler {
	a := auth.Open(auth.Config{Tree: m.Replica, Hasher: auth.Bcrypt{Cost: 4}})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
	return httpapi.New(httpapi.Config{
		Keyspace: m.Replica, Cluster: m.Replica, Progress: m.Replica, Stats: m.Stats(), Auth: a,
		Logger: slog.New(slog.DiscardHandler), Version: "0.1.0", RequestTimeout: -1,
	})
}

// outcome is what a run leaves behind.
type outcome struct {
	stdout, stderr string
	code           int
}

// newShell is the shell of a user who types words, and nothing after that.
func newShell(words ...string) (s *shell, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &shell{
		args:          append([]string{"etcdctl"}, words...),
		stdin:         strings.NewReader(""),
		stdout:        stdout,
		stderr:        stderr,
		interruptible: context.WithCancel,
		shuffle:       func(int, func(i, j int)) {},
	}, stdout, stderr
}

// ended runs s to its end.
func ended(s *shell, stdout, stderr *bytes.Buffer) outcome {
	code := s.run(context.Background())
	return outcome{stdout.String(), stderr.String(), code}
}

// newShell is the shell of a user of the cluster.
func (w *world) newShell(words ...string) (s *shell, stdout, stderr *bytes.Buffer) {
	s, stdout, stderr = newShell(words...)
	s.transport = w.members.Client().Transport
	var urls []string
	for _, m := range w.members.Members {
		urls = append(urls, m.ClientURL)
	}
	s.environ = []string{"ETCDCTL_ENDPOINTS=" + strings.Join(urls, ",")}
	return s, stdout, stderr
}

// run is what becomes of words.
func (w *world) run(words ...string) outcome { return ended(w.newShell(words...)) }

// runWith is what becomes of words if text is on stdin.
func (w *world) runWith(text string, words ...string) outcome {
	s, stdout, stderr := w.newShell(words...)
	s.stdin = strings.NewReader(text)
	return ended(s, stdout, stderr)
}

// must runs words, which must print stdout and nothing else.
func (w *world) must(stdout string, words ...string) {
	w.t.Helper()
	mustBe(w.t, w.run(words...), outcome{stdout: stdout}, words...)
}

// mustFail runs words, which must print stderr only and end with code.
func (w *world) mustFail(code int, stderr string, words ...string) {
	w.t.Helper()
	mustBe(w.t, w.run(words...), outcome{stderr: stderr, code: code}, words...)
}

func mustBe(t *testing.T, got, want outcome, words ...string) {
	t.Helper()
	if got != want {
		t.Errorf("%q:\ncode %d, stdout %q, stderr %q, want\ncode %d, stdout %q, stderr %q",
			words, got.code, got.stdout, got.stderr, want.code, want.stdout, want.stderr)
	}
}
