package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// manager is the end of the socket that a service manager reads.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// mustListen makes the socket that what this test starts finds in its
// environment, with a watchdog.
func mustListen(t *testing.T, watchdog string) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "keytree") // t.TempDir is too long for the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", address.Name)
	t.Setenv("WATCHDOG_USEC", watchdog)
	t.Setenv("WATCHDOG_PID", "")
	return &manager{t, conn}
}

// mustHear returns the next message.
func (m *manager) mustHear() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		m.t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := m.conn.Read(b)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b[:n])
}

// mustHearLife reads signs of life, a few at least, until something else comes.
func (m *manager) mustHearLife(end func()) (next string) {
	m.t.Helper()
	for n := 0; ; n++ {
		if n == 3 {
			end()
		}
		if next = m.mustHear(); next != "WATCHDOG=1" {
			if n < 3 {
				m.t.Errorf("%q comes after %d signs of life", next, n)
			}
			return next
		}
	}
}

func TestTheServiceManagerHearsOfAMembersLife(t *testing.T) {
	m := mustListen(t, "100000")
	p := newPlace(t, "n0")
	s := p.mustLaunch("--initial-cluster", list(p))
	if got := m.mustHear(); got != "STATUS=replaying the log\nEXTEND_TIMEOUT_USEC=30000000" {
		t.Errorf("at first it says %q", got)
	}
	got := m.mustHear()
	if all := s.mustListMembers(); len(all) != 1 || len(all[0].ClientURLs) == 0 {
		t.Errorf("it is ready before it has published itself: the members are %v", all)
	}
	if id := s.idOf(p); !strings.HasPrefix(got, "READY=1\nSTATUS=member "+id+" of cluster ") || !strings.HasSuffix(got, ", ready") {
		t.Errorf("it says of %s that it is ready: %q", id, got)
	}
	if got := m.mustHearLife(func() { _ = s.cmd.Process.Signal(syscall.SIGTERM) }); got != "STOPPING=1\nSTATUS=stopping" {
		t.Errorf("at the end it says %q", got)
	}
	s.mustExit()
}

func TestTheServiceManagerHearsOfAProxysLife(t *testing.T) {
	n0, p := newPlace(t, "n0"), newPlace(t, "p")
	mustFound(t, n0)
	m := mustListen(t, "100000")
	s := p.mustProxy("--proxy", "on", "--initial-cluster", "n0="+n0.peer)
	if got := m.mustHear(); got != "READY=1\nSTATUS=proxy, ready" {
		t.Errorf("when it serves it says %q", got)
	}
	if got := m.mustHearLife(func() { _ = s.cmd.Process.Signal(syscall.SIGTERM) }); got != "STOPPING=1\nSTATUS=stopping" {
		t.Errorf("at the end it says %q", got)
	}
	s.mustExit()
}

func TestAServiceManagerThatIsGoneIsNoReasonToStop(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	t.Setenv("WATCHDOG_USEC", "never")
	s := mustStart(t, "")
	s.mustPut("/k", "v")
	s.mustSay("failed to notify systemd for readiness: dial unixgram ")
	s.mustSay("going on without systemd's watchdog: ")
}

// mustBeHeard is a notifier whose messages, and those it logs, are kept.
func mustBeHeard(t *testing.T, socket string, watchdog time.Duration) (n *notifier, said, logged *transcript) {
	t.Helper()
	t.Setenv("NOTIFY_SOCKET", socket)
	said, logged = &transcript{}, &transcript{}
	n = newNotifier(slog.New(slog.NewTextHandler(logged, nil)))
	n.watchdog = watchdog
	n.send = func(state string) error { _, err := said.Write([]byte(state + "\n")); return err }
	return n, said, logged
}

func TestWithoutAServiceManagerNothingIsSaid(t *testing.T) {
	n, said, _ := mustBeHeard(t, "", time.Millisecond)
	n.busy(t.Context(), "replaying the log")()
	stop := n.ready(t.Context(), "ready", func(context.Context) error { t.Error("it is asked for a sign of life"); return nil })
	time.Sleep(20 * time.Millisecond)
	stop()
	n.stopping()
	if said.String() != "" {
		t.Errorf("it says %q", said)
	}
}

func TestAStartThatTakesLongAsksForMoreTimeUntilItIsDone(t *testing.T) {
	n, said, _ := mustBeHeard(t, "/somewhere", 0)
	synctest.Test(t, func(t *testing.T) {
		done := n.busy(t.Context(), "replaying the log")
		time.Sleep(3*extensionPause + time.Second)
		done()
		time.Sleep(3 * extensionPause)
	})
	if want := strings.Repeat("STATUS=replaying the log\nEXTEND_TIMEOUT_USEC=30000000\n", 4); said.String() != want {
		t.Errorf("it says %q, want %q", said, want)
	}
}

func TestAMemberThatHangsGivesNoSignOfLifeUntilItGoesOn(t *testing.T) {
	n, said, logged := mustBeHeard(t, "/somewhere", 2*time.Second)
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool
		alive := func(ctx context.Context) error {
			if hangs.Load() {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}
		stop := n.ready(t.Context(), "ready", alive)
		signs := func(want int) {
			t.Helper()
			before := said.String()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := strings.TrimPrefix(said.String(), before); got != strings.Repeat("WATCHDOG=1\n", want) {
				t.Errorf("it says %q in ten seconds, want %d signs of life", got, want)
			}
		}
		time.Sleep(500 * time.Millisecond)
		signs(10)
		hangs.Store(true)
		signs(0)
		hangs.Store(false)
		time.Sleep(time.Second) // the question under way runs into its deadline
		signs(10)
		hangs.Store(true)
		time.Sleep(time.Second)
		stop() // while it is asked
		signs(0)
	})
	if got := strings.Count(logged.String(), "gets no sign of life"); got != 1 {
		t.Errorf("it logs %d times that it hangs:\n%s", got, logged)
	}
}

func TestWhatTheServiceManagerDoesNotTakeIsLogged(t *testing.T) {
	n, _, logged := mustBeHeard(t, "/somewhere", 0)
	n.send = func(string) error { return errors.New("no such thing") }
	n.ready(t.Context(), "ready", nil)()
	n.stopping()
	for _, want := range []string{"failed to notify systemd for readiness: no such thing", "failed to notify systemd: no such thing"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, logged)
		}
	}
}
