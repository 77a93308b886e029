package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"keytree/scripts/process"
)

// A sample is what a process occupies at a time since the beginning.
type sample struct {
	at         time.Duration
	rss        float64 // MiB
	heap       float64 // MiB of it that Go has in use
	goroutines float64
	files      float64
	threads    float64
	disk       float64 // MiB
}

// A figure is one of a sample's, with how much it may grow.
type figure struct {
	name  string
	of    func(sample) float64
	bound bound
}

// figures are all there are. What they may grow by is what a heap, a log or an
// engine breathes by; a leak that is slower than that shows in a longer run.
// The engines' caches and memtables are outside Go's heap, and fill for hours
// at a small rate.
func figures() []figure {
	return []figure{
		{"RSS MiB", func(s sample) float64 { return s.rss }, bound{share: .10, least: 8, fill: fullCaches}},
		{"heap MiB", func(s sample) float64 { return s.heap }, bound{share: .10, least: 8}},
		{"goroutines", func(s sample) float64 { return s.goroutines }, bound{share: .05, least: 30}},
		{"files", func(s sample) float64 { return s.files }, bound{share: .05, least: 30}},
		{"threads", func(s sample) float64 { return s.threads }, bound{share: .10, least: 3}},
		{"disk MiB", func(s sample) float64 { return s.disk }, bound{share: .10, least: 48}},
	}
}

// fullCaches is what a member occupies with full caches, MiB: 96 of these where
// memory is not limited, as it says when it starts, and a small heap.
const fullCaches = 160

// takeSample looks at a server from outside, and asks it for its goroutines.
func takeSample(ctx context.Context, s *process.Server, dir string) (one sample, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		return one, err
	}
	rss, err1 := numberAfter(status, "VmRSS:")
	threads, err2 := numberAfter(status, "Threads:")
	files, err3 := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID()))
	disk, err4 := diskUsage(dir)
	metrics, err := metricsOf(ctx, s.Addr)
	if err != nil {
		return one, err
	}
	goroutines, err5 := numberAfter(metrics, "go_goroutines ")
	heap, err6 := numberAfter(metrics, "go_memstats_heap_inuse_bytes ")
	one = sample{
		rss: rss / 1024, heap: heap / (1 << 20), threads: threads, files: float64(len(files)),
		disk: float64(disk) / (1 << 20), goroutines: goroutines,
	}
	return one, errors.Join(err1, err2, err3, err4, err5, err6)
}

// numberAfter is the number that follows a word at the start of a line.
func numberAfter(text []byte, word string) (float64, error) {
	for line := range strings.Lines(string(text)) {
		rest, found := strings.CutPrefix(line, word)
		if fields := strings.Fields(rest); found && len(fields) > 0 {
			return strconv.ParseFloat(fields[0], 64)
		}
	}
	return 0, fmt.Errorf("no %s", word)
}

// diskUsage is the bytes that dir occupies.
func diskUsage(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed by the server while we look
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // as above
		}
		if err != nil {
			return err
		}
		total += info.Sys().(*syscall.Stat_t).Blocks * 512
		return nil
	})
	return total, err
}

// metricsOf is what a server says of itself.
func metricsOf(ctx context.Context, addr string) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, answerTime)
	defer stop()
	conn := process.NewConn(addr)
	defer conn.Close()
	a, err := conn.Do(ctx, process.Request{Method: "GET", Target: "/metrics"})
	if err != nil {
		return nil, err
	}
	if a.Status != 200 {
		return nil, fmt.Errorf("/metrics has status %d", a.Status)
	}
	return a.Body, nil
}
