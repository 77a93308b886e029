package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	patience = 10 * time.Second // for what should be true in a moment
	longest  = 20 * time.Second // for a command
)

// stage is where a scenario plays: servers, and somebody who types.
type stage struct {
	t        *testing.T
	scenario string
	dir      string // where it is typed
	programs string
	env      map[string]string // of commands
	servers  []*node
	jobs     []*job
	ids      map[string]string // identifiers of this run, by those of the recording
	departed map[int]bool      // steps of departures that have been played
	began    time.Time
}

// node is a server.
type node struct {
	name   string
	client string // URL
	flags  []string
	log    string
	cmd    *exec.Cmd
}

func newStage(t *testing.T, scenario string, env map[string]string, programs string) *stage {
	p := &stage{t: t, scenario: scenario, dir: t.TempDir(), programs: programs, env: env,
		ids: map[string]string{}, departed: map[int]bool{}, began: time.Now()}
	t.Cleanup(func() {
		for _, j := range p.jobs {
			_ = j.cmd.Process.Kill()
			<-j.done
		}
		for _, n := range p.servers {
			p.stop(n, syscall.SIGKILL)
		}
	})
	return p
}

// server is one that has not started, the i-th on the ports of the recording.
// Flags are added, and beat those before.
func (p *stage) server(i int, scheme, cluster, state string, flags ...string) *node {
	name := fmt.Sprintf("node%d", i+1)
	client := fmt.Sprintf("%s://127.0.0.1:221%d1", scheme, i)
	peer := fmt.Sprintf("http://127.0.0.1:221%d2", i)
	if cluster == "" {
		cluster = name + "=" + peer
	}
	n := &node{name: name, client: client, log: filepath.Join(p.dir, name+".log"), flags: append([]string{
		"--name", name, "--data-dir", p.dataDir(name),
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
		"--initial-cluster", cluster, "--initial-cluster-state", state,
	}, flags...)}
	p.servers = append(p.servers, n)
	return n
}

func (p *stage) dataDir(name string) string { return filepath.Join(p.dir, name+".etcd") }

// lone is the server of most scenarios.
func (p *stage) lone(flags ...string) *node { return p.server(0, "http", "", "new", flags...) }

// start starts servers and returns when all are ready.
func (p *stage) start(servers ...*node) {
	p.t.Helper()
	for _, n := range servers {
		log, err := os.Create(n.log)
		if err != nil {
			p.t.Fatal(err)
		}
		n.cmd = exec.Command(filepath.Join(p.programs, "keytree"), n.flags...)
		n.cmd.Env = plainEnviron()
		n.cmd.Stdout, n.cmd.Stderr = log, log
		err = n.cmd.Start()
		log.Close()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	for _, n := range servers {
		if !p.soon(n.ready) {
			text, _ := os.ReadFile(n.log)
			p.t.Fatalf("%s did not become ready:\n%s", n.name, text)
		}
	}
}

// ready reports whether n serves clients and is known to the cluster.
func (n *node) ready() bool {
	if strings.HasPrefix(n.client, "https") {
		text, err := os.ReadFile(n.log)
		return err == nil && bytes.Contains(text, []byte("ready to serve client requests"))
	}
	var list struct {
		Members []struct {
			Name       string   `json:"name"`
			ClientURLs []string `json:"clientURLs"`
		} `json:"members"`
	}
	health, err := fetch("GET", n.client+"/health", "")
	if err != nil || !strings.Contains(health.body, "true") {
		return false
	}
	members, err := fetch("GET", n.client+"/v2/members", "")
	if err != nil || json.Unmarshal([]byte(members.body), &list) != nil {
		return false
	}
	for _, m := range list.Members {
		if m.Name == n.name {
			return len(m.ClientURLs) > 0
		}
	}
	return false
}

// stop ends a server.
func (p *stage) stop(n *node, how os.Signal) {
	if n.cmd == nil {
		return
	}
	_ = n.cmd.Process.Signal(how) // it may have ended by itself
	late := time.AfterFunc(patience, func() { _ = n.cmd.Process.Kill() })
	defer late.Stop()
	_ = n.cmd.Wait()
	n.cmd = nil
}

// called is the latest server of a name.
func (p *stage) called(name string) *node {
	for _, n := range slices.Backward(p.servers) {
		if n.name == name {
			return n
		}
	}
	p.t.Fatalf("there is no %s", name)
	return nil
}

// soon waits until something is true.
func (p *stage) soon(what func() bool) bool {
	for deadline := time.Now().Add(patience); !what(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// reply is what a server says.
type reply struct {
	status int
	body   string
}

func fetch(method, url, form string) (reply, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(form))
	if err != nil {
		return reply{}, err
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	a, err := c.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	return reply{a.StatusCode, string(text)}, err
}

// plainEnviron is the environment without what programs of etcd look at.
func plainEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return strings.HasPrefix(name, "ETCD") || strings.HasPrefix(name, "KEYTREE") || strings.HasSuffix(strings.ToLower(name), "_proxy")
	})
}
