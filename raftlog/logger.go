package raftlog

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
)

// raftLogger lets raft speak through slog. What raft calls information is the
// daily life of an election: it goes to Debug, and the loop says once who leads.
type raftLogger struct{ *slog.Logger }

func (l raftLogger) say(level slog.Level, v []any) {
	if l.Enabled(context.Background(), level) {
		l.Log(context.Background(), level, fmt.Sprint(v...))
	}
}

func (l raftLogger) sayf(level slog.Level, format string, v []any) {
	if l.Enabled(context.Background(), level) {
		l.Log(context.Background(), level, fmt.Sprintf(format, v...))
	}
}

func (l raftLogger) Debug(v ...any)              { l.say(slog.LevelDebug, v) }
func (l raftLogger) Debugf(f string, v ...any)   { l.sayf(slog.LevelDebug, f, v) }
func (l raftLogger) Info(v ...any)               { l.say(slog.LevelDebug, v) }
func (l raftLogger) Infof(f string, v ...any)    { l.sayf(slog.LevelDebug, f, v) }
func (l raftLogger) Warning(v ...any)            { l.say(slog.LevelDebug, v) }
func (l raftLogger) Warningf(f string, v ...any) { l.sayf(slog.LevelDebug, f, v) }
func (l raftLogger) Error(v ...any)              { l.say(slog.LevelError, v) }
func (l raftLogger) Errorf(f string, v ...any)   { l.sayf(slog.LevelError, f, v) }
func (l raftLogger) Fatal(v ...any)              { panic(raftFailure(fmt.Sprint(v...))) }
func (l raftLogger) Fatalf(f string, v ...any)   { panic(raftFailure(fmt.Sprintf(f, v...))) }
func (l raftLogger) Panic(v ...any)              { panic(raftFailure(fmt.Sprint(v...))) }
func (l raftLogger) Panicf(f string, v ...any)   { panic(raftFailure(fmt.Sprintf(f, v...))) }

// A raftFailure is panicked with when raft finds what cannot be, which is most
// often a log that has lost what it had promised. The raft loop catches it and
// stops the member.
type raftFailure string

func (f raftFailure) Error() string {
	return "raft cannot go on: " + string(f) + "; if the data of this member were lost in part, or put back from an older copy, " +
		"remove it from the cluster, delete its data directory and let it join anew"
}

// pebbleLogger lets Pebble speak through slog. Pebble calls Fatalf when it
// cannot write any more and expects the process to end; here the first such
// error is kept, and whoever wrote asks for it before believing the write.
type pebbleLogger struct {
	*slog.Logger
	fatal atomic.Pointer[error]
}

func (l *pebbleLogger) Infof(format string, v ...any) {
	raftLogger{l.Logger}.sayf(slog.LevelDebug, format, v)
}

func (l *pebbleLogger) Errorf(format string, v ...any) {
	raftLogger{l.Logger}.sayf(slog.LevelError, format, v)
}

func (l *pebbleLogger) Fatalf(format string, v ...any) {
	err := fmt.Errorf(format, v...)
	for _, arg := range v {
		if cause, ok := arg.(error); ok {
			err = fmt.Errorf("pebble gave up: %w", cause)
		}
	}
	l.fatal.CompareAndSwap(nil, &err)
}

// failure is the error Pebble gave up with, or nil.
func (l *pebbleLogger) failure() error {
	if err := l.fatal.Load(); err != nil {
		return *err
	}
	return nil
}
