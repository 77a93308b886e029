package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	idleRSS          = "RSS"
	wakeups          = "wake-ups"
	tickerWakeups    = "wake-ups of a program that ticks"
	wakeupsPerTicker = "wake-ups, of that"
)

const (
	idleTime   = 3 * time.Second
	wakeupTime = 5 * time.Second
	tickEvery  = 100 * time.Millisecond // raft's tick, in both servers
)

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// runIdle leaves the server alone. A tick wakes several threads of a process,
// so the wake-ups are held against those of a program that does nothing else
// but tick, as often as raft does, at the same time.
func runIdle(ctx context.Context, _ *bench, s *server) (f figures, err error) {
	if err := sleep(ctx, idleTime); err != nil {
		return nil, err
	}
	rss, err := s.rss()
	if err != nil {
		return nil, err
	}
	stop, ticker, err := startTicker(s.env)
	if err != nil {
		return nil, err
	}
	defer stop()
	counts := make([]float64, 0, 4)
	for _, wait := range []time.Duration{time.Second, wakeupTime} {
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
		for _, pid := range []int{s.cmd.Process.Pid, ticker} {
			n, err := wakeupsOf(pid)
			if err != nil {
				return nil, err
			}
			counts = append(counts, n)
		}
	}
	ours, bare := counts[2]-counts[0], counts[3]-counts[1]
	return figures{
		idleRSS:          float64(rss) / (1 << 20),
		wakeups:          ours / wakeupTime.Seconds(),
		tickerWakeups:    bare / wakeupTime.Seconds(),
		wakeupsPerTicker: ours / bare,
	}, nil
}

// startTicker runs this program as one that only ticks.
func startTicker(env []string) (stop func(), pid int, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(self, "-tick")
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, 0, fmt.Errorf("start a program that ticks: %w", err)
	}
	return func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // it was killed
	}, cmd.Process.Pid, nil
}

// tick does nothing, ten times a second, until the process is killed.
func tick() {
	for range time.Tick(tickEvery) {
	}
}
