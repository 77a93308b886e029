package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// place is where a member of a test's cluster lives: its URLs and its data
// outlive its processes.
type place struct {
	t            *testing.T
	name, dir    string
	client, peer string // URLs
}

func newPlace(t *testing.T, name string) place {
	t.Helper()
	return newPlaces(t, name)[0]
}

func newPlaces(t *testing.T, names ...string) []place {
	t.Helper()
	var all []place
	free := freeAddresses(t, 2*len(names))
	for i, name := range names {
		all = append(all, place{t, name, filepath.Join(t.TempDir(), "d"), "http://" + free[2*i], "http://" + free[2*i+1]})
	}
	return all
}

// list is the initial cluster of all places.
func list(all ...place) string {
	var pieces []string
	for _, p := range all {
		pieces = append(pieces, p.name+"="+p.peer)
	}
	return strings.Join(pieces, ",")
}

func (p place) command(args ...string) *exec.Cmd {
	p.t.Helper()
	return command(p.t, append([]string{"--name", p.name, "--data-dir", p.dir, "--listen-client-urls", p.client, "--advertise-client-urls", p.client,
		"--listen-peer-urls", p.peer, "--initial-advertise-peer-urls", p.peer}, args...)...)
}

// mustLaunch starts a process and does not wait until it is ready for anything.
func (p place) mustLaunch(args ...string) *server {
	p.t.Helper()
	return p.mustRun(p.command(args...))
}

// mustRun is mustLaunch with a command that runs the member somehow.
func (p place) mustRun(cmd *exec.Cmd) *server {
	p.t.Helper()
	s := &server{t: p.t, stderr: &transcript{}, client: p.client, cmd: cmd}
	s.cmd.Stderr = s.stderr
	if err := s.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = s.cmd.Process.Kill() // it may have ended long ago
		_ = s.cmd.Wait()
	})
	return s
}

// mustFound starts the founders of a cluster and returns once all are ready.
func mustFound(t *testing.T, all ...place) []*server {
	t.Helper()
	var servers []*server
	for _, p := range all {
		servers = append(servers, p.mustLaunch("--initial-cluster", list(all...)))
	}
	for _, s := range servers {
		s.mustSay("ready to serve client requests")
	}
	return servers
}

// within waits until done says so.
func within(t *testing.T, limit time.Duration, done func() bool) bool {
	t.Helper()
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return true
		}
	}
	return false
}

// mustSay waits until the process has logged text.
func (s *server) mustSay(text string) {
	s.t.Helper()
	if !within(s.t, 20*time.Second, func() bool { return strings.Contains(s.stderr.String(), text) }) {
		s.t.Fatalf("the log lacks %q:\n%s", text, s.stderr)
	}
}

// mustHave waits until the member itself knows that key is value.
func (s *server) mustHave(key, value string) {
	s.t.Helper()
	if !within(s.t, 20*time.Second, func() bool { return strings.Contains(s.mustGet(key), fmt.Sprintf("%q:%q", "value", value)) }) {
		s.t.Fatalf("%s is %s, want %s\n%s", key, s.mustGet(key), value, s.stderr)
	}
}

// mustExit waits until the process has ended by itself.
func (s *server) mustExit() (code int) {
	s.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- s.cmd.Wait() }()
	select {
	case err := <-ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			s.t.Fatal(err)
		}
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		s.t.Fatalf("it does not end:\n%s", s.stderr)
		return -1
	}
}

// ask sends a request with JSON and returns what is answered.
func (s *server) ask(method, path, body string) (status int, text string, header http.Header) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.client+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	a, err := (&http.Client{Timeout: 15 * time.Second}).Do(r)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s", method, path, err, s.stderr)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, string(b), a.Header
}

type listedMember struct {
	ID         string
	Name       string
	PeerURLs   []string
	ClientURLs []string
}

func (s *server) mustListMembers() []listedMember {
	s.t.Helper()
	status, text, _ := s.ask("GET", "/v2/members", "")
	var all struct{ Members []listedMember }
	if err := json.Unmarshal([]byte(text), &all); status != 200 || err != nil {
		s.t.Fatalf("%d %s: %v", status, text, err)
	}
	return all.Members
}

// mustAdd has p added, trying again while the cluster finds itself not well
// enough.
func (s *server) mustAdd(p place) (id string) {
	s.t.Helper()
	var added listedMember
	var text string
	ok := within(s.t, 20*time.Second, func() bool {
		var status int
		status, text, _ = s.ask("POST", "/v2/members", fmt.Sprintf(`{"peerURLs":[%q]}`, p.peer))
		return status == http.StatusCreated
	})
	if err := json.Unmarshal([]byte(text), &added); !ok || err != nil {
		s.t.Fatalf("%s was not added: %s\n%s", p.name, text, s.stderr)
	}
	return added.ID
}

// mustRemove has a member removed, trying again likewise.
func (s *server) mustRemove(id string) {
	s.t.Helper()
	var text string
	if !within(s.t, 20*time.Second, func() bool {
		var status int
		status, text, _ = s.ask("DELETE", "/v2/members/"+id, "")
		return status == http.StatusNoContent
	}) {
		s.t.Fatalf("%s was not removed: %s\n%s", id, text, s.stderr)
	}
}

// idOf is the ID the cluster has for p.
func (s *server) idOf(p place) string {
	s.t.Helper()
	for _, m := range s.mustListMembers() {
		if slices.Equal(m.PeerURLs, []string{p.peer}) {
			return m.ID
		}
	}
	return ""
}
