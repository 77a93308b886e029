package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHowMuchIsLogged(t *testing.T) {
	const passedOver = ", continuing with default levels"
	tests := []struct {
		args string
		want slog.Level
		said string
	}{
		{"", slog.LevelInfo, ""},
		{"--debug", slog.LevelDebug, ""},
		{"--log-level debug", slog.LevelDebug, ""},
		{"--log-level warn", slog.LevelWarn, ""},
		{"--log-level error", slog.LevelError, ""},
		{"--log-level dpanic", slog.LevelError, ""},
		{"--log-level panic", slog.LevelError, ""},
		{"--log-level fatal", slog.LevelError, ""},
		{"--log-level error --debug", slog.LevelDebug, ""},
		{"--log-package-levels *=DEBUG", slog.LevelDebug, ""},
		{"--log-package-levels etcdmain=DEBUG,*=CRITICAL", slog.LevelError, ""},
		{"--log-package-levels etcdmain=DEBUG,raft=W", slog.LevelInfo, ""},
		{"--log-package-levels *=DEBUG --log-level warn", slog.LevelWarn, ""},
		{"--log-package-levels DEBUG", slog.LevelInfo, "couldn't parse log level string: oddly structured `pkg=level` option: DEBUG" + passedOver},
		{"--log-package-levels *=DEBUG,a=NOPE", slog.LevelInfo, "couldn't parse log level string: couldn't parse log level NOPE" + passedOver},
	}
	for _, tt := range tests {
		c := mustReadConfig(t, strings.Fields(tt.args)...)
		if got := c.level(); got != tt.want || strings.Join(c.warnings(), "\n") != tt.said {
			t.Errorf("%s: %v, %q; want %v, %q", tt.args, got, c.warnings(), tt.want, tt.said)
		}
	}
}

func TestTheLogGoesWhereItIsToldTo(t *testing.T) {
	for outputs, want := range map[string]string{
		"":                             "err",
		"default":                      "err",
		"stdout":                       "out",
		"stderr,stdout":                "err out",
		"systemd/journal":              "err",
		"default,stderr":               "err",
		"FILE":                         "file",
		"FILE,FILE,stderr":             "err file",
		"--log-output FILE":            "file",
		"--log-output stdout,FILE":     "out file",
		"FILE --log-output stdout":     "file",
		"stdout --log-output=FILE":     "out",
		"--log-output= --log-outputs=": "err",
	} {
		path := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(path, []byte("before\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		args := strings.Fields(strings.ReplaceAll(outputs, "FILE", path))
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			args = append([]string{"--log-outputs"}, args...)
		}
		var stdout, stderr bytes.Buffer
		w, closeLog, err := mustReadConfig(t, args...).openLog(&stdout, &stderr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(w, "line")
		closeLog()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, o := range []struct{ name, text string }{{"err", stderr.String()}, {"out", stdout.String()}, {"file", strings.TrimPrefix(string(text), "before\n")}} {
			switch o.text {
			case "line\n":
				got = append(got, o.name)
			case "":
			default:
				t.Errorf("%s: %s has %q", outputs, o.name, o.text)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: to %v, want %s", outputs, got, want)
		}
	}
}

func TestALogThatCannotBeWrittenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no", "log")
	if _, _, err := mustReadConfig(t, "--log-outputs", path).openLog(nil, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Error(err)
	}
}
