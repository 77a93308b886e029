// Package plot draws charts as SVG: lines over a logarithmic axis, and bars.
//
// A drawing has a white ground of its own, so that it reads on light pages and
// on dark ones, and its series differ in colour and in shape.
package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// Lines is a chart of series over a logarithmic X axis. Values must be above 0;
// others are left out.
type Lines struct {
	Title  string
	X, Y   string // what the axes show
	LogY   bool   // otherwise the Y axis is linear and begins at 0
	Series []Series
}

// Series is points joined by a line, by ascending X.
type Series struct {
	Name   string
	Points []Point
}

type Point struct{ X, Y float64 }

const (
	width, height = 640, 360
	left, right   = 70, 20 // margins around the field of the chart
	top, bottom   = 64, 52
	dotSize       = 4
)

// look is how a series is drawn, by its number.
func look(i int) (colour, dash string) {
	colours := []string{"#0b5fa5", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#be123c"}
	dashes := []string{"", "6 3", "2 3", "8 3 2 3"}
	return colours[i%len(colours)], dashes[i%len(dashes)]
}

// SVG draws the chart.
func (c Lines) SVG() []byte {
	var xs, ys []float64
	for i := range c.Series {
		for _, p := range c.Series[i].shown() {
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	x, y := newAxis(xs, true), newAxis(ys, c.LogY)
	across := func(v float64) float64 { return left + x.at(v)*(width-left-right) }
	down := func(v float64) float64 { return height - bottom - y.at(v)*(height-top-bottom) }

	d := newDrawing(width, height, c.Title)
	for _, m := range y.marks {
		d.line(left, down(m), width-right, down(m), "#d4d4d4")
		d.text(left-8, down(m)+4, "end", short(m))
	}
	for _, m := range x.marks {
		d.line(across(m), top, across(m), height-bottom, "#e8e8e8")
		d.text(across(m), height-bottom+18, "middle", short(m))
	}
	d.line(left, height-bottom, width-right, height-bottom, "#404040")
	d.line(left, top, left, height-bottom, "#404040")
	d.text((left+width-right)/2, height-14, "middle", c.X)
	d.text(8, top-10, "start", c.Y)
	for i, s := range c.Series {
		d.series(i, s, across, down)
	}
	d.legend(c.Series)
	return d.end()
}

func (s Series) shown() (all []Point) {
	for _, p := range s.Points {
		if p.X > 0 && p.Y > 0 {
			all = append(all, p)
		}
	}
	return all
}

// drawing is an SVG document that is being written.
type drawing struct{ bytes.Buffer }

func newDrawing(width, height int, title string) *drawing {
	d := &drawing{}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(d, "<title>%s</title>\n", escape(title))
	fmt.Fprintf(d, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(d, `<text x="8" y="20" font-size="15" font-weight="bold" fill="#1a1a1a">%s</text>`+"\n", escape(title))
	return d
}

func (d *drawing) end() []byte {
	d.WriteString("</svg>\n")
	return d.Bytes()
}

func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer takes everything
	return b.String()
}

func (d *drawing) line(x1, y1, x2, y2 float64, colour string) {
	fmt.Fprintf(d, `<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`+"\n", place(x1), place(y1), place(x2), place(y2), colour)
}

func (d *drawing) text(x, y float64, anchor, text string) {
	fmt.Fprintf(d, `<text x="%s" y="%s" text-anchor="%s" fill="#1a1a1a">%s</text>`+"\n", place(x), place(y), anchor, escape(text))
}

func (d *drawing) series(i int, s Series, across, down func(float64) float64) {
	colour, dash := look(i)
	fmt.Fprintf(d, `<polyline fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s" points="`, colour, dash)
	for k, p := range s.shown() {
		if k > 0 {
			d.WriteByte(' ')
		}
		fmt.Fprintf(d, "%s,%s", place(across(p.X)), place(down(p.Y)))
	}
	d.WriteString("\"/>\n")
	for _, p := range s.shown() {
		d.dot(i, across(p.X), down(p.Y), fmt.Sprintf("%s: %s at %s", s.Name, number(p.Y), short(p.X)))
	}
}

// dot marks a point with the shape of its series; its title shows when a
// pointer rests on it.
func (d *drawing) dot(i int, x, y float64, title string) {
	colour, _ := look(i)
	shape := fmt.Sprintf(`<circle cx="%s" cy="%s" r="%d"`, place(x), place(y), dotSize)
	if i%2 == 1 {
		shape = fmt.Sprintf(`<rect x="%s" y="%s" width="%d" height="%d"`, place(x-dotSize), place(y-dotSize), 2*dotSize, 2*dotSize)
	}
	fmt.Fprintf(d, "%s fill=\"%s\"><title>%s</title>%s\n", shape, colour, escape(title), closing(i))
}

func closing(i int) string {
	if i%2 == 1 {
		return "</rect>"
	}
	return "</circle>"
}

// legend names the series in a row beneath the title.
func (d *drawing) legend(all []Series) {
	const wide = 7 // of a letter, about
	x := float64(left + 60)
	for i, s := range all {
		colour, dash := look(i)
		fmt.Fprintf(d, `<line x1="%s" y1="40" x2="%s" y2="40" stroke="%s" stroke-width="2" stroke-dasharray="%s"/>`+"\n", place(x), place(x+24), colour, dash)
		d.dot(i, x+12, 40, s.Name)
		d.text(x+30, 44, "start", s.Name)
		x += 30 + float64(len(s.Name)*wide) + 20
	}
}
