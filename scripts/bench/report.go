package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// disturbed is how many cores may be busy with something else in a measurement
// before we warn: the kernel writes to disk for the servers.
const disturbed = 0.5

// report is all that was measured.
type report struct {
	machine   machine
	programs  []program
	entries   []entry
	placement placement
}

// entry is one round of a scenario on a server.
type entry struct {
	Scenario string
	Server   string
	Round    int
	Figures  figures
	Error    string `json:",omitempty"`
}

// summary is the first figures of e in a line.
func (e *entry) summary(s scenario) string {
	if e.Error != "" {
		return "FAILED: " + e.Error
	}
	var b strings.Builder
	for i, r := range s.rows[:min(3, len(s.rows))] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s %.*f %s", r.figure, r.digits, e.Figures[r.figure], r.unit)
	}
	if busy := e.Figures[others]; busy >= disturbed {
		fmt.Fprintf(&b, " (%.1f cores busy with others)", busy)
	}
	return b.String()
}

// print writes the table and reports whether nothing failed or was missed.
func (r *report) print(w io.Writer, scenarios []scenario) (good bool) {
	m := r.machine
	fmt.Fprintf(w, "%s, %d cores, Linux %s, bench built with %s\n", m.CPU, m.Cores, m.Kernel, m.Go)
	for _, p := range r.programs {
		fmt.Fprintf(w, "%s: %s, %s, %s\n", p.name, p.path, m.Versions[p.name], strings.Join(p.env, " "))
	}
	if slices.ContainsFunc(scenarios, func(s scenario) bool { return s.members > 0 }) {
		fmt.Fprintln(w, r.placement)
	}
	fmt.Fprintln(w, "median (least..most) of the rounds")
	fmt.Fprintln(w)

	good = true
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "scenario\tfigure\tunit")
	for _, p := range r.programs {
		fmt.Fprintf(t, "\t%s", p.name)
	}
	fmt.Fprintln(t, "\tratio\tfloor\tverdict")
	for _, s := range scenarios {
		for _, row := range s.rows {
			good = r.printRow(t, s, row) && good
		}
	}
	_ = t.Flush() // as Fprint: whoever closed stdout does not want it

	if most := r.mostOthers(); most >= disturbed {
		fmt.Fprintf(w, "\nCAUTION: up to %.1f cores were busy with something else; the figures are not to be trusted.\n", most)
	}
	for _, e := range r.entries {
		if e.Error != "" {
			good = false
			fmt.Fprintf(w, "\n%s, %s, round %d failed: %s\n", e.Scenario, e.Server, e.Round, e.Error)
		}
	}
	return good
}

func (r *report) printRow(w io.Writer, s scenario, row row) (good bool) {
	fmt.Fprintf(w, "%s\t%s\t%s", s.name, row.figure, row.unit)
	medians := make(map[string]float64)
	for _, p := range r.programs {
		all := r.figures(s.name, p.name, row.figure)
		if len(all) == 0 {
			fmt.Fprint(w, "\t-")
			continue
		}
		medians[p.name] = median(all)
		fmt.Fprintf(w, "\t%.*f", row.digits, medians[p.name])
		if len(all) > 1 {
			fmt.Fprintf(w, " (%.*f..%.*f)", row.digits, slices.Min(all), row.digits, slices.Max(all))
		}
	}
	ours, haveOurs := medians["keytree"]
	theirs, haveTheirs := medians["etcd"]
	ratio, shown := math.NaN(), "-"
	if haveOurs && haveTheirs && theirs != 0 {
		ratio = ours / theirs
		shown = fmt.Sprintf("%.2fx", ratio)
	}
	verdict := ""
	good = true
	switch {
	case row.floor.kind == noFloor:
	case r.failed(s.name):
		verdict, good = "FAIL", false
	case !haveOurs || row.floor.needsRatio() && math.IsNaN(ratio):
		verdict = "-"
	case !row.floor.reached(ours, ratio):
		verdict, good = "FAIL", false
	default:
		verdict = "PASS"
	}
	fmt.Fprintf(w, "\t%s\t%s\t%s\n", shown, row.floor, verdict)
	return good
}

// figures are the values of a figure in all rounds.
func (r *report) figures(scenario, server, figure string) (all []float64) {
	for _, e := range r.entries {
		if e.Scenario != scenario || e.Server != server {
			continue
		}
		if v, ok := e.Figures[figure]; ok {
			all = append(all, v)
		}
	}
	return all
}

func (r *report) mostOthers() (most float64) {
	for _, e := range r.entries {
		most = max(most, e.Figures[others])
	}
	return most
}

// failed reports whether a round of the scenario failed on either server.
func (r *report) failed(scenario string) bool {
	return slices.ContainsFunc(r.entries, func(e entry) bool {
		return e.Scenario == scenario && e.Error != ""
	})
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

func (r *report) writeJSON(path string) error {
	b, err := json.MarshalIndent(struct {
		Machine machine
		Rounds  []entry
	}{r.machine, r.entries}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
