package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keytree/httpapi/doctor"
	"keytree/httpapi/tlsfiles/certtest"
)

// mustExamine runs doctor for a member with settings, and returns the exit
// code and what it found.
func mustExamine(t *testing.T, args ...string) (code int, report checkup) {
	t.Helper()
	return mustExamineAs(t, command(t, append([]string{"doctor", "--json"}, args...)...))
}

func mustExamineAs(t *testing.T, cmd *exec.Cmd) (code int, report checkup) {
	t.Helper()
	said, code := mustEnd(t, cmd)
	if err := json.Unmarshal([]byte(said), &report); err != nil {
		t.Fatalf("exit %d: %v:\n%s", code, err, said)
	}
	return code, report
}

// mustHave looks for findings; each is "STATE AREA: piece of the text or of
// what mends it".
func (c *checkup) mustHave(t *testing.T, all ...string) {
	t.Helper()
	for _, want := range all {
		begin, piece, _ := strings.Cut(want, ": ")
		found := false
		for _, f := range c.Findings {
			found = found || string(f.State)+" "+f.Area == begin && strings.Contains(f.String(), piece)
		}
		if !found {
			t.Errorf("there is no %q in:\n%s", want, c.text())
		}
	}
}

func (c *checkup) text() string {
	var b strings.Builder
	for _, f := range c.Findings {
		b.WriteString(f.String())
	}
	return b.String()
}

func (p place) flags() []string {
	return []string{"--name", p.name, "--data-dir", p.dir, "--listen-client-urls", p.client, "--advertise-client-urls", p.client,
		"--listen-peer-urls", p.peer, "--initial-advertise-peer-urls", p.peer}
}

func TestDoctorFindsNothingWrongWithAHealthyCluster(t *testing.T) {
	all := newPlaces(t, "n0", "n1", "n2")
	args := append(all[0].flags(), "--initial-cluster", list(all...))
	code, report := mustExamine(t, args...)
	if code != 0 || report.Wrong > 0 {
		t.Errorf("before the start: exit %d:\n%s", code, report.text())
	}
	report.mustHave(t, "ok initial cluster: 3 members: n0, n1, n2", "not checked running member: there is none", "not checked peers: founders wait for each other")
	if _, err := os.Stat(all[0].dir); err == nil {
		t.Error("it has made the data directory")
	}

	servers := mustFound(t, all...)
	before := mustNames(t, all[0].dir)
	code, report = mustExamine(t, args...)
	if code != 0 || report.Wrong > 0 {
		t.Errorf("while it runs: exit %d:\n%s", code, report.text())
	}
	report.mustHave(t, "ok ports: member n0 (keytree "+Version+") runs there", "ok data directory: of cluster", "ok running member: led by n", "ok peers: n1 at "+all[1].peer, "ok peers: n2 at "+all[2].peer)
	if after := mustNames(t, all[0].dir); after != before {
		t.Errorf("the data directory had %s, and now has %s", before, after)
	}

	servers[2].kill()
	code, report = mustExamine(t, args...)
	if code != 1 {
		t.Errorf("without one: exit %d:\n%s", code, report.text())
	}
	report.mustHave(t, "wrong peers: n2 at "+all[2].peer+" does not run")
	servers[0].kill()
	code, report = mustExamine(t, append(args, "--data-dir", all[1].dir)...)
	if code != 1 {
		t.Errorf("with the data of another: exit %d:\n%s", code, report.text())
	}
	report.mustHave(t, "wrong data directory: has the data of member n1", "ok data directory: the server with process id")
}

