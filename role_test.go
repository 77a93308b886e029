package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheDataDirectorySaysWhatTheProcessIs(t *testing.T) {
	for _, tt := range []struct {
		inside  string
		want    role
		refused string
		warned  string
	}{
		{"", noRole, "", ""},
		{"member", memberRole, "", ""},
		{"proxy", proxyRole, "", ""},
		{"fixtures proxy", proxyRole, "", ""},
		{"lost+found", noRole, "", "found invalid file/dir lost+found under data dir DIR (Ignore this if you are upgrading etcd)"},
		{"member proxy", noRole, "invalid datadir. Both member and proxy directories exist.", ""},
	} {
		dir := t.TempDir()
		for _, name := range strings.Fields(tt.inside) {
			if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		got, err := formerRole(dir, slog.New(slog.NewTextHandler(&log, nil)))
		if got != tt.want || tt.refused == "" && err != nil || tt.refused != "" && (err == nil || err.Error() != tt.refused) {
			t.Errorf("with %q inside: %q, %v", tt.inside, got, err)
		}
		if want := strings.ReplaceAll(tt.warned, "DIR", dir); !strings.Contains(log.String(), want) || want == "" && log.Len() > 0 {
			t.Errorf("with %q inside the log says: %s", tt.inside, &log)
		}
	}
}

func TestADataDirectoryThatIsAFileIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	if _, err := formerRole(file, quiet); err == nil || !strings.Contains(err.Error(), "error listing data dir: "+file) {
		t.Error(err)
	}
	if got, err := formerRole(file+"-not", quiet); got != noRole || err != nil {
		t.Errorf("a directory that is not there: %q, %v", got, err)
	}
}
