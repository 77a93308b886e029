package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newTerminal makes a terminal: what is written to keyboard is typed at it,
// and what it shows can be read from there.
func newTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there are no terminals here: ", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := int(keyboard.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}

// echoes reports whether a terminal shows what is typed.
func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	settings, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return settings.Lflag&unix.ECHO != 0
}

func TestAPasswordThatIsTypedIsNotShown(t *testing.T) {
	keyboard, terminal := newTerminal(t)
	s, stdout, _ := newShell()
	s.stdin = terminal
	type result struct {
		text string
		err  error
	}
	typed := make(chan result, 1)
	go func() {
		text, err := s.askPassword(t.Context(), "Password: ")
		typed <- result{text, err}
	}()
	for end := time.Now().Add(10 * time.Second); echoes(t, terminal); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what is typed is still shown")
		}
	}
	if _, err := keyboard.WriteString("sésame \n"); err != nil {
		t.Fatal(err)
	}
	if got := <-typed; got.err != nil || got.text != "sésame" || stdout.String() != "Password: \n" {
		t.Errorf("password %q, error %v, stdout %q", got.text, got.err, stdout)
	}
	if !echoes(t, terminal) {
		t.Error("the terminal stays silent")
	}
}

// An interrupt at the prompt ends the program; whoever waits for interrupts
// around it would keep that from happening.
func TestABackupDoesNotWaitForInterruptsWhileItAsksForThePassword(t *testing.T) {
	keyboard, terminal := newTerminal(t)
	s, _, _ := newShell("--no-sync", "--endpoints", "http://127.0.0.1:1", "--username", "root", "backup", "--backup-dir", t.TempDir())
	s.stdin = terminal
	var waiting atomic.Int64
	s.interruptible = func(ctx context.Context) (context.Context, context.CancelFunc) {
		waiting.Add(1)
		return context.WithCancel(ctx)
	}
	done := make(chan int, 1)
	go func() { done <- s.run(t.Context()) }()
	for end := time.Now().Add(10 * time.Second); echoes(t, terminal); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody asks for the password")
		}
	}
	if got := waiting.Load(); got != 1 {
		t.Errorf("%d wait for an interrupt at the prompt, want 1", got)
	}
	if _, err := keyboard.WriteString("secret\n"); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code == 0 {
		t.Error("there was nobody to back up")
	}
}
