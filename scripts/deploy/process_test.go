package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is for whatever a process is waited for.
const patience = 40 * time.Second

// child is a process that a test has started. It is killed when the test ends.
type child struct {
	t     *testing.T
	cmd   *exec.Cmd
	said  *transcript
	ended chan struct{}
}

// transcript is what a process says, while it says it.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// mustStart starts a program with nothing in its environment but env and where
// to find programs.
func mustStart(t *testing.T, program string, args, env []string) *child {
	t.Helper()
	p := &child{t: t, cmd: exec.Command(program, args...), said: &transcript{}, ended: make(chan struct{})}
	p.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.WaitDelay = 5 * time.Second // for what it has started itself
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // how it ended is asked of ProcessState
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended long ago
		<-p.ended
	})
	return p
}

// mustEnd waits for the end and returns the exit code, -1 if it was a signal.
func (p *child) mustEnd() int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("it does not end:\n%s", p.said)
	}
	return p.cmd.ProcessState.ExitCode()
}

// mustSay waits until the process has said text.
func (p *child) mustSay(text string) {
	p.t.Helper()
	p.mustCome(fmt.Sprintf("%q is said", text), func() bool { return strings.Contains(p.said.String(), text) })
}

// mustCome waits for something, in vain if the process ends.
func (p *child) mustCome(what string, done func() bool) {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if done() {
			return
		}
		select {
		case <-p.ended:
			p.t.Fatalf("it ends (%v) before %s:\n%s", p.cmd.ProcessState, what, p.said)
		default:
		}
	}
	p.t.Fatalf("it does not come to it that %s:\n%s", what, p.said)
}

// mustHaveChild waits until the process has started another one, which is
// killed when the test ends too.
func (p *child) mustHaveChild() (pid int) {
	p.t.Helper()
	p.mustCome("it has started another process", func() bool {
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.cmd.Process.Pid))
		if err != nil {
			return false
		}
		_, err = fmt.Sscan(string(children), &pid)
		return err == nil
	})
	p.t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) }) // it may have ended long ago
	return pid
}
