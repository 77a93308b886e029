package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A kind of exchange is counted on its own.
type kind int

const (
	kindStep     kind = iota // of a scenario
	kindOp                   // random
	kindQuestion             // of the auth matrix
	kindSecurity             // random, on /v2/auth
	kindBulk                 // preparing any of these
	kinds
)

// most differences printed in full; all are counted.
const mostPrinted = 20

// A report counts what was compared and collects what differs. It may be
// used by several goroutines.
type report struct {
	table   []departure
	stopped func() bool // once true, nothing more is believed

	mu struct { // everything inside is guarded
		sync.Mutex
		out         io.Writer
		counts      [kinds]int
		statuses    [kinds]map[int]int // as etcd answered
		expected    map[string]int
		unexplained map[string]int
		failures    int // of other kinds: servers that did not start, trees that parted
	}
}

func newReport(out io.Writer, table []departure, stopped func() bool) *report {
	r := &report{table: table, stopped: stopped}
	r.mu.out = out
	for k := range r.mu.statuses {
		r.mu.statuses[k] = make(map[int]int)
	}
	r.mu.expected = make(map[string]int)
	r.mu.unexplained = make(map[string]int)
	return r
}

// note compares an exchange and counts it. It returns whether the two sides
// agree, apart from departures.
func (r *report) note(k kind, where, replay string, x exchange) bool {
	return r.add(k, where, replay, x, compare(x))
}

// add counts an exchange with differences found by somebody else.
func (r *report) add(k kind, where, replay string, x exchange, ds []difference) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped() {
		return true
	}
	r.mu.counts[k]++
	if x.etcd.Answer != nil {
		r.mu.statuses[k][x.etcd.Status]++
	}
	var bad []string
	for _, d := range ds {
		if name := explain(r.table, x, d); name != "" {
			r.mu.expected[name]++
			continue
		}
		r.mu.unexplained[d.what]++
		bad = append(bad, d.String())
	}
	if len(bad) == 0 {
		return true
	}
	r.mu.failures++
	if r.mu.failures <= mostPrinted {
		fmt.Fprintf(r.mu.out, "\nDIFFERENT %s: %s\n%s\n    replay: %s\n", where, curl(x.request), strings.Join(bad, "\n"), replay)
	}
	return false
}

// fail counts something else that went wrong.
func (r *report) fail(where, replay string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.failures++
	fmt.Fprintf(r.mu.out, "\nFAILED %s: %v\n    replay: %s\n", where, err, replay)
}

// done returns how much was compared.
func (r *report) done() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := 0
	for _, n := range r.mu.counts[:kindBulk] {
		total += n
	}
	return total
}

// print writes through the lock that findings are written under.
func (r *report) print(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.mu.out, format, args...)
}

// summary prints the counts and returns whether all is well.
func (r *report) summary() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.mu.out
	fmt.Fprintf(w, "%d scenario steps, %d random operations, %d questions of the auth matrix, %d random operations on security, %d requests to prepare them\n",
		r.mu.counts[kindStep], r.mu.counts[kindOp], r.mu.counts[kindQuestion], r.mu.counts[kindSecurity], r.mu.counts[kindBulk])
	r.printStatuses(kindOp, "random operations")
	r.printStatuses(kindQuestion, "auth matrix")
	r.printStatuses(kindSecurity, "operations on security")
	var missing []string
	for _, d := range r.table {
		if n := r.mu.expected[d.name]; n > 0 {
			fmt.Fprintf(w, "  %6d x %-18s %s\n", n, d.name, d.reason)
		} else {
			missing = append(missing, d.name)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(w, "  note: expected, but did not occur: %s\n", strings.Join(missing, ", "))
	}
	for _, what := range slices.Sorted(maps.Keys(r.mu.unexplained)) {
		fmt.Fprintf(w, "  %6d x UNEXPLAINED %s\n", r.mu.unexplained[what], what)
	}
	if r.mu.failures == 0 {
		fmt.Fprintln(w, "0 unexplained differences")
	} else {
		fmt.Fprintf(w, "FAIL: %d\n", r.mu.failures)
	}
	return r.mu.failures == 0
}

// printStatuses prints how etcd answered one kind of requests. r.mu must be
// held.
func (r *report) printStatuses(k kind, name string) {
	if r.mu.counts[k] == 0 {
		return
	}
	fmt.Fprintf(r.mu.out, "%s by status:", name)
	for _, status := range slices.Sorted(maps.Keys(r.mu.statuses[k])) {
		fmt.Fprintf(r.mu.out, " %d: %d", status, r.mu.statuses[k][status])
	}
	fmt.Fprintln(r.mu.out)
}
