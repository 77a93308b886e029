package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// A start that takes long asks the service manager for more time, each time
// for so much more than the pause between two requests that one may be late.
const (
	extension      = 30 * time.Second
	extensionPause = 10 * time.Second
)

// notifier tells the service manager how the process is getting on, if it was
// started by one that wants to know: systemd with Type=notify, and with
// WatchdogSec=. What does not get through is logged, and no reason to stop.
// Its methods are called one after the other.
type notifier struct {
	logger   *slog.Logger
	send     func(state string) error
	wanted   bool          // somebody listens
	watchdog time.Duration // so long without a sign of life, and the manager ends the process; 0: it does not look
}

func newNotifier(logger *slog.Logger) *notifier {
	n := &notifier{logger: logger, send: sendToManager, wanted: os.Getenv("NOTIFY_SOCKET") != ""}
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil && n.wanted {
		logger.Warn(fmt.Sprintf("going on without systemd's watchdog: %v", err))
	}
	n.watchdog = watchdog
	return n
}

func sendToManager(state string) error {
	_, err := daemon.SdNotify(false, state)
	return err
}

// busy says that the start may take longer than usual, until the caller calls
// done: a service manager would take it for hanging.
func (n *notifier) busy(ctx context.Context, status string) (done func()) {
	more := fmt.Sprintf("STATUS=%s\nEXTEND_TIMEOUT_USEC=%d", status, extension.Microseconds())
	n.tell("", more)
	return n.every(ctx, extensionPause, func(context.Context) { n.tell("", more) })
}

// ready says that clients are served, and from now on gives the watchdog its
// signs of life while alive, if it is not nil, returns in time. The caller
// calls stop when the end begins.
func (n *notifier) ready(ctx context.Context, status string, alive func(context.Context) error) (stop func()) {
	n.tell(" for readiness", daemon.SdNotifyReady+"\nSTATUS="+status)
	if n.watchdog == 0 {
		return func() {}
	}
	pause, hangs := n.watchdog/2, false
	return n.every(ctx, pause, func(ctx context.Context) {
		within, cancel := context.WithTimeout(ctx, pause)
		defer cancel()
		if alive != nil {
			if err := alive(within); err != nil {
				if ctx.Err() == nil && !hangs {
					n.logger.Error("this member does not get on: systemd's watchdog gets no sign of life", "waited", pause)
				}
				hangs = true
				return
			}
		}
		hangs = false
		n.tell("", daemon.SdNotifyWatchdog)
	})
}

// stopping says that the end has begun.
func (n *notifier) stopping() { n.tell("", daemon.SdNotifyStopping+"\nSTATUS=stopping") }

func (n *notifier) tell(why, state string) {
	if !n.wanted {
		return
	}
	if err := n.send(state); err != nil {
		n.logger.Error(fmt.Sprintf("failed to notify systemd%s: %v", why, err))
	}
}

// every calls f after each pause until ctx is done or stop is called. When stop
// returns, f is called no more.
func (n *notifier) every(ctx context.Context, pause time.Duration, f func(context.Context)) (stop func()) {
	if !n.wanted {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var calls sync.WaitGroup
	calls.Go(func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				f(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		calls.Wait()
	}
}
