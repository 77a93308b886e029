// Package process runs a server under test as a child process, and speaks to
// it in plain HTTP/1.1.
//
// It knows what the check programs share: where a server listens, which flags
// it needs, when it is ready, and how it is ended. A request is written as it
// is given, byte for byte, and an answer is handed back as it came: nothing is
// cleaned, followed or tried again.
package process

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A Config says how a server is started. Starting it twice gives the same
// member on the same directory.
type Config struct {
	Binary string
	Dir    string // data directory
	Host   string // address to listen on; 127.0.0.1 when empty
	Client int    // port for clients
	Peer   int    // port for peers

	// AdvertiseClient and AdvertisePeer are URLs told to others in place of
	// the ones listened on. The member and cluster ids are made of the latter,
	// so two servers with equal ones answer with equal bytes.
	AdvertiseClient string
	AdvertisePeer   string

	Name    string // node1 when empty
	Cluster string // --initial-cluster; this member alone when empty
	State   string // --initial-cluster-state; not given when empty

	Args []string  // further flags
	Log  io.Writer // gets all that the server prints; may be nil
}

// args are the flags that c comes to.
func (c Config) args() []string {
	url := func(given string, port int) string {
		if given != "" {
			return given
		}
		return "http://" + c.address(port)
	}
	name, peer := cmp.Or(c.Name, "node1"), url(c.AdvertisePeer, c.Peer)
	args := []string{
		"--name", name, "--data-dir", c.Dir,
		"--listen-client-urls", url("", c.Client), "--advertise-client-urls", url(c.AdvertiseClient, c.Client),
		"--listen-peer-urls", url("", c.Peer), "--initial-advertise-peer-urls", peer,
		"--initial-cluster", cmp.Or(c.Cluster, name+"="+peer), "--initial-cluster-token", Token,
	}
	if c.State != "" {
		args = append(args, "--initial-cluster-state", c.State)
	}
	return append(args, c.Args...)
}

// Token is the initial-cluster-token of every server started here.
const Token = "etcd-cluster"

// loopback is where everything listens that is not told otherwise.
const loopback = "127.0.0.1"

func (c Config) address(port int) string {
	return net.JoinHostPort(cmp.Or(c.Host, loopback), strconv.Itoa(port))
}

// A Server is a running child process.
type Server struct {
	Addr     string // host:port for clients
	PeerAddr string // host:port for peers

	cmd  *exec.Cmd
	out  *tail
	done chan struct{} // closed when the process has ended
}

// Start starts a server and returns at once; Ready waits for it. The process
// is killed when ctx is done.
func Start(ctx context.Context, c Config) (*Server, error) {
	s := &Server{
		Addr:     c.address(c.Client),
		PeerAddr: c.address(c.Peer),
		out:      &tail{},
		done:     make(chan struct{}),
	}
	s.cmd = exec.CommandContext(ctx, c.Binary, c.args()...)
	var out io.Writer = s.out
	if c.Log != nil {
		out = io.MultiWriter(s.out, c.Log)
	}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Binary, err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // how it ended is asked of ProcessState
	}()
	return s, nil
}

// Ready waits until the server answers requests and has decided on a cluster
// version, which is the last write of its own that a fresh member makes.
func (s *Server) Ready(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.answers(ctx) {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("server ended while starting (%v):\n%s", s.cmd.ProcessState, s.out)
		case <-ctx.Done():
			return fmt.Errorf("server is not ready: %w\n%s", context.Cause(ctx), s.out)
		case <-tick.C:
		}
	}
}

func (s *Server) answers(ctx context.Context) bool {
	ctx, stop := context.WithTimeout(ctx, 500*time.Millisecond)
	defer stop()
	c := NewConn(s.Addr)
	defer c.Close()
	version, err := c.Do(ctx, Request{Method: "GET", Target: "/version"})
	if err != nil || version.Status != 200 || bytes.Contains(version.Body, []byte("not_decided")) {
		return false
	}
	keys, err := c.Do(ctx, Request{Method: "GET", Target: "/v2/keys"})
	return err == nil && keys.Status == 200
}

// Kill ends the process with SIGKILL and waits for its end.
func (s *Server) Kill() error { return s.end(syscall.SIGKILL, 10*time.Second) }

// Stop ends the process with SIGTERM, after ten seconds with SIGKILL.
func (s *Server) Stop() error {
	if s.end(syscall.SIGTERM, 10*time.Second) == nil {
		return nil
	}
	return errors.Join(errors.New("server ignored SIGTERM"), s.Kill())
}

func (s *Server) end(sig syscall.Signal, patience time.Duration) error {
	_ = s.cmd.Process.Signal(sig) // an error means that it has ended
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-s.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("server does not end on %v", sig)
	}
}

// Signal sends a signal, such as SIGSTOP, and waits for nothing.
func (s *Server) Signal(sig syscall.Signal) error { return s.cmd.Process.Signal(sig) }

// PID is the process's id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Done is closed when the process has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// ExitCode is what the process ended with, -1 if a signal ended it. It may be
// asked once the process has ended.
func (s *Server) ExitCode() int { return s.cmd.ProcessState.ExitCode() }

// Ended reports whether the process has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Output returns the last lines the server printed.
func (s *Server) Output() string { return s.out.String() }

// V2Flags returns the flags a binary needs to serve the v2 API: etcd 3.4 has
// it off by default. There are none for a server that is not etcd.
func V2Flags(ctx context.Context, binary string) ([]string, error) {
	out, err := exec.CommandContext(ctx, binary, "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w", binary, err)
	}
	if bytes.Contains(out, []byte("etcd Version")) && !bytes.Contains(bytes.ToLower(out), []byte("keytree")) {
		return []string{"--enable-v2=true"}, nil
	}
	return nil, nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if cut := len(t.text) - tailSize; cut > 0 {
		t.text = append(t.text[:0], t.text[cut:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
