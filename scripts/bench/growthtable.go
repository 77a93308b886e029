package main

import (
	"fmt"
	"math"
	"slices"

	"keytree/scripts/bench/plot"
)

// Growth is judged from flatFrom on: no figure may be more than flatLimit times
// the least at a smaller size. Below, what does not depend on size is most of it.
const (
	flatFrom  = 10_000
	flatLimit = 1.3
)

// growthRows are the figures of a curve. Those with a floor have to stay flat.
func growthRows(curve string) []row {
	flat := floor{ratioAtMost, flatLimit}
	loads, costFloor := verbLoads(), flat
	if curve == byKeys {
		loads, costFloor = keyLoads(), floor{} // what they take against a reference has one
	}
	var rows []row
	for _, load := range loads {
		rows = append(rows, row{figure: load.verb + atCPU, unit: cpuUnit, digits: 2, floor: costFloor})
	}
	for _, load := range loads {
		rows = append(rows, row{figure: load.verb + atP99, unit: "ms", digits: 2})
	}
	if curve == byKeys {
		for _, load := range loads {
			rows = append(rows, row{figure: againstFlat(load.verb), unit: "x", digits: 2, floor: flat})
		}
		return append(rows,
			row{figure: keyRSS, unit: "B/key", floor: flat},
			row{figure: keyDisk, unit: "B/key", floor: flat},
			row{figure: totalRSS, unit: "MB"},
			row{figure: totalDisk, unit: "MB"},
			row{figure: fillRate, unit: "/s"},
		)
	}
	rows = append(rows,
		row{figure: eventCPU, unit: "us/event", digits: 2, floor: flat},
		row{figure: watcherRSS, unit: "KiB", digits: 1, floor: flat},
	)
	if curve == byWatchers {
		rows = append(rows, row{figure: fanoutP50, unit: "ms", digits: 1})
	}
	return rows
}

func curves() []string { return []string{byKeys, byWatchers, bySharers} }

// curves are those that g has samples of.
func (g *growth) curves() []string {
	return slices.DeleteFunc(curves(), func(curve string) bool { return len(g.servers(curve)) == 0 })
}

// points are a figure of a curve by ascending size.
func (g *growth) points(curve, server, figure string) (all []plot.Point) {
	if g == nil {
		return nil
	}
	for _, s := range g.Samples {
		if v, ok := s.Figures[figure]; ok && s.Curve == curve && s.Server == server {
			all = append(all, plot.Point{X: float64(s.Size), Y: v})
		}
	}
	slices.SortFunc(all, func(a, b plot.Point) int { return int(a.X - b.X) })
	return all
}

// rise is how many times its least figure at a smaller size a figure became at
// most, from flatFrom on. It is NaN with fewer than two sizes.
func rise(points []plot.Point) float64 {
	least, most := math.NaN(), math.NaN()
	for _, p := range points {
		if p.X < flatFrom {
			continue
		}
		if !math.IsNaN(least) {
			if r := p.Y / least; math.IsNaN(most) || r > most {
				most = r
			}
		}
		if math.IsNaN(least) || p.Y < least {
			least = p.Y
		}
	}
	return most
}

// flatness is whether a figure of Keytree stays flat.
func flatness(row row, points []plot.Point) verdict {
	r := rise(points)
	switch {
	case row.floor.kind == noFloor:
		return unjudged
	case math.IsNaN(r):
		return open
	case row.floor.reached(math.NaN(), r):
		return passed
	}
	return missed
}

// missedFlatness reports whether any figure of Keytree rises too much.
func (g *growth) missedFlatness() bool {
	for _, curve := range curves() {
		for _, row := range growthRows(curve) {
			if flatness(row, g.points(curve, leanName, row.figure)) == missed {
				return true
			}
		}
	}
	return false
}

// goals are the lines of the table of targets about growth.
func (g *growth) goals() (lines [][]string) {
	for _, curve := range curves() {
		for _, row := range growthRows(curve) {
			points := g.points(curve, leanName, row.figure)
			if v := flatness(row, points); v != unjudged && len(points) > 0 {
				lines = append(lines, []string{"growth", row.figure + " by " + curve, row.floor.String(), shown(rise(points), 2, "x"), v.String()})
			}
		}
	}
	return lines
}

// servers are those with samples of a curve, Keytree first.
func (g *growth) servers(curve string) (all []string) {
	for _, name := range []string{leanName, etcdName} {
		if slices.ContainsFunc(g.Samples, func(s sample) bool { return s.Curve == curve && s.Server == name }) {
			all = append(all, name)
		}
	}
	return all
}

// table has a line for each figure of a curve and server, a column for each
// size.
func (g *growth) table(curve string) table {
	var sizes []int
	for _, s := range g.Samples {
		if s.Curve == curve && !slices.Contains(sizes, s.Size) {
			sizes = append(sizes, s.Size)
		}
	}
	slices.Sort(sizes)
	t := table{head: []string{"figure", "unit", "server"}}
	for _, n := range sizes {
		t.head = append(t.head, grouped(n))
	}
	t.head = append(t.head, fmt.Sprintf("rise from %s", grouped(flatFrom)), "target", "verdict")
	for _, row := range growthRows(curve) {
		for _, server := range g.servers(curve) {
			points := g.points(curve, server, row.figure)
			if len(points) == 0 {
				continue
			}
			cells := []string{row.figure, row.unit, server}
			for _, n := range sizes {
				cells = append(cells, at(points, n, row.digits))
			}
			cells = append(cells, shown(rise(points), 2, "x"))
			if server == leanName {
				cells = append(cells, row.floor.String(), flatness(row, points).String())
			} else {
				cells = append(cells, "", "")
			}
			t.rows = append(t.rows, cells)
		}
	}
	return t
}

// at is the figure at size n as cells have it.
func at(points []plot.Point, n, digits int) string {
	for _, p := range points {
		if int(p.X) == n {
			return shown(p.Y, digits, "")
		}
	}
	return "-"
}

// grouped writes 1000000 as 1,000,000.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
