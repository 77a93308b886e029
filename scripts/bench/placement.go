package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// memberCPUs is how many CPUs the members of a cluster share.
const memberCPUs = 2

// placement is which CPUs the members of a cluster share, and which the load
// comes from, both as taskset has them. Members of either server get the same.
type placement struct {
	all, members, load string
}

// place shares out the CPUs given. Where there are too few, the load comes
// from the same as the members'.
func place(cpus []string) placement {
	all := strings.Join(cpus, ",")
	if len(cpus) <= memberCPUs {
		return placement{all: all, members: all, load: all}
	}
	return placement{
		all:     all,
		members: strings.Join(cpus[:memberCPUs], ","),
		load:    strings.Join(cpus[memberCPUs:], ","),
	}
}

func (p placement) String() string {
	if p.members == p.load {
		return fmt.Sprintf("the members of a cluster and the load share CPUs %s: there are no others", p.all)
	}
	return fmt.Sprintf("the members of a cluster share CPUs %s, the load comes from %s", p.members, p.load)
}

// pin keeps this process on the given CPUs. Processes it starts inherit that.
func pin(cpus string) error {
	out, err := exec.Command("taskset", "-a", "-p", "-c", cpus, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// allowedCPUs are the numbers of the CPUs this process may run on.
func allowedCPUs() ([]string, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			return parseCPUs(strings.TrimSpace(list))
		}
	}
	return nil, errors.New("no Cpus_allowed_list in /proc/self/status")
}

// parseCPUs reads a list such as 0-2,5.
func parseCPUs(list string) (cpus []string, err error) {
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("list of CPUs %q: %w", list, err)
		}
		for n := from; n <= to; n++ {
			cpus = append(cpus, strconv.Itoa(n))
		}
	}
	return cpus, nil
}
