package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keytree/httpapi/client"
)

// site is a place with real servers.
type site struct {
	t      *testing.T
	dir    string // the programs are in it, and all data
	client string // URL of the server that is spoken to
}

func newSite(t *testing.T) *site {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts servers")
	}
	return &site{t: t, dir: mustBuild(t)}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// freeURL is where a server may listen.
func (s *site) freeURL() string {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

// start starts a server in the data directory called dir, and waits until it
// answers. It ends with the test, or with stop.
func (s *site) start(dir, peer string, flags ...string) (stop func()) {
	s.t.Helper()
	s.client = s.freeURL()
	cmd := exec.CommandContext(s.t.Context(), s.path("keytree"), append([]string{
		"--name", dir, "--data-dir", s.path(dir), "--bcrypt-cost", "4",
		"--listen-client-urls", s.client, "--advertise-client-urls", s.client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", dir + "=" + peer,
	}, flags...)...)
	log := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-ended
	})
	s.t.Cleanup(func() {
		stop()
		if s.t.Failed() {
			s.t.Logf("%s:\n%s", dir, log)
		}
	})
	return stop
}

// ready waits until the server has a leader.
func (s *site) ready() {
	s.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s.run("cluster-health").code == 0 {
			return
		}
	}
	s.t.Fatalf("the server at %s does not get ready", s.client)
}

// run is what becomes of words.
func (s *site) run(words ...string) outcome {
	sh, stdout, stderr := newShell(words...)
	sh.environ = []string{"ETCDCTL_ENDPOINTS=" + s.client}
	return ended(sh, stdout, stderr)
}

// must runs words, which must end well.
func (s *site) must(words ...string) string {
	s.t.Helper()
	got := s.run(words...)
	if got.code != 0 {
		s.t.Fatalf("%q: %+v", words, got)
	}
	return got.stdout
}

// mustFail runs words, which must end with the code and a text on stderr.
func (s *site) mustFail(code int, text string, words ...string) {
	s.t.Helper()
	if got := s.run(words...); got.code != code || !strings.Contains(got.stderr, text) {
		s.t.Errorf("%q: %+v, want code %d and %q", words, got, code, text)
	}
}

// writing sets /n/000001, /n/000002 and so on until stop, which says how many
// were answered; so does soFar.
func (s *site) writing() (soFar func() int64, stop func() int64) {
	cl, err := client.New(client.Config{Endpoints: []string{s.client}})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	var answered atomic.Int64
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := int64(1); ctx.Err() == nil; n++ {
			if _, err := cl.Set(ctx, fmt.Sprintf("/n/%06d", n), "v", client.SetOptions{}); err == nil {
				answered.Store(n)
			} else if ctx.Err() == nil {
				s.t.Error(err)
				return
			}
		}
	})
	return answered.Load, func() int64 {
		cancel()
		writer.Wait()
		return answered.Load()
	}
}

// prefix checks that the server has /n/000001 and so on without a gap, up to
// one from least to most.
func (s *site) prefix(what string, least, most int64) {
	s.t.Helper()
	lines := strings.Fields(s.must("ls", "/n"))
	for i, line := range lines {
		if want := fmt.Sprintf("/n/%06d", i+1); line != want {
			s.t.Fatalf("%s: key %d is %s", what, i+1, line)
		}
	}
	if n := int64(len(lines)); n < least || n > most {
		s.t.Errorf("%s has %d keys, it is a backup of %d to %d", what, n, least, most)
	}
}

