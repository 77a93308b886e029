package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// isolate gives a process that is to be started a network of its own. What it
// starts ends with it.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
}

// canIsolate says why there are no networks for processes, if so.
func canIsolate() error {
	cmd := exec.Command("/bin/true")
	isolate(cmd)
	return cmd.Run()
}

// mustUpLoopback makes the loopback addresses of a new network usable.
func mustUpLoopback(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		t.Fatal(err)
	}
}

// onTerminal runs cmd on a terminal and types what is given when it asks for a
// password. It returns what was to be seen.
func onTerminal(t *testing.T, cmd *exec.Cmd, typed string) (seen string) {
	t.Helper()
	keyboard, terminal := newTerminal(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	var all strings.Builder
	asked := false
	for chunk := make([]byte, 4096); ; {
		n, err := keyboard.Read(chunk)
		all.Write(chunk[:n])
		if !asked && strings.Contains(all.String(), "assword") {
			asked = true
			for end := time.Now().Add(patience); echoes(t, keyboard) && time.Now().Before(end); {
				time.Sleep(time.Millisecond)
			}
			if _, err := io.WriteString(keyboard, typed); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break // the other end is closed
		}
	}
	_ = cmd.Wait() // its end is looked at elsewhere
	return strings.ReplaceAll(all.String(), "\r\n", "\n")
}
