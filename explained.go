package main

import (
	"context"
	"errors"
	"log/slog"

	"keytree/discovery"
)

// explained is an error that takes several lines to tell.
type explained struct {
	error
	lines []discovery.Line
}

func (e explained) Unwrap() error { return e.error }

// tell logs why the process ends.
func tell(logger *slog.Logger, err error) {
	var e explained
	if !errors.As(err, &e) || len(e.lines) == 0 {
		logger.Error(err.Error())
		return
	}
	for _, line := range e.lines {
		logger.Log(context.Background(), line.Level, line.Text)
	}
}
