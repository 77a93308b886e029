package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// unit is a file of systemd: for each section, what its keys were set to, one
// value after the other.
type unit map[string]map[string][]string

func mustReadUnit(t *testing.T) unit {
	t.Helper()
	text, err := os.ReadFile("keytree.service")
	if err != nil {
		t.Fatal(err)
	}
	u, section := unit{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			section = strings.Trim(line, "[]")
			u[section] = map[string][]string{}
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" {
				t.Fatalf("%q is no setting of a unit", line)
			}
			u[section][key] = append(u[section][key], value)
		}
	}
	return u
}

// one is what a key of the service is set to, once.
func (u unit) one(t *testing.T, key string) string {
	t.Helper()
	all := u["Service"][key]
	if len(all) != 1 {
		t.Fatalf("%s is set to %q", key, all)
	}
	return all[0]
}

// mustServe starts the unit's command line as systemd would, but in the
// directory state, and with extra in the environment after what a file gives.
func (u unit) mustServe(t *testing.T, m *image, state string, file, extra []string) *child {
	t.Helper()
	env := slices.Clone(u["Service"]["Environment"])
	for i := range env {
		env[i] = strings.ReplaceAll(env[i], "%S", state)
	}
	words := strings.Fields(u.one(t, "ExecStart"))
	if words[0] != "/usr/local/bin/keytree" {
		t.Fatalf("it starts %s, and is copied to /usr/local/bin", words[0])
	}
	return mustStart(t, m.binary("keytree"), words[1:], slices.Concat(env, file, extra))
}

func TestSystemdTakesTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip(err)
	}
	text, err := os.ReadFile("keytree.service")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "keytree.service") // it looks whether there is such a program
	here := strings.ReplaceAll(string(text), "ExecStart=/usr/local/bin/keytree", "ExecStart="+mustBuild(t).binary("keytree"))
	if err := os.WriteFile(file, []byte(here), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput(); err != nil || strings.Contains(string(out), "keytree.service") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", "--no-pager", file).CombinedOutput(); err != nil {
		t.Errorf("what an intruder could reach is rated above 1.5: %v\n%s", err, out)
	}
}

func TestTheUnitKeepsToWhatTheProgramIsLike(t *testing.T) {
	u, m := mustReadUnit(t), mustBuild(t)
	for key, want := range map[string]string{
		"Type": "notify", "Restart": "on-failure", "RestartPreventExitStatus": "2", "DynamicUser": "yes", "StateDirectory": "keytree",
		"NoNewPrivileges": "yes", "ProtectSystem": "strict", "CapabilityBoundingSet": "", "TimeoutStartSec": "infinity", "LimitCORE": "0",
	} {
		if got := u.one(t, key); got != want {
			t.Errorf("%s=%s, want %s", key, got, want)
		}
	}
	mustBeKnown(t, m, u["Service"]["Environment"])
	if !slices.Contains(u["Service"]["Environment"], "KEYTREE_DATA_DIR=%S/"+u.one(t, "StateDirectory")) {
		t.Errorf("the data are not where the service may write: %v", u["Service"]["Environment"])
	}
	p := mustStart(t, m.binary("keytree"), []string{"--no-such-flag"}, nil)
	if code := p.mustEnd(); code != 2 {
		t.Errorf("a wrong command line ends with %d, for which the unit is started again", code)
	}
}

// A crash of Go's runtime ends with 2 as well, unless it is told otherwise.
func TestACrashIsNotTakenForAWrongCommandLine(t *testing.T) {
	u, m := mustReadUnit(t), mustBuild(t)
	n := newNetwork(t, firstLabel)
	p := u.mustServe(t, m, t.TempDir(), loneMember(n), nil)
	p.mustSay("ready to serve client requests")
	if err := p.cmd.Process.Signal(syscall.SIGQUIT); err != nil { // the runtime's own way to crash
		t.Fatal(err)
	}
	p.mustEnd()
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGABRT {
		t.Errorf("a crash ends with %v, want by SIGABRT, after which the unit is started again", p.cmd.ProcessState)
	}
}

// loneMember are variables for a member alone, on free ports.
func loneMember(n *network) []string {
	client, peer := "http://"+n.address("one", "2379"), "http://"+n.address("one", "2380")
	return []string{
		"KEYTREE_LISTEN_CLIENT_URLS=" + client, "KEYTREE_ADVERTISE_CLIENT_URLS=" + client,
		"KEYTREE_LISTEN_PEER_URLS=" + peer, "KEYTREE_INITIAL_ADVERTISE_PEER_URLS=" + peer,
	}
}

// What the filter of the unit forbids must not be what the program needs.
func TestTheSystemCallsOfTheProgramAreAllowed(t *testing.T) {
	for _, tool := range []string{"strace", "systemd-analyze"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	u, m := mustReadUnit(t), mustBuild(t)
	allowed := map[string]bool{}
	for _, value := range u["Service"]["SystemCallFilter"] {
		groups, without := strings.CutPrefix(value, "~")
		for group := range strings.FieldsSeq(groups) {
			for _, name := range mustExpand(t, group) {
				allowed[name] = !without
			}
		}
	}
	if len(allowed) < 100 {
		t.Fatalf("the groups have %d calls", len(allowed))
	}
	counted := filepath.Join(t.TempDir(), "counted")
	n := newNetwork(t, firstLabel)
	env := slices.Concat(loneMember(n), []string{"KEYTREE_DATA_DIR=" + t.TempDir(), "KEYTREE_AUDIT_LOG=" + filepath.Join(t.TempDir(), "audit.log")})
	p := mustStart(t, "strace", []string{"-D", "-f", "-qq", "-c", "-U", "name", "-o", counted, m.binary("keytree")}, env)
	p.mustSay("ready to serve client requests")
	one := &member{child: p, client: n.address("one", "2379")}
	mustAgree(t, []*member{one})
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.mustEnd() // which is when whoever counts has counted: it has the output open
	text, err := os.ReadFile(counted)
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^([a-z][a-z0-9_]+)\s*$`).FindAllStringSubmatch(string(text), -1)
	if len(names) < 30 {
		t.Fatalf("it makes %d calls:\n%s\n%s", len(names), text, p.said)
	}
	for _, name := range names {
		if name[1] != "syscall" && name[1] != "total" && !allowed[name[1]] {
			t.Errorf("it calls %s, which the unit forbids", name[1])
		}
	}
}

// mustExpand are the system calls of a group, and of the groups in it.
func mustExpand(t *testing.T, group string) (names []string) {
	t.Helper()
	out, err := exec.Command("systemd-analyze", "--no-pager", "syscall-filter", group).Output()
	if err != nil {
		t.Fatalf("%s: %v", group, err)
	}
	for line := range strings.Lines(string(out)) {
		switch line = strings.TrimSpace(line); {
		case line == "" || line == group || line[0] == '#':
		case line[0] == '@':
			names = append(names, mustExpand(t, line)...)
		default:
			names = append(names, line)
		}
	}
	return names
}
