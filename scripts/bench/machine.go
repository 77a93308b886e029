package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// machine describes where the figures were taken.
type machine struct {
	CPU        string
	Cores      int
	MemoryGB   float64
	Kernel     string
	Go         string
	FileSystem string // of the data directories
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %.0f GB, Linux %s, data on %s, bench built with %s",
		m.CPU, m.Cores, m.MemoryGB, m.Kernel, m.FileSystem, m.Go)
}

// describeMachine looks at this machine, and at the file system of dir.
func describeMachine(dir string) machine {
	m := machine{CPU: "unknown", Cores: runtime.NumCPU(), Kernel: "unknown", Go: runtime.Version(), FileSystem: fileSystem(dir)}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, v, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(v)
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		if kb, err := statusField(b, "MemTotal"); err == nil {
			m.MemoryGB = float64(kb) / (1 << 20)
		}
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(b))
	}
	return m
}

// fileSystem is the kind of file system that dir is on.
func fileSystem(dir string) string {
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "unknown"
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "unknown"
	}
	return fileSystemIn(string(b), dir)
}

// fileSystemIn finds the mount that dir lies beneath: of several the longest,
// and of those the last, which covers the others.
func fileSystemIn(mounts, dir string) string {
	kind, longest := "unknown", -1
	for line := range strings.Lines(mounts) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		at := strings.TrimSuffix(fields[1], "/")
		if (dir == at || strings.HasPrefix(dir, at+"/")) && len(at) >= longest {
			kind, longest = fields[2], len(at)
		}
	}
	return kind
}

// subject is a server that was measured.
type subject struct {
	Name     string
	Version  string
	Settings []string // beside those that each has: environment and flags
}

func describe(programs []program) (all []subject) {
	for _, p := range programs {
		all = append(all, subject{Name: p.name, Version: version(p.path), Settings: append(append([]string(nil), p.env...), p.args...)})
	}
	return all
}

// version is the first line of what a program says to --version.
func version(path string) string {
	b, err := exec.Command(path, "--version").CombinedOutput()
	if err != nil {
		return "version unknown: " + err.Error()
	}
	first, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(first)
}
