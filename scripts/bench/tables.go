package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// table is lines of cells, to be written as text or as Markdown.
type table struct {
	head []string
	rows [][]string
}

// text writes t in columns.
func (t table) text(w io.Writer) {
	var b strings.Builder
	columns := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, cells := range append([][]string{t.head}, t.rows...) {
		fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	_ = columns.Flush() // a builder takes everything
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// markdown writes t as Markdown has tables.
func (t table) markdown(w io.Writer) {
	line := func(cells []string) {
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
	line(t.head)
	line(slices.Repeat([]string{"---"}, len(t.head)))
	for _, cells := range t.rows {
		line(cells)
	}
}

// legend is how to read the tables.
func legend() []string {
	return []string{
		"Each figure is the median of the rounds, with the least and the most of them where there are several.",
		"CPU is the server's, in seconds per 100,000 requests. The absolute floors were set on a reference machine,",
		fmt.Sprintf("one where etcd 3.4.23 needs %g s per 100,000 GETs and %g s per 100,000 PUTs; \"scaled\" is Keytree's figure as it", byGets.seconds(), byPuts.seconds()),
		"would be there, by what GETs or PUTs cost etcd in this run. Either figure may reach such a floor.",
		"The verdict is on Keytree's default engine, lean; that on std (net/http) is for information.",
	}
}

// shown is a figure as cells have it: "-" if there is none.
func shown(v float64, digits int, suffix string) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.*f%s", digits, v, suffix)
}

// table has a line for each figure of s and a column for each server.
func (r *report) table(s scenario) table {
	var servers []string
	for _, subject := range r.Subjects {
		if s.cast.has(subject.Name) {
			servers = append(servers, subject.Name)
		}
	}
	engines := slices.DeleteFunc(slices.Clone(servers), func(name string) bool { return name == etcdName })
	scaled := slices.ContainsFunc(s.rows, func(row row) bool { return row.scale != noYardstick }) && len(engines) > 0

	compared := len(servers) > len(engines)
	judged := slices.ContainsFunc(s.rows, func(row row) bool { return len(row.floors()) > 0 })

	t := table{head: append([]string{"figure", "unit"}, servers...)}
	if scaled {
		t.head = append(t.head, "scaled")
	}
	for _, engine := range engines {
		if compared {
			t.head = append(t.head, engine+"/etcd")
		}
	}
	if judged {
		t.head = append(t.head, "target")
		for _, engine := range engines {
			t.head = append(t.head, verdictHead(engine))
		}
	}
	for _, row := range s.rows {
		cells := []string{row.figure, row.unit}
		for _, server := range servers {
			cells = append(cells, r.spread(s, row, server))
		}
		if scaled {
			cells = append(cells, strings.TrimPrefix(shown(r.compare(s, row, engines[0]).scaled, row.digits, ""), "-"))
		}
		for _, engine := range engines {
			if compared {
				cells = append(cells, shown(r.compare(s, row, engine).ratio(), 2, "x"))
			}
		}
		if judged {
			cells = append(cells, row.target())
			for _, engine := range engines {
				cells = append(cells, r.verdict(s, row, engine).String())
			}
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

// verdictHead is the head of the column for the verdicts on an engine.
func verdictHead(engine string) string {
	if engine == leanName {
		return "verdict"
	}
	return "std"
}

// spread is a figure's median and, of several rounds, its extremes.
func (r *report) spread(s scenario, row row, server string) string {
	all := r.figures(s.name, server, row.figure)
	if len(all) == 0 {
		return "-"
	}
	text := shown(median(all), row.digits, "")
	if len(all) > 1 {
		text += fmt.Sprintf(" (%.*f..%.*f)", row.digits, slices.Min(all), row.digits, slices.Max(all))
	}
	return text
}

// target is all floors of r in words.
func (r row) target() string {
	var all []string
	for _, f := range r.floors() {
		all = append(all, f.String())
	}
	return strings.Join(all, ", ")
}

// verdict is the worst on the floors of a row.
func (r *report) verdict(s scenario, row row, engine string) verdict {
	worst := unjudged
	for _, f := range row.floors() {
		v := r.judge(s, row, f, engine)
		switch {
		case v == missed:
			return missed
		case worst != open:
			worst = v
		}
	}
	return worst
}

// targets has a line for each floor.
func (r *report) targets() table {
	t := table{head: []string{"scenario", "figure", "target", "keytree", "verdict"}}
	engines := []string{leanName}
	if r.measured(stdName) {
		t.head = append(t.head, stdName, verdictHead(stdName))
		engines = append(engines, stdName)
	}
	for _, s := range r.scenarios() {
		for _, row := range s.rows {
			for _, f := range row.floors() {
				cells := []string{s.name, row.figure, strings.TrimSpace(f.String() + " " + unitOf(row, f))}
				for _, engine := range engines {
					if !s.cast.has(engine) {
						cells = append(cells, "", "")
						continue
					}
					cells = append(cells, r.reached(s, row, f, engine), r.judge(s, row, f, engine).String())
				}
				t.rows = append(t.rows, cells)
			}
		}
	}
	if r.Growth != nil {
		for _, cells := range r.Growth.goals() {
			t.rows = append(t.rows, append(cells, make([]string, len(t.head)-len(cells))...))
		}
	}
	return t
}

// unitOf is the unit of what f limits. A ratio has none.
func unitOf(row row, f floor) string {
	if f.needsRatio() {
		return ""
	}
	return row.unit
}

// reached is what is held against f.
func (r *report) reached(s scenario, row row, f floor, engine string) string {
	c := r.compare(s, row, engine)
	switch {
	case f.needsRatio():
		return shown(c.ratio(), 2, "x")
	case !math.IsNaN(c.scaled):
		return shown(c.ours, row.digits, "") + ", scaled " + shown(c.scaled, row.digits, "")
	}
	return shown(c.ours, row.digits, "")
}
