package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// askPassword asks the user, who sees the prompt but not what is typed. If
// stdin is no terminal, the password is its first line; what follows that
// line stays to be read.
func (s *shell) askPassword(ctx context.Context, prompt string) (string, error) {
	if _, err := io.WriteString(s.stdout, prompt); err != nil {
		return "", err
	}
	text, err := s.readPassword(ctx)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	_, err = io.WriteString(s.stdout, "\n")
	return strings.TrimSpace(text), err
}

func (s *shell) readPassword(ctx context.Context) (string, error) {
	if f, ok := s.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return s.typedPassword(ctx, f)
	}
	return readLine(s.stdin)
}

// typedPassword reads what is typed at a terminal. Who interrupts gets the
// terminal back as it was.
func (s *shell) typedPassword(ctx context.Context, terminal *os.File) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	ctx, release := s.interruptible(ctx)
	defer release()
	defer context.AfterFunc(ctx, func() {
		_ = term.Restore(fd, before) // nothing else can be done about it
		release()
		interruptSelf()
	})()
	typed, err := term.ReadPassword(fd)
	return string(typed), err
}

// interruptSelf ends the program as an interrupt does that nobody waits for.
func interruptSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(os.Interrupt)
	}
	if err != nil {
		os.Exit(exitBadArgs)
	}
}

// readLine reads a line from r, or what there is of one, and not a byte more.
func readLine(r io.Reader) (string, error) {
	var line bytes.Buffer
	for one := make([]byte, 1); ; {
		n, err := r.Read(one)
		if n == 1 && one[0] == '\n' {
			return line.String(), nil
		}
		line.Write(one[:n])
		if errors.Is(err, io.EOF) {
			return line.String(), nil
		}
		if err != nil {
			return "", err
		}
	}
}
