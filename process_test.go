package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test program be the server when a test starts it so.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_IS_SERVER") != "" {
		main()
	}
	os.Exit(m.Run())
}

// server is a real process.
type server struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *transcript
	client string // URL
}

// transcript collects what a process says while a test reads it.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	settings := func(entry string) bool {
		return strings.HasPrefix(entry, etcdPrefix) || strings.HasPrefix(entry, ownPrefix)
	}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), settings), "TEST_IS_SERVER=1")
	cmd.Dir = t.TempDir()
	return cmd
}

// mustStart starts a member on dir, or on the default directory if that is
// empty, and returns once it is ready.
func mustStart(t *testing.T, dir string, args ...string) *server {
	t.Helper()
	free := freeAddresses(t, 2)
	s := &server{t: t, stderr: &transcript{}, client: "http://" + free[0]}
	peer := "http://" + free[1]
	args = append([]string{"-name", "n1", "--listen-client-urls", s.client, "-advertise-client-urls=" + s.client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "n1=" + peer}, args...)
	if dir != "" {
		args = append(args, "--data-dir", dir)
	}
	s.cmd = command(t, args...)
	out, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended long ago
		_ = s.cmd.Wait()
	})
	lines := bufio.NewScanner(io.TeeReader(out, s.stderr))
	for lines.Scan() {
		if strings.Contains(lines.Text(), "ready to serve client requests") {
			go io.Copy(s.stderr, out)
			return s
		}
	}
	t.Fatalf("the member did not become ready:\n%s", s.stderr)
	return nil
}

func freeAddress(t *testing.T) string {
	t.Helper()
	return freeAddresses(t, 1)[0]
}

// freeAddresses are n different ones: all are held until the last is found.
func freeAddresses(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}

func (s *server) mustPut(key, value string) {
	s.t.Helper()
	r, err := http.NewRequest("PUT", s.client+"/v2/keys"+key, strings.NewReader("value="+value))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode/100 != 2 {
		s.t.Fatalf("PUT %s: %s", key, a.Status)
	}
}

func (s *server) mustGet(key string) string {
	s.t.Helper()
	a, err := http.Get(s.client + "/v2/keys" + key)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(body)
}

// kill ends the process without warning.
func (s *server) kill() {
	s.t.Helper()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func TestSIGTERMEndsAMemberCleanlyWithinASecond(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	s := mustStart(t, dir)
	s.mustPut("/a", "1")
	watch, err := http.Get(s.client + "/v2/keys/a?wait=true&stream=true") // an open watch must not hold it up
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Body.Close()
	begin := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err = s.cmd.Wait()
	if took := time.Since(begin); took > time.Second {
		t.Errorf("it took %v", took)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("it ended with %v, want by the signal itself", err)
	}
	s = mustStart(t, dir)
	if got := s.mustGet("/a"); !strings.Contains(got, `"value":"1"`) {
		t.Errorf("after a restart: %s", got)
	}
}

func TestASecondProcessOnTheSameDirectoryIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	s := mustStart(t, dir)
	free := freeAddresses(t, 2)
	u := "http://" + free[0]
	out, code := mustEnd(t, command(t, "--data-dir", dir, "--listen-client-urls", u, "--advertise-client-urls", u, "--listen-peer-urls", "http://"+free[1]))
	if code != 1 || !strings.Contains(out, "in use by another process") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	s.mustPut("/a", "still serving")
}

// mustEnd runs a command line that must end by itself.
func mustEnd(t *testing.T, cmd *exec.Cmd) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	bounded := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	bounded.Env, bounded.Dir = cmd.Env, cmd.Dir
	out, err := bounded.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), bounded.ProcessState.ExitCode()
}

