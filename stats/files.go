package stats

import (
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// FileLimit is how many files the process may open; false where the system
// does not say (it is read from /proc, so that no system call of one operating
// system is needed here).
func FileLimit() (uint64, bool) {
	text, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "Max open files"); found {
			fields := strings.Fields(rest)
			if len(fields) == 0 {
				return 0, false
			}
			n, err := strconv.ParseUint(fields[0], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// filesUsed is how many files the process has open; false as in FileLimit.
func filesUsed() (int, bool) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, false
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names) - 1, err == nil // one of them was dir
}

// ResidentBytes is how much memory the process takes; 0 where the system does
// not say, as in FileLimit.
func ResidentBytes() uint64 {
	text, err := os.ReadFile("/proc/self/statm") // in pages: size, resident, ...
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}

// files shows both numbers of files under etcd's names.
type files struct{}

var (
	filesUsedDesc  = prometheus.NewDesc("os_fd_used", "Files the process has open, sockets included; a count.", nil, nil)
	filesLimitDesc = prometheus.NewDesc("os_fd_limit", "Files the process may open, sockets included; a count.", nil, nil)
)

// Describe implements prometheus.Collector.
func (files) Describe(to chan<- *prometheus.Desc) {
	to <- filesUsedDesc
	to <- filesLimitDesc
}

// Collect implements prometheus.Collector.
func (files) Collect(to chan<- prometheus.Metric) {
	if n, ok := filesUsed(); ok {
		to <- prometheus.MustNewConstMetric(filesUsedDesc, prometheus.GaugeValue, float64(n))
	}
	if n, ok := FileLimit(); ok {
		to <- prometheus.MustNewConstMetric(filesLimitDesc, prometheus.GaugeValue, float64(n))
	}
}
