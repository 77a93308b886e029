package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// program is a server to measure.
type program struct {
	name string // for tables
	path string
	base string // where its data directories go
	env  []string
	args []string // beside those that each server has
}

// The names of the programs. Keytree's default engine goes by its own.
const (
	leanName = "keytree"
	stdName  = "keytree-std"
	etcdName = "etcd"
)

// server is a program with a data directory and ports of its own: a member of
// a cluster, if only of itself. It can be stopped and launched again.
type server struct {
	program
	member  string // its name in the cluster
	dir     string
	addr    *net.TCPAddr // client port
	peer    *net.TCPAddr
	cluster string        // all members, as --initial-cluster has it
	cpus    string        // that it may run on, as taskset has it; "" is all
	cmd     *exec.Cmd     // nil before the first launch
	exited  chan struct{} // closed when cmd has ended
}

const (
	readyPatience = 2 * time.Minute
	stopPatience  = time.Minute
)

func (s *server) host() string          { return s.addr.String() }
func (s *server) peerURL() string       { return "http://" + s.peer.String() }
func (s *server) addrs() []*net.TCPAddr { return []*net.TCPAddr{s.addr} }
func (s *server) dataDir() string       { return filepath.Join(s.dir, "data") }
func (s *server) logFile() string       { return filepath.Join(s.dir, "log") }

func (s *server) commandLine() []string {
	client, peer := "http://"+s.host(), s.peerURL()
	args := []string{
		"--enable-v2=true",
		"--name=" + s.member,
		"--data-dir=" + s.dataDir(),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=" + s.cluster,
	}
	if filepath.Base(s.path) == "etcd" {
		args = append(args, "--log-level=error")
	}
	return append(args, s.args...)
}

// launch starts the process and returns how long it took until path was there.
func (s *server) launch(ctx context.Context, path string) (time.Duration, error) {
	began := time.Now()
	if err := s.spawn(); err != nil {
		return 0, err
	}
	if err := s.await(ctx, path, func(status int, _ []byte) bool { return status == http.StatusOK }); err != nil {
		return 0, err
	}
	return time.Since(began), nil
}

// spawn starts the process and does not wait for anything.
func (s *server) spawn() error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.path, s.commandLine()...)
	if s.cpus != "" {
		cmd = exec.Command("taskset", append([]string{"-c", s.cpus, s.path}, s.commandLine()...)...)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), s.env...)
	// A process group of its own keeps Ctrl-C from it until we have taken our
	// leave; Pdeathsig ends it if we do not get so far.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	exited := make(chan struct{})
	s.cmd, s.exited = cmd, exited
	go func() { // ends with the process, which stop waits for
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(exited)
	}()
	return nil
}

// healthy waits until /health says so.
func (s *server) healthy(ctx context.Context) error {
	return s.await(ctx, "/health", func(status int, body []byte) bool {
		return status == http.StatusOK && bytes.Contains(body, []byte(`"health":"true"`))
	})
}

// await asks for path every millisecond until the answer is good.
func (s *server) await(ctx context.Context, path string, good func(status int, body []byte) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readyPatience, fmt.Errorf("no good answer from %s in %v", path, readyPatience))
	defer cancel()
	for {
		a, err := s.get(ctx, path)
		if err == nil && good(a.status, a.body) {
			return nil
		}
		select {
		case <-s.exited:
			return s.died()
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", s.name, context.Cause(ctx))
		case <-time.After(time.Millisecond):
		}
	}
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

// get asks for path outside of any measurement.
func (s *server) get(ctx context.Context, path string) (*answer, error) {
	return s.ask(ctx, login{}, http.MethodGet, path, nil)
}

// ask sends a request as somebody. The zero login sends no credentials.
func (s *server) ask(ctx context.Context, who login, method, path string, body io.Reader) (*answer, error) {
	return s.askFrom(ctx, "", who, method, path, body)
}

// askFrom is ask from a local address; with "" the system chooses one.
func (s *server) askFrom(ctx context.Context, from string, who login, method, path string, body io.Reader) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.host()+path, body)
	if err != nil {
		return nil, err
	}
	r.Close = true
	if who != (login{}) {
		r.SetBasicAuth(who.user, who.password)
	}
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	resp, err := (&http.Transport{DialContext: dialer.DialContext}).RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: text}, nil
}

// died says what the log of a process that has ended says last.
func (s *server) died() error {
	b, err := os.ReadFile(s.logFile())
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	lines = lines[max(0, len(lines)-20):]
	return fmt.Errorf("%s died (%v); its last words:\n  %s", s.name, s.cmd.ProcessState, strings.Join(lines, "\n  "))
}

// explain adds the last words of the process to err, if it has died.
func (s *server) explain(err error) error {
	if err == nil {
		return nil
	}
	// The connection breaks a moment before the process can be waited for.
	select {
	case <-s.exited:
		return errors.Join(err, s.died())
	case <-time.After(200 * time.Millisecond):
		return err
	}
}

// stop ends the process by sig and returns how long it took.
func (s *server) stop(sig syscall.Signal) (time.Duration, error) {
	began := time.Now()
	if err := s.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, fmt.Errorf("stop %s: %w", s.name, err)
	}
	select {
	case <-s.exited:
		return time.Since(began), nil
	case <-time.After(stopPatience):
		return 0, fmt.Errorf("%s still runs %v after %v", s.name, stopPatience, sig)
	}
}

// close kills the process and removes all it wrote.
func (s *server) close() error {
	var err error
	if s.cmd != nil {
		_, err = s.stop(syscall.SIGKILL)
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
