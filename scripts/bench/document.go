package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"keytree/scripts/bench/plot"
)

// dataFile is where a document's figures are, all rounds of them.
const dataFile = "data.json"

// document writes a page with all tables, its plots and the data into dir.
func (r *report) document(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := r.writeJSON(filepath.Join(dir, dataFile)); err != nil {
		return err
	}
	for _, p := range r.plots() {
		if err := os.WriteFile(filepath.Join(dir, p.file), p.svg, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "README.md"), r.page(), 0o644)
}

// page is the document in Markdown.
func (r *report) page() []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, "# Benchmarks\n\n"+
		"Keytree beside etcd 3.4.23 with `--enable-v2`, measured by `scripts/bench` on one machine in one run. Written by\n"+
		"`make bench-report`; do not edit. All rounds are in ["+dataFile+"]("+dataFile+"), from which `go run ./scripts/bench -report\n"+
		"docs/benchmarks -redraw` writes this page anew.\n\n")
	fmt.Fprintf(&b, "- Taken on %s\n- Machine: %s\n", r.Taken.UTC().Format("2006-01-02 15:04 MST"), r.Machine)
	for _, s := range r.Subjects {
		fmt.Fprintf(&b, "- `%s`: %s; `%s`\n", s.Name, s.Version, strings.Join(s.Settings, " "))
	}
	if r.Placement != "" {
		fmt.Fprintf(&b, "- Clusters: %s\n", r.Placement)
	}
	fmt.Fprintf(&b, "\n## How to read\n\n%s\n", strings.Join(legend(), "\n"))
	fmt.Fprint(&b, "`keytree` runs the lean engine, `keytree-std` the same program with `--http-engine=std`. Servers and load share the\n"+
		"machine; each round has a fresh process and directory. For comparison: on the reference machine ZooKeeper 3.8 had 1.92\n"+
		"times etcd's rate of writes, for 2.08 s, and 1.21 times its rate of reads.\n")
	if remarks := r.remarks(); len(remarks) > 0 {
		fmt.Fprint(&b, "\n")
		for _, line := range remarks {
			first, _, _ := strings.Cut(line, "\n")
			fmt.Fprintf(&b, "- %s\n", first)
		}
	}
	fmt.Fprint(&b, "\n## Targets\n\n")
	r.targets().markdown(&b)
	r.embed(&b, "")
	fmt.Fprint(&b, "\n## Scenarios\n")
	for _, s := range r.scenarios() {
		fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n", s.name, capital(s.about))
		r.table(s).markdown(&b)
	}
	if r.Growth != nil {
		r.growthChapter(&b)
	}
	return b.Bytes()
}

func (r *report) growthChapter(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n## Growth\n\nFrom %s on no figure with a target may be more than %g times the least at a smaller size; the rise is the most it was.\n",
		grouped(flatFrom), flatLimit)
	for _, curve := range r.Growth.curves() {
		fmt.Fprintf(b, "\n### By %s\n\n%s\n\n", curve, aboutCurve(curve))
		r.Growth.table(curve).markdown(b)
		r.embed(b, curve)
	}
}

func aboutCurve(curve string) string {
	switch curve {
	case byKeys:
		return fmt.Sprintf("One server is filled from size to size with values of %d bytes, left alone for %v, looked at, and then asked on many\n"+
			"connections: GETs and PUTs of random keys, listings of one directory of %s. Keytree then takes turns with a second server that\n"+
			"has %s keys: what a request costs against that one does not depend on how fast the machine is at the time.",
			growthValue, settleTime, grouped(listLength), grouped(flatFrom))
	case byWatchers:
		return fmt.Sprintf("Stream watchers of one directory, with a connection each. GETs and PUTs go to %s keys elsewhere while the watchers\n"+
			"are idle; then one writer puts keys in the directory that is watched.", grouped(growthKeys))
	}
	return "The same with watchers that share connections by HTTP/2 without TLS."
}

// embed shows the plots of a curve, "" for those of the scenarios.
func (r *report) embed(b *bytes.Buffer, curve string) {
	for _, p := range r.plots() {
		if p.curve == curve {
			fmt.Fprintf(b, "\n![%s](%s)\n", p.title, p.file)
		}
	}
}

// capital begins a sentence.
func capital(text string) string {
	return strings.ToUpper(text[:1]) + text[1:]
}

// drawn is a plot of the document.
type drawn struct {
	curve, title, file string
	svg                []byte
}

func (r *report) plots() (all []drawn) {
	if c, ok := r.rateBars(); ok {
		all = append(all, drawn{title: c.Title, file: "rates.svg", svg: c.SVG()})
	}
	if r.Growth == nil {
		return all
	}
	for _, curve := range r.Growth.curves() {
		for _, row := range growthRows(curve) {
			if row.figure == totalRSS || row.figure == totalDisk {
				continue // another view of what there is per key
			}
			c := plot.Lines{
				Title: fmt.Sprintf("%s by %s", capital(row.figure), curve),
				X:     curve,
				Y:     row.unit,
				LogY:  row.unit == "B/key",
			}
			for _, server := range r.Growth.servers(curve) {
				if points := r.Growth.points(curve, server, row.figure); len(points) > 0 {
					c.Series = append(c.Series, plot.Series{Name: server, Points: points})
				}
			}
			if len(c.Series) == 0 {
				continue
			}
			all = append(all, drawn{curve: curve, title: c.Title, file: fileName(c.Title), svg: c.SVG()})
		}
	}
	return all
}

// fileName is a title as the name of a plot.
func fileName(title string) string {
	plain := strings.NewReplacer(" ", "-", "/", "", ".", "", ",", "").Replace(strings.ToLower(title))
	return plain + ".svg"
}

// rateBars shows how many times etcd's rate both engines have. It reports false
// when there are no such rates.
func (r *report) rateBars() (c plot.Bars, ok bool) {
	c = plot.Bars{Title: "Rate, times etcd's; the mark is the target", X: "times etcd's rate", Names: []string{leanName}}
	if r.measured(stdName) {
		c.Names = append(c.Names, stdName)
	}
	for _, s := range r.scenarios() {
		for _, row := range s.rows {
			if row.unit != "/s" || row.floor.kind != ratioAtLeast {
				continue
			}
			g := plot.Group{Name: s.name, Goal: row.floor.limit}
			for _, name := range c.Names {
				ratio := r.compare(s, row, name).ratio()
				if math.IsNaN(ratio) {
					ratio = 0
				}
				ok = ok || ratio > 0
				g.Values = append(g.Values, ratio)
			}
			c.Groups = append(c.Groups, g)
		}
	}
	return c, ok
}
