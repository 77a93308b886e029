package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// job is a command under way.
type job struct {
	step   step
	cmd    *exec.Cmd
	stdout transcript
	stderr transcript
	done   chan struct{}
}

// transcript collects what a process says while somebody reads it.
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

// do plays one step, or begins it if others are played meanwhile.
func (p *stage) do(s step) {
	p.t.Helper()
	switch {
	case s.Kind == "event":
		if happens := events[p.scenario][s.N]; happens != nil {
			happens(p)
		}
	case s.Kind == "setup":
		form := ""
		if len(s.Argv) > 2 {
			form = s.Argv[2]
		}
		a, err := fetch(s.Argv[0], p.env["ETCDCTL_ENDPOINTS"]+s.Argv[1], form)
		if err != nil || a.status != *s.Code {
			p.t.Fatalf("step %d: %s: %d, %v", s.N, s.Line, a.status, err)
		}
	case s.Kind == "etcdctl-tty":
		p.doOnTerminal(s)
	case s.During != nil:
		p.begin(s)
	default:
		p.check(s, func() outcome { return p.ended(p.run(s), s) })
		p.settle()
	}
}

// command is what s says, ready to start.
func (p *stage) command(ctx context.Context, s step) *exec.Cmd {
	args := slices.Clone(s.Argv)
	for i := range args {
		args[i] = p.here(args[i])
	}
	if strings.HasPrefix(p.scenario, "seed") {
		// People paste these into a shell.
		args = []string{"/bin/sh", "-c", "exec " + p.here(s.Line)}
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	if args[0] == "etcdctl" {
		cmd = exec.CommandContext(ctx, filepath.Join(p.programs, "etcdctl"), args[1:]...)
		cmd.Args[0] = "etcdctl"
	}
	cmd.Dir = p.dir
	cmd.Env = append(plainEnviron(), "ETCDCTL_API=2", "TZ=UTC", "PATH="+p.programs+string(os.PathListSeparator)+os.Getenv("PATH"))
	env := s.Env
	if env == nil {
		env = p.env
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}

// run starts the command of s.
func (p *stage) run(s step) *job {
	p.t.Helper()
	j := &job{step: s, done: make(chan struct{}), cmd: p.command(p.t.Context(), s)}
	j.cmd.Stdin = strings.NewReader(s.Stdin)
	j.cmd.Stdout, j.cmd.Stderr = &j.stdout, &j.stderr
	j.cmd.WaitDelay = time.Second // for programs of exec-watch that outlive it
	if err := j.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = j.cmd.Wait() // its end is looked at elsewhere
		close(j.done)
	}()
	return j
}

// ended waits for the end of j, and kills it if it was killed in the recording
// or takes too long.
func (p *stage) ended(j *job, s step) outcome {
	limit := longest
	if given, found := strings.CutPrefix(s.EndedBy, "SIGKILL after "); found {
		if d, err := time.ParseDuration(given); err == nil {
			limit = d
		}
	}
	select {
	case <-j.done:
	case <-time.After(limit):
		_ = j.cmd.Process.Kill()
		<-j.done
	}
	return outcome{j.stdout.String(), j.stderr.String(), exitCode(j.cmd)}
}

// exitCode is the exit code of a command, or the signal that ended it with a
// minus in front.
func exitCode(cmd *exec.Cmd) int {
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return -int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// begin starts the command of s, which the steps that follow happen to, and
// returns when it watches, if that is what it does, or has ended.
func (p *stage) begin(s step) {
	p.t.Helper()
	others := 0
	for _, j := range p.jobs {
		if watches(j.step) && !j.over() {
			others++
		}
	}
	p.soon(func() bool { return p.watchers() <= others }) // those that have ended are forgotten
	j := p.run(s)
	p.jobs = append(p.jobs, j)
	if watches(s) {
		p.soon(func() bool { return j.over() || p.watchers() > others })
	}
}

// watches reports whether the command of s is one that watches.
func watches(s step) bool {
	return slices.ContainsFunc(s.Argv, func(word string) bool {
		return word == "watch" || word == "exec-watch" || strings.Contains(word, "wait=true")
	})
}

// over reports whether j has ended.
func (j *job) over() bool {
	select {
	case <-j.done:
		return true
	default:
		return false
	}
}

// watchers are as many as the server counts, or -1.
func (p *stage) watchers() int {
	var stats struct {
		Watchers int `json:"watchers"`
	}
	a, err := fetch("GET", "http://127.0.0.1:22101/v2/stats/store", "")
	if err != nil || json.Unmarshal([]byte(a.body), &stats) != nil {
		return -1
	}
	return stats.Watchers
}

// settle lets the programs that exec-watch has started say what they have to.
func (p *stage) settle() {
	if slices.ContainsFunc(p.jobs, func(j *job) bool { return slices.Contains(j.step.Argv, "exec-watch") }) {
		time.Sleep(300 * time.Millisecond)
	}
}

// finish ends the commands that last until step n, as they ended when they
// were recorded.
func (p *stage) finish(n int) {
	p.t.Helper()
	for _, j := range slices.Clone(p.jobs) {
		if max(j.step.During[1], j.step.N) != n {
			continue
		}
		p.check(j.step, func() outcome { return p.end(j) })
		p.jobs = slices.DeleteFunc(p.jobs, func(other *job) bool { return other == j })
	}
}

// end waits until j has said what it was to say, and gives it the signal that
// it ended by.
func (p *stage) end(j *job) outcome {
	s := p.expected(j.step)
	how, given := map[string]os.Signal{"SIGINT": os.Interrupt, "SIGTERM": syscall.SIGTERM}[s.EndedBy]
	if given {
		p.soon(func() bool {
			return j.over() || len(j.stdout.String()) >= len(p.here(s.Stdout)) && len(j.stderr.String()) >= len(p.here(s.Stderr))
		})
		time.Sleep(50 * time.Millisecond) // for what should not be said
		_ = j.cmd.Process.Signal(how)
	}
	return p.ended(j, s)
}

func (p *stage) doOnTerminal(s step) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), longest)
	defer cancel()
	cmd := p.command(ctx, s)
	seen := onTerminal(p.t, cmd, s.Stdin)
	p.check(s, func() outcome { return outcome{stdout: seen, code: exitCode(cmd)} })
}