// Both kinds of backup, of a server that is written to meanwhile; the one is
// started as it is, the other restored to three members.
func TestBackupAndRestoreOfAServerThatIsWrittenTo(t *testing.T) {
	s := newSite(t)
	stop := s.start("old", s.freeURL())
	s.ready()
	s.must("set", "/mortal", "1", "--ttl", "1000")
	s.must("set", "/d/_hidden", "1")
	soFar, stopWriting := s.writing()
	least := map[string]int64{}
	for dir, words := range map[string][]string{
		"cold": {"backup", "--data-dir", s.path("old")},
		"hot":  {"backup"},
	} {
		for until := soFar() + 100; soFar() < until && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
		least[dir] = soFar()
		s.must(append(words, "--backup-dir", s.path(dir))...)
		s.must("backup", "--verify", s.path(dir))
	}
	most := stopWriting() + 1
	old := s.must("ls", "--recursive", "/d", "/mortal")
	stop()

	defer s.start("cold", s.freeURL(), "--force-new-cluster")()
	s.ready()
	s.prefix("the copy", least["cold"], most)
	if members := s.must("member", "list"); strings.Count(members, "\n") != 1 || !strings.Contains(members, "peerURLs=http://localhost:2380 ") {
		t.Errorf("the copy has the members %s", members)
	}

	peers := []string{s.freeURL(), s.freeURL(), s.freeURL()}
	var cluster []string
	for i, u := range peers {
		cluster = append(cluster, fmt.Sprintf("r%d=%s", i, u))
	}
	var clients []string
	for i, u := range peers {
		name := fmt.Sprintf("r%d", i)
		s.must("restore", "--backup-dir", s.path("hot"), "--data-dir", s.path(name), "--name", name,
			"--initial-cluster", strings.Join(cluster, ","), "--initial-advertise-peer-urls", u)
		defer s.start(name, u)()
		clients = append(clients, s.client)
	}
	s.ready()
	var trees []string
	for _, s.client = range clients {
		s.prefix("a member", least["hot"], most)
		if got := s.must("ls", "--recursive", "/d", "/mortal"); got != old {
			t.Errorf("there is\n%s, was\n%s", got, old)
		}
		trees = append(trees, s.must("ls", "--recursive", "/"))
		if ttl := s.must("-o", "extended", "get", "/mortal"); !strings.Contains(ttl, "TTL: 9") && !strings.Contains(ttl, "TTL: 1000") {
			t.Errorf("the key that ends: %s", ttl)
		}
	}
	if slices.Sort(trees); trees[0] != trees[2] {
		t.Error("the members do not agree")
	}
	if members := s.must("member", "list"); strings.Count(members, "\n") != 3 {
		t.Errorf("the cluster has the members %s", members)
	}
	s.must("set", "/after", "1")
}

func TestABackupOfAServerWithUsersTakesRoot(t *testing.T) {
	s := newSite(t)
	stop := s.start("old", s.freeURL())
	s.ready()
	s.must("set", "/k", "v")
	add, stdout, stderr := newShell("user", "add", "root:rootpw")
	add.environ = []string{"ETCDCTL_ENDPOINTS=" + s.client}
	if got := ended(add, stdout, stderr); got.code != 0 {
		t.Fatal(got)
	}
	s.must("auth", "enable")
	s.must("-u", "root:rootpw", "role", "remove", "guest")
	s.mustFail(exitRefused, "Insufficient credentials", "backup", "--backup-dir", s.path("no"))
	s.must("-u", "root:rootpw", "backup", "--backup-dir", s.path("yes"))
	stop()
	if _, err := os.Stat(s.path("no")); err == nil {
		t.Error("there is a backup nobody was to have")
	}
	defer s.start("yes", s.freeURL(), "--force-new-cluster")()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && s.run("-u", "root:rootpw", "get", "/k").code != 0; {
		time.Sleep(20 * time.Millisecond)
	}
	if got := s.must("-u", "root:rootpw", "get", "/k"); got != "v\n" {
		t.Errorf("the key is %q", got)
	}
	s.mustFail(exitRefused, "110:", "get", "/k")
}

func TestATruncatedBackupIsRefused(t *testing.T) {
	s := newSite(t)
	stop := s.start("old", s.freeURL())
	s.ready()
	s.must("set", "/k", "v")
	stop()
	s.must("backup", "--data-dir", s.path("old"), "--backup-dir", s.path("b"))
	tables, err := filepath.Glob(s.path("b/member/tree/*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	whole, err := os.Stat(tables[0])
	if err == nil {
		err = os.Truncate(tables[0], whole.Size()/2)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.mustFail(exitBadArgs, tables[0], "backup", "--verify", s.path("b"))
	s.mustFail(exitBadArgs, tables[0], "restore", "--backup-dir", s.path("b"), "--data-dir", s.path("r"))
	out, err := exec.CommandContext(t.Context(), s.path("keytree"), "--data-dir", s.path("b"), "--force-new-cluster",
		"--listen-client-urls", s.freeURL(), "--advertise-client-urls", "http://127.0.0.1:1", "--listen-peer-urls", s.freeURL()).CombinedOutput()
	if err == nil || !strings.Contains(string(out), tables[0]) {
		t.Errorf("a server starts on it: %v, %s", err, out)
	}
}

func TestWhatBackupSaysWhenThereIsNothing(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ words, want string }{
		{"", "open member/wal: no such file or directory"},
		{"--data-dir nope --backup-dir DIR/b", "open nope/member/snap: no such file or directory"},
		{"--verify DIR", "DIR/member/backup.json is missing"},
	} {
		words := append([]string{"backup"}, strings.Fields(strings.ReplaceAll(tt.words, "DIR", dir))...)
		got := ended(newShell(words...))
		if got.code != exitBadArgs || !strings.Contains(got.stderr, strings.ReplaceAll(tt.want, "DIR", dir)) || got.stdout != "" {
			t.Errorf("%q: %+v", words, got)
		}
	}
}