// mustNames are the names in a directory.
func mustNames(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestDoctorTellsOfAllThatIsWrongAtOnce(t *testing.T) {
	ca := certtest.New(t, "ours")
	cert, key := ca.Issue(certtest.Leaf{Until: time.Now().Add(-time.Hour)}).Write(t.TempDir(), "old")
	file := filepath.Join(t.TempDir(), "keytree.yml")
	if err := os.WriteFile(file, []byte("watch-history: 0\nquota-bytes: many\nheartbeet-interval: 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "member", "wal"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, other := newPlace(t, "n0"), newPlace(t, "n1")
	other.mustServe()
	cmd := command(t, "doctor", "--json", "--config-file", file, "--name", "n0", "--data-dir", dir,
		"--listen-client-urls", other.client, "--advertise-client-urls", "http://0.0.0.0:2379",
		"--listen-peer-urls", "https"+strings.TrimPrefix(p.peer, "http"), "--initial-advertise-peer-urls", "https"+strings.TrimPrefix(p.peer, "http"),
		"--peer-cert-file", cert, "--peer-key-file", key, "--election-timeout", "200", "--initial-cluster", "n7=http://192.0.2.7:2380")
	cmd.Env = append(cmd.Env, "ETCD_MAX_REQUEST_BYTES=abc", "ETCD_HEARTBET_INTERVAL=7", "ETCD_ENABLE_V2=false")
	code, report := mustExamineAs(t, cmd)
	if code != 1 {
		t.Errorf("exit %d", code)
	}
	report.mustHave(t,
		`wrong settings: invalid value "abc" for ETCD_MAX_REQUEST_BYTES`,
		"wrong settings: --watch-history[0] should be between",
		"wrong settings: -> --watch-history 1000",
		"wrong settings: quota-bytes is the string",
		"wrong settings: -> --heartbeat-interval 20",
		"wrong settings: --enable-v2=false",
		`warning settings: unknown key "heartbeet-interval"`,
		"warning settings: -> sed -i 3d",
		"warning settings: -> unset ETCD_HEARTBET_INTERVAL",
		"wrong advertised URLs: no address that clients",
		"wrong initial cluster: couldn't find local name",
		"wrong ports: taken by member n1",
		"wrong certificates of peers: has expired",
		"wrong data directory: holds data of etcd",
	)
	if strings.Contains(report.text(), "See 'keytree --help'") {
		t.Errorf("help is not what mends it:\n%s", report.text())
	}
}

func TestDoctorSaysWhenTheCommandLineIsWrong(t *testing.T) {
	p := newPlace(t, "n0")
	code, report := mustExamine(t, append(p.flags(), "--quota-byte", "5", "---x", "--debug=maybe", "stray", "--watch-history")...)
	if code != 2 {
		t.Errorf("exit %d:\n%s", code, report.text())
	}
	report.mustHave(t, "wrong settings: -> --quota-bytes", "wrong settings: bad flag syntax: ---x", "wrong settings: -debug", "wrong settings: 'stray' is not", "wrong settings: needs an argument: -watch-history",
		"ok ports: "+p.client+" is free") // what could be read counts
	if n := report.Wrong; n != 5 {
		t.Errorf("%d are wrong, want 5:\n%s", n, report.text())
	}
	var stdout, stderr bytes.Buffer
	if code, _ := start([]string{"doctor", "--help"}, nil, &stdout, &stderr); code != 2 || !strings.HasPrefix(stderr.String(), "usage: keytree doctor [--json] [flags]") {
		t.Errorf("exit %d:\n%s", code, stderr.String())
	}
}

func TestDoctorTellsPeopleInLinesThatTheySumUp(t *testing.T) {
	p := newPlace(t, "n0")
	said, code := mustEnd(t, command(t, append([]string{"doctor"}, append(p.flags(), "--initial-cluster", "n1="+p.peer)...)...))
	if code != 1 || !strings.Contains(said, "\nwrong        initial cluster: couldn't find local name \"n0\" in the initial cluster configuration\n             -> --name n1\n") ||
		!strings.Contains(said, " findings: 1 wrong, ") {
		t.Errorf("exit %d:\n%s", code, said)
	}
	if code, _ := start(append([]string{"doctor"}, p.flags()...), nil, full{}, io.Discard); code != 1 {
		t.Errorf("what cannot be printed is passed over: exit %d", code)
	}
}

func TestDoctorExaminesAClusterThatIsEncrypted(t *testing.T) {
	ca := certtest.New(t, "ours")
	dir := t.TempDir()
	cert, key := ca.Issue(certtest.Leaf{}).Write(dir, "both")
	trusted := certtest.Write(t, dir, "ca.pem", ca.PEM())
	p := newPlace(t, "n0").secured("client").secured("peer")
	args := append(p.flags(), "--initial-cluster", list(p), "--client-cert-auth", "--cert-file", cert, "--key-file", key, "--trusted-ca-file", trusted,
		"--peer-client-cert-auth", "--peer-cert-file", cert, "--peer-key-file", key, "--peer-trusted-ca-file", trusted)
	p.mustServe(args...)
	code, report := mustExamine(t, args...)
	if code != 0 {
		t.Errorf("exit %d:\n%s", code, report.text())
	}
	report.mustHave(t, "ok certificates of clients: localhost, 127.0.0.1", "ok certificates of peers: until", "ok ports: "+p.peer+": member n0", "ok running member: led by n0")
}

func TestDoctorExaminesAProxy(t *testing.T) {
	p, front := newPlace(t, "n0"), newPlace(t, "front")
	p.mustServe()
	code, report := mustExamine(t, "--proxy", "on", "--data-dir", front.dir, "--listen-client-urls", front.client, "--initial-cluster", list(p))
	if code != 0 {
		t.Errorf("exit %d:\n%s", code, report.text())
	}
	report.mustHave(t, "not checked advertised URLs: a proxy", "not checked disk latency: a proxy", "ok peers: n0 at "+p.peer)
}

// What reading to the end finds first is what a start ends with.
func TestExaminingFindsFirstWhatAStartEndsWith(t *testing.T) {
	for _, line := range []string{
		"--heartbeat-interval 300", "--election-timeout 0 --heartbeat-interval 0", "--watch-history 0 --enable-v2=false", "stray --watch-history 0",
		"--listen-client-urls http://127.0.0.1:1", "--cert-file x --listen-client-urls https://127.0.0.1:1", "--config-file /nonexistent", "--addr 1.2.3.4:5 --advertise-client-urls http://h:1",
	} {
		_, err := readConfig(strings.Fields(line), nil, io.Discard)
		e := examine(strings.Fields(line), nil)
		if err == nil || len(e.faults) == 0 || e.faults[0].Error() != err.Error() {
			t.Errorf("%s: a start says %v, and examining %v", line, err, e.faults)
		}
		if f := e.findings(); f[0].State != doctor.Wrong {
			t.Errorf("%s: found %v", line, f)
		}
	}
	if e := examine([]string{"--name", "x"}, []string{"ETCD_DEBUG=true"}); len(e.faults) > 0 || e.name != "x" || !e.debug {
		t.Errorf("fine settings: %v", e.faults)
	}
}