// A torn tail, as a crash in the middle of a write leaves it, is repaired; a
// damaged middle is refused with what to do next.
func TestADamagedLogIsRefusedAndATornTailRepaired(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(b []byte) []byte
		want   string // in the refusal; empty: the member starts
	}{
		{"torn tail", func(b []byte) []byte { return append(b, 0x17, 0, 0, 1, 2, 3, 4, 5, 6) }, ""},
		{"flipped byte in the middle", func(b []byte) []byte { b[len(b)/3] ^= 0xff; return b }, "delete its data directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			s := mustStart(t, dir)
			for i := range 50 {
				s.mustPut(fmt.Sprintf("/k/%d", i), strings.Repeat("v", 200))
			}
			s.kill()
			files, err := filepath.Glob(filepath.Join(dir, "member", "log", "entries", "*.log"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no log files: %v", err)
			}
			newest := files[len(files)-1]
			text, err := os.ReadFile(newest)
			if err != nil {
				t.Fatal(err)
			}
			text = bytes.TrimRight(text, "\x00") // a log has its full size from the start
			if err := os.WriteFile(newest, tt.damage(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				s = mustStart(t, dir)
				for i := range 50 {
					if got := s.mustGet(fmt.Sprintf("/k/%d", i)); !strings.Contains(got, "vvv") {
						t.Fatalf("key %d is gone: %s", i, got)
					}
				}
				return
			}
			free := freeAddresses(t, 2)
			u := "http://" + free[0]
			out, code := mustEnd(t, command(t, "--data-dir", dir, "--listen-client-urls", u, "--advertise-client-urls", u, "--listen-peer-urls", "http://"+free[1]))
			if code != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d:\n%s", code, out)
			}
		})
	}
}

func TestCommandLinesAreReadAndRefusedLikeEtcds(t *testing.T) {
	for _, tt := range []struct {
		args string
		code int
		want string
	}{
		{"--version", 0, "keytree Version: " + Version},
		{"--help", 0, "--initial-cluster-token"},
		{"-h", 0, "--listen-client-urls"},
		{"-bogus", 2, "flag provided but not defined: -bogus"},
		{"-name", 2, "flag needs an argument: -name"},
		{"--snapshot-count abc", 2, `invalid value "abc" for flag -snapshot-count: parse error`},
		{"--debug=yes", 2, `invalid boolean value "yes" for -debug: parse error`},
		{"--enable-v2 true", 1, "'true' is not a valid flag. See 'keytree --help'."},
		{"--listen-client-urls 127.0.0.1:2379", 2, `invalid value "127.0.0.1:2379" for flag -listen-client-urls: parse "127.0.0.1:2379": first path segment in URL cannot contain colon`},
		{"--listen-client-urls http://127.0.0.1", 2, `URL address does not have the form "host:port": http://127.0.0.1`},
		{"--listen-client-urls http://127.0.0.1:2379/x", 2, "URL must not contain a path: http://127.0.0.1:2379/x"},
		{"--listen-client-urls http://127.0.0.1:2379/", 2, "URL must not contain a path"},
		{"--listen-peer-urls ftp://127.0.0.1:2379", 2, "URL scheme must be http, https, unix, or unixs: ftp://127.0.0.1:2379"},
		{"--initial-cluster-state bogus", 2, `invalid value "bogus" for flag -initial-cluster-state: invalid value`},
		{"--listen-client-urls http://127.0.0.1:1", 1, "--advertise-client-urls is required when --listen-client-urls is set explicitly"},
		{"--heartbeat-interval 300", 1, "--election-timeout[1000ms] should be at least as 5 times as --heartbeat-interval[300ms]"},
		{"--election-timeout 60000", 1, "--election-timeout[60000ms] is too long, and should be set less than 50000ms"},
		{"--heartbeat-interval 0", 1, "--heartbeat-interval must be >0 (set to 0ms)"},
		{"--election-timeout 0", 1, "--election-timeout must be >0 (set to 0ms)"},
		{"--watch-history 0", 1, "--watch-history[0] should be between"},
		{"--initial-cluster other=http://localhost:2380", 1, `couldn't find local name \"default\" in the initial cluster configuration`},
		{"--initial-cluster default", 1, "error setting up initial cluster: URL scheme must be http, https, unix, or unixs: "},
		{"--initial-cluster default=http://localhost:2381", 1, "--initial-cluster has default=http://localhost:2381 but missing from --initial-advertise-peer-urls=http://localhost:2380"},
		{"--initial-cluster default=http://localhost:2380,b=http://localhost:2380", 1, "has duplicate url"},
		{"--initial-cluster-state existing", 1, "cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs"},
		{"--listen-client-urls https://127.0.0.1:1 --advertise-client-urls http://127.0.0.1:1", 1, "TLS key/cert"},
	} {
		out, code := mustEnd(t, command(t, strings.Fields(tt.args)...))
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("keytree %s: exit %d, want %d with %q:\n%s", tt.args, code, tt.code, tt.want, out)
		}
	}
}

func TestAPortInUseIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	out, code := mustEnd(t, command(t, "--listen-peer-urls", "http://"+l.Addr().String()))
	if code != 1 || !strings.Contains(out, "bind: address already in use") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

func TestEtcdsOwnDirectoryIsNamedAndLeftAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "member", "snap"), 0o700); err != nil {
		t.Fatal(err)
	}
	free := freeAddresses(t, 2)
	u := "http://" + free[0]
	out, code := mustEnd(t, command(t, "--data-dir", dir, "--listen-client-urls", u, "--advertise-client-urls", u, "--listen-peer-urls", "http://"+free[1]))
	if code != 1 || !strings.Contains(out, "holds data of etcd") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// Port 4001 is there for clients of etcd 0.4; a newcomer whose machine uses
// it for something else gets a server all the same.
func TestTheOldPortIsOptional(t *testing.T) {
	if l, err := net.Listen("tcp", "localhost:4001"); err == nil {
		defer l.Close()
	} // else somebody else holds it, which is as good
	c, err := readConfig(nil, nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	c.listenClient = urls{"http://localhost:0", legacyClientURL}
	open, err := c.listenForClients(nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(open)
	if len(open) != 1 || slices.Contains(c.advertiseClient, legacyClientURL) {
		t.Errorf("%d sockets are open, and %v advertised", len(open), c.advertiseClient)
	}

	c.listenClient = urls{legacyClientURL}
	c.clientDefault = false // asked for: then it matters
	if open, err := c.listenForClients(nil, slog.New(slog.DiscardHandler)); err == nil {
		closeAll(open)
		t.Error("a port that was asked for and is taken was passed over")
	}
}

func TestTheDataDirectoryIsNamedAfterTheMember(t *testing.T) {
	s := mustStart(t, "", "--watch-history", "5")
	if _, err := os.Stat(filepath.Join(s.cmd.Dir, "n1.etcd", "member", "identity")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(s.stderr.String(), "using default data-dir ./n1.etcd") {
		t.Errorf("the log does not say so:\n%s", s.stderr)
	}
	for i := range 10 {
		s.mustPut("/k", fmt.Sprint(i))
	}
	if got := s.mustGet("/k?wait=true&waitIndex=8"); !strings.Contains(got, "the requested history has been cleared [9/8]") {
		t.Errorf("a history of five events gives %s", got)
	}
}

// The log may lie on a disk of its own; without it the member must not start.
func TestTheLogMayHaveADirectoryOfItsOwn(t *testing.T) {
	dir, wal := filepath.Join(t.TempDir(), "d"), filepath.Join(t.TempDir(), "wal")
	s := mustStart(t, dir, "--wal-dir", wal)
	s.mustPut("/k", "v")
	s.kill()
	if _, err := os.Stat(filepath.Join(dir, "member", "log")); err == nil {
		t.Error("there is a log in the data directory too")
	}
	s = mustStart(t, dir, "--wal-dir", wal)
	if got := s.mustGet("/k"); !strings.Contains(got, `"value":"v"`) {
		t.Errorf("after a restart: %s", got)
	}
	s.kill()
	free := freeAddresses(t, 2)
	u := "http://" + free[0]
	out, code := mustEnd(t, command(t, "--data-dir", dir, "--listen-client-urls", u, "--advertise-client-urls", u, "--listen-peer-urls", "http://"+free[1]))
	if code != 1 || !strings.Contains(out, "start it with the --wal-dir it was founded with") {
		t.Errorf("without its log: exit %d:\n%s", code, out)
	}
}
