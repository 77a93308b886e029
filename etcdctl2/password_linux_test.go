package main

import (
	"fmt"
	"os"
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
