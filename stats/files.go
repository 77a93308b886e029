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

// files shows both numbers under etcd's names.
type files struct{}

var (
	filesUsedDesc  = prometheus.NewDesc("os_fd_used", "Files the process has open.", nil, nil)
	filesLimitDesc = prometheus.NewDesc("os_fd_limit", "Files the process may open.", nil, nil)
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
