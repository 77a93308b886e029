package doctor

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestKindsOfFileSystemsAreKnownByTheirNumbers(t *testing.T) {
	for number, want := range map[int64]string{0x6969: "nfs", 0x794c7630: "overlay", 0x01021994: "tmpfs", 0xff534d42: "cifs", 0xef53: ""} {
		if got := kindOf(number); got != want {
			t.Errorf("%x is %q, want %q", number, got, want)
		}
	}
	if _, err := os.Stat("/dev/shm"); err != nil {
		t.Skip(err)
	}
	if d, err := diskAt("/dev/shm"); err != nil || d.total > 0 && d.kind != "tmpfs" {
		t.Errorf("/dev/shm is on %q: %v", d.kind, err)
	}
}

// The lock is of another process: flock of util-linux takes locks of a kind
// that does not count, so a program that has the right ones is asked.
func TestWhoHasLockedTheDataIsFoundOutWithoutLocking(t *testing.T) {
	file := mustWrite(t, privateDir(t), "member", "lock")
	e := examOf(Subject{DataDir: filepath.Dir(filepath.Dir(file))})
	n := &notes{}
	e.locked(n)
	if len(n.all) > 0 {
		t.Errorf("nobody has: %s", shown(n.all))
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(python, "-c", "import fcntl,sys\nf=open(sys.argv[1],'w')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\nsys.stdin.read()", file)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = cmd.Wait() }()
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if pid, held, known := holder(file); pid != cmd.Process.Pid || !held || !known {
		t.Errorf("got %d %t %t, want %d", pid, held, known, cmd.Process.Pid)
	}
	e.locked(n)
	mustFind(t, n.all, OK, "has the data")
}
