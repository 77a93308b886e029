package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
)

const levelInfo = "info"

// logLevels are the words for them in etcd.
func logLevels() []string {
	return []string{"debug", levelInfo, "warn", "error", "dpanic", "panic", "fatal"}
}

// level is how much is logged.
func (c *config) level() slog.Level {
	switch {
	case c.debug || c.logLevel == "debug":
		return slog.LevelDebug
	case c.logLevel == "warn":
		return slog.LevelWarn
	case c.logLevel != levelInfo:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// useLogPackageLevels reads levels as old etcds knew them, such as
// etcdserver=DEBUG. There are no packages to tell apart, so only the level of
// all of them, *, counts. Nonsense is told and passed over, as in etcd.
func (c *config) useLogPackageLevels() {
	if c.logPackageLevels == "" {
		return
	}
	all := ""
	for one := range strings.SplitSeq(c.logPackageLevels, ",") {
		name, word, ok := strings.Cut(one, "=")
		if !ok || strings.Contains(word, "=") {
			c.warn("couldn't parse log level string: oddly structured `pkg=level` option: %s, continuing with default levels", one)
			return
		}
		level := formerLevel(word)
		if level == "" {
			c.warn("couldn't parse log level string: couldn't parse log level %s, continuing with default levels", word)
			return
		}
		if name == "*" {
			all = level
		}
	}
	if all != "" && !c.given["log-level"] {
		c.logLevel = all
	}
}

// formerLevel is a level of old etcds in today's words; empty: there is none.
func formerLevel(word string) string {
	switch word {
	case "CRITICAL", "C", "0", "ERROR", "E", "1":
		return "error"
	case "WARNING", "W", "2":
		return "warn"
	case "NOTICE", "N", "3", "INFO", "I", "4":
		return levelInfo
	case "DEBUG", "D", "5", "TRACE", "T", "6":
		return "debug"
	}
	return ""
}

// What log-outputs may name beside files. The journal reads stderr.
const (
	outputDefault = "default"
	outputStderr  = "stderr"
	outputStdout  = "stdout"
	outputJournal = "systemd/journal"
)

// openLog opens what the log is written to, and says how to close it.
func (c *config) openLog(stdout, stderr io.Writer) (w io.Writer, closeLog func(), err error) {
	outputs := c.logOutputs
	if !c.given["log-outputs"] && c.given["log-output"] {
		outputs = c.formerLogOutput
	}
	var files []*os.File
	var writers []io.Writer
	closeLog = func() {
		for _, f := range files {
			_ = f.Close() // there is nowhere to tell
		}
	}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(outputs))) {
		switch name {
		case outputDefault, outputStderr, outputJournal:
			if !slices.Contains(writers, stderr) {
				writers = append(writers, stderr)
			}
		case outputStdout:
			writers = append(writers, stdout)
		default:
			f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
			if err != nil {
				closeLog()
				return nil, nil, fmt.Errorf("opening the log: %w", err)
			}
			files, writers = append(files, f), append(writers, f)
		}
	}
	if len(writers) == 0 {
		writers = []io.Writer{stderr}
	}
	return io.MultiWriter(writers...), closeLog, nil
}
