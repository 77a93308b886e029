package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inContainer is a script that does what an engine does before it runs a
// command: it gives it processes, mounts and a network of its own, and the
// image as a root that cannot be written to, but for the volume.
const inContainer = `
set -e
root=$1 data=$2 user=$3
shift 3
ip link set lo up
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$data" "$root/data"
mount -t proc proc "$root/proc"
exec chroot --userspec="$user" "$root" "$@"
`

// container is a process that thinks it is in one.
type container struct {
	*child
	image *image
	first int // the process that is the container's first
}

// mustContain starts the image as `docker run` without arguments does.
func mustContain(t *testing.T, m *image) *container {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root may make namespaces")
	}
	if out, err := exec.Command("unshare", "-n", "-m", "-p", "-f", "true").CombinedOutput(); err != nil {
		t.Skipf("no namespaces here: %v: %s", err, out)
	}
	data := filepath.Join(m.root, "..", t.Name())
	for _, dir := range []string{data, filepath.Join(m.root, "proc")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(m.root, "etc/hosts"), []byte("127.0.0.1 localhost\n"), 0o644); err != nil { // as the engine puts it there
		t.Fatal(err)
	}
	if out, err := exec.Command("chown", m.user, data).CombinedOutput(); err != nil { // as the engine takes it over from the image
		t.Fatalf("%v: %s", err, out)
	}
	args := append([]string{"-n", "-m", "-p", "-f", "--kill-child", "sh", "-c", inContainer, "sh", m.root, data, m.user}, m.entrypoint...)
	c := &container{child: mustStart(t, "unshare", args, m.env), image: m}
	c.first = c.mustHaveChild()
	c.mustSay("ready to serve client requests")
	return c
}

// exec is what `docker exec` does. It returns all that is said.
func (c *container) exec(command ...string) (string, error) {
	enter := []string{"-n", "-m", fmt.Sprintf("--target=%d", c.first), "chroot", "--userspec=" + c.image.user, c.image.root}
	cmd := exec.CommandContext(c.t.Context(), "nsenter", append(enter, command...)...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, c.image.env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *container) mustExec(command ...string) string {
	c.t.Helper()
	out, err := c.exec(command...)
	if err != nil {
		c.t.Fatalf("%v: %v: %s\n%s", command, err, out, c.said)
	}
	return out
}

func TestTheImageRunsAsItIs(t *testing.T) {
	m := mustBuild(t)
	c := mustContain(t, m)
	c.mustExec(m.health...)
	c.mustExec("/usr/local/bin/etcdctl2", "set", "/message", "hello")
	if got := c.mustExec("/usr/local/bin/etcdctl2", "get", "/message"); got != "hello\n" {
		t.Errorf("the key is %q", got)
	}
	if got := c.mustExec("/usr/local/bin/etcdctl2", "member", "list"); !strings.Contains(got, "clientURLs=http://localhost:2379 ") {
		t.Errorf("clients outside are not told of the port that docker run -p 2379:2379 gives them: %s", got)
	}
	// The port must be open from all sides: the engine comes from outside.
	if out, err := exec.Command("nsenter", "-n", fmt.Sprintf("--target=%d", c.first), "ss", "-Hltn", "sport = :2379").CombinedOutput(); err != nil || !strings.Contains(string(out), "0.0.0.0:2379") && !strings.Contains(string(out), "*:2379") {
		t.Errorf("it listens on %s (%v)", out, err)
	}
	begin := time.Now()
	if err := syscall.Kill(c.first, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := c.mustEnd(); code != 0 {
		t.Errorf("docker stop: exit %d\n%s", code, c.said)
	}
	if took := time.Since(begin); took > 5*time.Second { // an engine waits for ten
		t.Errorf("docker stop takes %v", took)
	}
}

func TestWithoutAnEngineTheScriptSaysSo(t *testing.T) {
	p := mustStart(t, "sh", []string{mustAbs(t, "image.sh")}, []string{"ENGINE=false"})
	if code := p.mustEnd(); code != 0 || p.said.String() != "image left out: no container engine answers to false here\n" {
		t.Errorf("exit %d: %s", code, p.said)
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
