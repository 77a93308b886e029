//go:build !linux

package main

import (
	"errors"
	"os/exec"
	"testing"
)

func isolate(*exec.Cmd) {}

func canIsolate() error { return errors.New("that is known of Linux only") }

func mustUpLoopback(*testing.T) {}

func onTerminal(t *testing.T, _ *exec.Cmd, _ string) string {
	t.Skip("how to make a terminal is known of Linux only")
	return ""
}
