//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// endBy ends the process by the signal that it was told to end with: the shell
// and the supervisor shall see that it was that.
func endBy(sig os.Signal) {
	signal.Reset(sig)
	if syscall.Kill(os.Getpid(), sig.(syscall.Signal)) == nil {
		time.Sleep(time.Second) // it arrives at once, unless the parent has it ignored
	}
}
