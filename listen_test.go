package main

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestListenURLsMayBeFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	quiet := slog.New(slog.DiscardHandler)
	absolute := filepath.Join(t.TempDir(), "s")
	for url, file := range map[string]string{"unix://host:1": "host:1", "unix://" + absolute: absolute} {
		open, err := listen(urls{url}, "clients", nil, quiet)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o660 {
			t.Errorf("%s: %v, %v", url, info, err)
		}
		if _, err := listen(urls{url}, "clients", nil, quiet); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: a second listener: %v", url, err)
		}
		closeAll(open)
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", file, err)
		}
	}
}

func TestASocketThatNobodyListensAtIsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: file, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := listenAtFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close() // nothing was written
}

func TestAFileThatIsNoSocketIsLeftAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := listenAtFile(file); err == nil {
		_ = l.Close()
		t.Error("it was replaced")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
}
