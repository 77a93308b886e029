package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"keytree/httpapi"
	"keytree/httpapi/audit"
)

// journal is the audit log, if there is to be one.
type journal struct {
	log    *audit.Log // nil: none
	reads  bool
	logger *slog.Logger
}

func (c *config) openJournal(logger *slog.Logger) (*journal, error) {
	j := &journal{reads: c.auditReads, logger: logger}
	if c.auditLog == "" {
		return j, nil
	}
	var err error
	j.log, err = audit.Open(c.auditLog, logger)
	return j, err
}

// audited is next with its requests written down.
func (j *journal) audited(next http.Handler) http.Handler {
	if j.log == nil {
		return next
	}
	return httpapi.Audited(next, httpapi.Auditing{Record: j.log.Write, Reads: j.reads})
}

// run opens the file anew at each SIGHUP, so that it can be rotated, until ctx
// is done. Without an audit log that signal is left to do what it does.
func (j *journal) run(ctx context.Context) error {
	if j.log == nil {
		<-ctx.Done()
		return nil
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for {
		select {
		case <-hangups:
			if err := j.log.Reopen(); err != nil {
				j.logger.Error("reopening the audit log failed: going on with the old file", "error", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (j *journal) close() error {
	if j.log == nil {
		return nil
	}
	return j.log.Close()
}
