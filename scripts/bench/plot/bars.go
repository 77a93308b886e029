package plot

import "fmt"

// Bars is a chart of horizontal bars in groups, with a mark on those that have
// something to reach.
type Bars struct {
	Title  string
	X      string
	Names  []string // of the bars of each group, in order
	Groups []Group
}

// Group is some bars side by side.
type Group struct {
	Name   string
	Values []float64 // one for each name; one that is not above 0 is left out
	Goal   float64   // 0 is none
}

const (
	barHeight  = 12
	groupSpace = 10
	barLeft    = 90
)

// SVG draws the chart.
func (c Bars) SVG() []byte {
	var values []float64
	for _, g := range c.Groups {
		values = append(append(values, g.Values...), g.Goal)
	}
	x := newAxis(values, false)
	across := func(v float64) float64 { return barLeft + x.at(v)*(width-barLeft-right) }
	tall := len(c.Names)*barHeight + groupSpace
	foot := top + len(c.Groups)*tall

	d := newDrawing(width, foot+bottom, c.Title)
	for _, m := range x.marks {
		d.line(across(m), top, across(m), float64(foot), "#d4d4d4")
		d.text(across(m), float64(foot+18), "middle", short(m))
	}
	for n, g := range c.Groups {
		y := float64(top + n*tall + groupSpace/2)
		d.text(barLeft-8, y+float64(tall-groupSpace)/2+4, "end", g.Name)
		for i, v := range g.Values {
			if v > 0 {
				d.bar(i, y+float64(i*barHeight), across(v)-barLeft, fmt.Sprintf("%s, %s: %s", g.Name, c.Names[i], number(v)))
			}
		}
		if g.Goal > 0 {
			fmt.Fprintf(d, `<line x1="%[1]s" y1="%[2]s" x2="%[1]s" y2="%[3]s" stroke="#1a1a1a" stroke-width="2"/>`+"\n",
				place(across(g.Goal)), place(y-3), place(y+float64(tall-groupSpace)+3))
		}
	}
	d.line(barLeft, top, barLeft, float64(foot), "#404040")
	d.text((barLeft+width-right)/2, float64(foot+bottom-14), "middle", c.X)
	var named []Series
	for _, name := range c.Names {
		named = append(named, Series{Name: name})
	}
	d.legend(named)
	return d.end()
}

func (d *drawing) bar(i int, y, long float64, title string) {
	colour, _ := look(i)
	fmt.Fprintf(d, `<rect x="%d" y="%s" width="%s" height="%d" fill="%s"><title>%s</title></rect>`+"\n",
		barLeft, place(y), place(long), barHeight-1, colour, escape(title))
}
