package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"keytree/httpapi"
	"keytree/httpapi/audit"
)

// journal is the audit log, if there is to be one.
type journal struct {
	log     *audit.Log // nil: none
	reads   bool
	hangups chan os.Signal
	logger  *slog.Logger
}

func (c *config) openJournal(logger *slog.Logger) (*journal, error) {
	j := &journal{reads: c.auditReads, hangups: make(chan os.Signal, 1), logger: logger}
	if c.auditLog == "" {
		return j, nil
	}
	var err error
	if j.log, err = audit.Open(c.auditLog, logger); err == nil {
		signal.Notify(j.hangups, syscall.SIGHUP)
	}
	return j, err
}

// register counts in r the lines that could not be written.
func (j *journal) register(r prometheus.Registerer) error {
	if j.log == nil {
		return nil
	}
	return r.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "keytree_audit_failures_total",
		Help: "Records that could not be written to the audit log; a count.",
	}, func() float64 { return float64(j.log.Failures()) }))
}

// audited is next with its requests written down.
func (j *journal) audited(next http.Handler) http.Handler {
	if j.log == nil {
		return next
	}
	return httpapi.Audited(next, httpapi.Auditing{Record: j.log.Write, Reads: j.reads})
}

// run opens the file anew at each SIGHUP, so that it can be rotated, until ctx
// is done. Without an audit log that signal does to the process what it always
// does.
func (j *journal) run(ctx context.Context) error {
	for {
		select {
		case <-j.hangups:
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
	signal.Stop(j.hangups)
	return j.log.Close()
}
