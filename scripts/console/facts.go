package main

import (
	"fmt"
	"strings"
)

// facts are what probe.js gathers of a page at rest.
type facts struct {
	Language string `json:"language"`
	Title    string `json:"title"`
	Headings int    `json:"headings"` // h1 that can be seen
	Mains    int    `json:"mains"`    // main landmarks that can be seen

	Repeated []string  `json:"repeated"` // ids that stand for several elements
	Dangling []string  `json:"dangling"` // references to ids that nothing has
	Pictures []string  `json:"pictures"` // without a text in their place
	Controls []control `json:"controls"`

	Width   float64  `json:"width"`   // of the window
	Needed  float64  `json:"needed"`  // by what is in it
	Outside []string `json:"outside"` // controls that cannot be reached
	Wide    []string `json:"wide"`    // what may be the cause

	Texts []text `json:"texts"`
}

// A control is what can be used by mouse or keyboard, or is a picture of its
// own.
type control struct {
	What string `json:"what"`
	Name string `json:"name"`
}

// A text is a piece of what can be read.
type text struct {
	What    string   `json:"what"`
	Text    string   `json:"text"`
	Colour  colour   `json:"colour"`
	Opacity float64  `json:"opacity"` // of all that it is in
	Layers  []colour `json:"layers"`  // behind it, the nearest first
	Picture bool     `json:"picture"` // there is a gradient or picture among them
	Size    float64  `json:"size"`
	Weight  float64  `json:"weight"`
}

// faults are the rules that a page breaks.
func (f facts) faults() (list []string) {
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if f.Language == "" {
		add("the page does not say its language")
	}
	if strings.TrimSpace(f.Title) == "" {
		add("the page has no title")
	}
	if f.Headings != 1 {
		add("%d headings of the first level, want one", f.Headings)
	}
	if f.Mains != 1 {
		add("%d main landmarks, want one", f.Mains)
	}
	for _, id := range f.Repeated {
		add("the id %q stands for several elements", id)
	}
	for _, what := range f.Dangling {
		add("%s refers to nothing", what)
	}
	for _, what := range f.Pictures {
		add("%s has no text in its place", what)
	}
	for _, c := range f.Controls {
		if c.Name == "" {
			add("%s has no name", c.What)
		}
	}
	if f.Needed > f.Width {
		add("%.0f px wide in a window of %.0f: %s", f.Needed, f.Width, strings.Join(f.Wide, ", "))
	}
	for _, what := range f.Outside {
		add("%s lies outside the window", what)
	}
	if len(f.Texts) == 0 {
		add("there is nothing to read")
	}
	return append(list, f.pale()...)
}

// pale are the texts that are hard to read.
func (f facts) pale() (list []string) {
	told := map[string]bool{}
	for _, t := range f.Texts {
		said := ""
		switch got, want := t.contrast(), enoughContrast(t.Size, t.Weight); {
		case t.Picture:
			said = "stands on a picture"
		case got < want:
			said = fmt.Sprintf("has a contrast of %.2f, want %.1f", got, want)
		default:
			continue
		}
		place, _, _ := strings.Cut(t.What, ` "`) // a hundred rows are one fault
		if !told[place+said] {
			list = append(list, fmt.Sprintf("%s %q %s", place, t.Text, said))
		}
		told[place+said] = true
	}
	return list
}

func (t text) contrast() float64 {
	below, ink := ground(t.Layers), t.Colour
	ink[3] *= t.Opacity
	return contrast(ink.over(below), below)
}
