package deploy

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mustReadVariables are the variables of keytree.env, which are all commented
// out, paragraph by paragraph.
func mustReadVariables(t *testing.T) (paragraphs [][]string) {
	t.Helper()
	text, err := os.ReadFile("keytree.env")
	if err != nil {
		t.Fatal(err)
	}
	for paragraph := range strings.SplitSeq(string(text), "\n\n") {
		var own []string
		for line := range strings.Lines(paragraph) {
			line = strings.TrimSpace(line)
			bare, commented := strings.CutPrefix(line, "#")
			switch {
			case regexp.MustCompile(`^[A-Z_]+=`).MatchString(bare):
				if !commented {
					t.Errorf("%s is set for everybody who copies the file", bare)
				}
				if strings.ContainsAny(bare, `"' `) {
					t.Errorf("%s has quotes or blanks, which docker takes for a part of the value", bare)
				}
				own = append(own, bare)
			case !commented || !strings.HasPrefix(bare, " ") && bare != "":
				t.Errorf("%q is neither a comment nor a variable", line)
			}
		}
		if len(own) > 0 {
			paragraphs = append(paragraphs, own)
		}
	}
	if len(paragraphs) < 4 {
		t.Fatalf("there are %d paragraphs of variables", len(paragraphs))
	}
	return paragraphs
}

func TestTheVariablesAreSettings(t *testing.T) {
	mustBeKnown(t, mustBuild(t), slices.Concat(mustReadVariables(t)...))
}

// manager is the end of the socket that systemd reads.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
	path string
}

func mustManage(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "keytree") // t.TempDir is too long for the name of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &manager{t, conn, path}
}

// mustHear waits for a message that begins with text.
func (m *manager) mustHear(text string, p *child) {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.t.Fatal(err)
	}
	for b := make([]byte, 4096); ; {
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("%s is not told: %v\n%s", text, err, p.said)
		}
		if strings.HasPrefix(string(b[:n]), text) {
			return
		}
	}
}

// The first paragraph is for three machines: each has its own lines of it, as
// the comment says.
func TestTheUnitAndItsVariablesMakeAClusterOfThree(t *testing.T) {
	u, m := mustReadUnit(t), mustBuild(t)
	first := mustReadVariables(t)[0]
	names := map[string]string{"192.0.2.1": "node1", "192.0.2.2": "node2", "192.0.2.3": "node3"}
	n := newNetwork(t, func(host string) string { return names[host] })
	var members []*member
	var managers []*manager
	for _, ip := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		var file []string
		for _, v := range first {
			name, value, _ := strings.Cut(v, "=")
			if name == "KEYTREE_NAME" {
				value = names[ip]
			} else if name != "KEYTREE_INITIAL_CLUSTER" {
				value = strings.ReplaceAll(value, "192.0.2.1", ip)
			}
			file = append(file, name+"="+n.translated(value, names[ip]))
		}
		manager := mustManage(t)
		told := []string{"NOTIFY_SOCKET=" + manager.path, "WATCHDOG_USEC=200000"}
		p := u.mustServe(t, m, t.TempDir(), file, told)
		members = append(members, &member{child: p, client: n.address(names[ip], "2379")})
		managers = append(managers, manager)
	}
	for i, one := range members {
		managers[i].mustHear("READY=1\n", one.child)
		managers[i].mustHear("WATCHDOG=1", one.child)
	}
	mustAgree(t, members)
	for i, one := range members {
		if err := one.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		managers[i].mustHear("STOPPING=1", one.child)
		one.mustEnd()
		if status := one.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGTERM {
			t.Errorf("it ends with %v, want by SIGTERM, which systemd takes for a clean end", one.cmd.ProcessState)
		}
	}
}
