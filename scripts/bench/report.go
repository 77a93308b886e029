package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// disturbed is how many cores may be busy with something else in a measurement
// before we warn: the kernel writes to disk for the servers.
const disturbed = 0.5

// report is all that was measured.
type report struct {
	Taken     time.Time
	Machine   machine
	Subjects  []subject
	Placement string // of the members of clusters
	Rounds    []entry
	Growth    *growth `json:",omitempty"`
}

// scenarios are those that r has rounds of, in our order.
func (r *report) scenarios() (all []scenario) {
	for _, s := range scenarios {
		if slices.ContainsFunc(r.Rounds, func(e entry) bool { return e.Scenario == s.name }) {
			all = append(all, s)
		}
	}
	return all
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

// figures are the values of a figure in all rounds.
func (r *report) figures(scenario, server, figure string) (all []float64) {
	for _, e := range r.Rounds {
		if e.Scenario != scenario || e.Server != server {
			continue
		}
		if v, ok := e.Figures[figure]; ok {
			all = append(all, v)
		}
	}
	return all
}

// median is the median of a figure over all rounds, NaN when there is none.
func (r *report) median(scenario, server, figure string) float64 {
	all := r.figures(scenario, server, figure)
	if len(all) == 0 {
		return math.NaN()
	}
	return median(all)
}

// compare is a row's figure of an engine, named as its server, beside etcd's.
func (r *report) compare(s scenario, row row, engine string) comparison {
	c := comparison{
		ours:   r.median(s.name, engine, row.figure),
		theirs: r.median(s.name, etcdName, row.figure),
	}
	c.scaled = row.scale.scale(c.ours, r.median(row.scale.scenario(), etcdName, cpu))
	return c
}

// judge compares a row's figure of an engine with one of its floors.
func (r *report) judge(s scenario, row row, f floor, engine string) verdict {
	if f.kind != noFloor && (r.failed(s.name, engine) || r.failed(s.name, etcdName)) {
		return missed
	}
	return f.judge(r.compare(s, row, engine))
}

// failed reports whether a round of the scenario failed on the server.
func (r *report) failed(scenario, server string) bool {
	return slices.ContainsFunc(r.Rounds, func(e entry) bool {
		return e.Scenario == scenario && e.Server == server && e.Error != ""
	})
}

// measured reports whether the server took part at all.
func (r *report) measured(name string) bool {
	return slices.ContainsFunc(r.Subjects, func(s subject) bool { return s.Name == name })
}

// good reports whether nothing failed, and no floor was missed by the default
// engine.
func (r *report) good() bool {
	for _, e := range r.Rounds {
		if e.Error != "" {
			return false
		}
	}
	for _, s := range r.scenarios() {
		for _, row := range s.rows {
			for _, f := range row.floors() {
				if r.judge(s, row, f, leanName) == missed {
					return false
				}
			}
		}
	}
	return r.Growth == nil || !r.Growth.missedFlatness()
}

func (r *report) mostOthers() (most float64) {
	for _, e := range r.Rounds {
		most = max(most, e.Figures[others])
	}
	if r.Growth != nil {
		for _, s := range r.Growth.Samples {
			most = max(most, s.Figures[others])
		}
	}
	return most
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

func (r *report) writeJSON(path string) error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// readReport reads what writeJSON has written.
func readReport(path string) (*report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// print writes all tables as text and reports whether all is good.
func (r *report) print(w io.Writer) (good bool) {
	scenarios := r.scenarios()
	fmt.Fprintln(w, r.Machine)
	for _, s := range r.Subjects {
		fmt.Fprintf(w, "%s: %s, %s\n", s.Name, s.Version, strings.Join(s.Settings, " "))
	}
	if slices.ContainsFunc(scenarios, func(s scenario) bool { return s.members > 0 }) {
		fmt.Fprintln(w, r.Placement)
	}
	for _, line := range legend() {
		fmt.Fprintln(w, line)
	}
	for _, s := range scenarios {
		fmt.Fprintf(w, "\n%s: %s\n", s.name, s.about)
		r.table(s).text(w)
	}
	if r.Growth != nil {
		for _, curve := range r.Growth.curves() {
			fmt.Fprintf(w, "\ngrowth by %s\n", curve)
			r.Growth.table(curve).text(w)
		}
	}
	fmt.Fprint(w, "\ntargets\n")
	r.targets().text(w)
	for _, line := range r.remarks() {
		fmt.Fprintf(w, "\n%s\n", line)
	}
	return r.good()
}

// remarks are what the reader of the tables has to be warned of.
func (r *report) remarks() (all []string) {
	if most := r.mostOthers(); most >= disturbed {
		all = append(all, fmt.Sprintf("CAUTION: up to %.1f cores were busy with something else; the figures are not to be trusted.", most))
	}
	for _, e := range r.Rounds {
		if e.Error != "" {
			all = append(all, fmt.Sprintf("%s, %s, round %d failed: %s", e.Scenario, e.Server, e.Round, e.Error))
		}
	}
	if r.Growth != nil {
		for _, note := range r.Growth.Notes {
			all = append(all, "growth: "+note)
		}
	}
	return all
}
