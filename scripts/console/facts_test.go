package main

import (
	"slices"
	"strings"
	"testing"
)

// sound are the facts of a page without fault.
func sound() facts {
	return facts{
		Language: "en", Title: "Keys", Headings: 1, Mains: 1,
		Controls: []control{{"button", "Open"}},
		Width:    360, Needed: 360,
		Texts: []text{{What: "p", Text: "hello", Colour: colour{0, 0, 0, 255}, Opacity: 1, Layers: []colour{{255, 255, 255, 255}}, Size: 16, Weight: 400}},
	}
}

func TestAPageWithoutFaultHasNone(t *testing.T) {
	if got := sound().faults(); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestEachRuleIsHeldAgainstAPage(t *testing.T) {
	for _, test := range []struct {
		spoil func(*facts)
		want  string
	}{
		{func(f *facts) { f.Language = "" }, "language"},
		{func(f *facts) { f.Title = " " }, "title"},
		{func(f *facts) { f.Headings = 0 }, "0 headings"},
		{func(f *facts) { f.Headings = 2 }, "2 headings"},
		{func(f *facts) { f.Mains = 0 }, "0 main"},
		{func(f *facts) { f.Repeated = []string{"x"} }, `"x" stands for several`},
		{func(f *facts) { f.Dangling = []string{"label for=y"} }, "label for=y refers to nothing"},
		{func(f *facts) { f.Pictures = []string{"img.logo"} }, "img.logo has no text"},
		{func(f *facts) { f.Controls[0].Name = "" }, "button has no name"},
		{func(f *facts) { f.Needed = 361 }, "361 px wide"},
		{func(f *facts) { f.Outside = []string{"a"} }, "a lies outside"},
		{func(f *facts) { f.Texts = nil }, "nothing to read"},
		{func(f *facts) { f.Texts[0].Colour = colour{119, 119, 119, 255} }, "contrast of 4.48, want 4.5"},
		{func(f *facts) { f.Texts[0].Opacity = 0.5 }, "contrast of 3.9"},
		{func(f *facts) { f.Texts[0].Picture = true }, "on a picture"},
	} {
		f := sound()
		test.spoil(&f)
		got := f.faults()
		if len(got) != 1 || !strings.Contains(got[0], test.want) {
			t.Errorf("got %q, want one fault with %q", got, test.want)
		}
	}
}

func TestAFaultOfManyRowsIsToldOnce(t *testing.T) {
	f := sound()
	pale := f.Texts[0]
	pale.Colour = colour{200, 200, 200, 255}
	f.Texts = nil
	for _, name := range []string{"a", "b", "c"} {
		pale.What, pale.Text = `span.name "`+name+`"`, name
		f.Texts = append(f.Texts, pale)
	}
	got := f.faults()
	if len(got) != 1 || !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, `span.name "a"`) }) {
		t.Errorf("got %q, want the first row alone", got)
	}
}

func TestAFaultOfManyPlacesIsOneLine(t *testing.T) {
	f := findings{"pale": {"a", "b", "c", "d", "e"}, "wide": {"a"}}
	got := f.told()
	if want := []string{"pale (in a, b, c and 2 more)", "wide (in a)"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
