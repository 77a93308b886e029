package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// element is a start tag with its attributes.
type element struct {
	name  string
	attrs map[string]string
}

// parse reads an SVG document and fails the test if it is not well-formed.
func parse(t *testing.T, svg []byte) (all []element) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, svg)
		}
		if start, ok := token.(xml.StartElement); ok {
			e := element{start.Name.Local, map[string]string{}}
			for _, a := range start.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			all = append(all, e)
		}
	}
}

func named(all []element, name string) (found []element) {
	for _, e := range all {
		if e.name == name {
			found = append(found, e)
		}
	}
	return found
}

func TestPointsStandWhereTheirValuesSay(t *testing.T) {
	c := Lines{Title: "t", X: "x", Y: "y", Series: []Series{{Name: "a", Points: []Point{{1000, 8}, {31622.7766, 4}, {1e6, 0.8}}}}}
	lines := named(parse(t, c.SVG()), "polyline")
	if len(lines) != 1 {
		t.Fatalf("%d polylines, want 1", len(lines))
	}
	// The field is 70..620 across for 1k..1M, and 308..64 down for 0..8.
	if got, want := lines[0].attrs["points"], "70,64 345,186 620,283.6"; got != want {
		t.Errorf("points %s, want %s", got, want)
	}
}

func TestALogarithmicAxisHasEqualStepsForEqualFactors(t *testing.T) {
	c := Lines{LogY: true, Series: []Series{{Name: "a", Points: []Point{{10, 1}, {100, 100}, {1000, 10000}}}}}
	got := named(parse(t, c.SVG()), "polyline")[0].attrs["points"]
	if want := "70,308 345,186 620,64"; got != want {
		t.Errorf("points %s, want %s", got, want)
	}
}

func TestWhatCannotBeDrawnIsLeftOut(t *testing.T) {
	for _, c := range []Lines{
		{},
		{Series: []Series{{Name: "a"}}},
		{Series: []Series{{Name: "a", Points: []Point{{0, 1}, {1, 0}, {-1, -1}}}}},
		{LogY: true, Series: []Series{{Name: "a", Points: []Point{{5, 5}}}}},
	} {
		svg := c.SVG()
		parse(t, svg)
		if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
			t.Errorf("%+v is drawn as\n%s", c, svg)
		}
	}
}

func TestNamesAreEscaped(t *testing.T) {
	name := `<a> & "b"`
	svg := Lines{Title: name, X: name, Y: name, Series: []Series{{Name: name, Points: []Point{{1, 1}}}}}.SVG()
	parse(t, svg)
	parse(t, Bars{Title: name, X: name, Names: []string{name}, Groups: []Group{{Name: name, Values: []float64{1}}}}.SVG())
}

func TestEveryChartHasAWhiteGround(t *testing.T) {
	for _, svg := range [][]byte{Lines{}.SVG(), Bars{}.SVG()} {
		ground := named(parse(t, svg), "rect")[0]
		if ground.attrs["fill"] != "#ffffff" || ground.attrs["width"] != "640" {
			t.Errorf("the ground is %v", ground.attrs)
		}
	}
}

func TestBarsAreAsLongAsTheirValues(t *testing.T) {
	c := Bars{Names: []string{"a", "b"}, Groups: []Group{{Name: "g", Values: []float64{2, 1}, Goal: 1.5}, {Name: "h", Values: []float64{0, 4}}}}
	all := parse(t, c.SVG())
	var widths []string
	for _, r := range named(all, "rect") {
		if r.attrs["x"] == "90" {
			widths = append(widths, r.attrs["width"])
		}
	}
	// The field is 530 wide for 0..4.
	if want := []string{"265", "132.5", "530"}; !slices.Equal(widths, want) {
		t.Errorf("widths %q, want %q", widths, want)
	}
	goal := slices.ContainsFunc(named(all, "line"), func(e element) bool {
		return e.attrs["stroke-width"] == "2" && e.attrs["x1"] == "288.8" && e.attrs["x2"] == "288.8"
	})
	if !goal {
		t.Error("no mark at the goal")
	}
}

func TestMarksAreRoundAndCoverAllValues(t *testing.T) {
	for _, test := range []struct {
		values []float64
		log    bool
		want   []float64
	}{
		{[]float64{0.7, 3.9}, false, []float64{0, .5, 1, 1.5, 2, 2.5, 3, 3.5, 4}},
		{[]float64{80}, false, []float64{0, 10, 20, 30, 40, 50, 60, 70, 80}},
		{[]float64{1000, 5e6}, true, []float64{1e3, 1e4, 1e5, 1e6, 1e7}},
		{[]float64{30, 240}, true, []float64{20, 50, 100, 200, 500}},
		{[]float64{100}, true, []float64{100, 200}},
	} {
		got := newAxis(test.values, test.log)
		same := slices.EqualFunc(got.marks, test.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9*max(b, 1) })
		if !same {
			t.Errorf("marks for %v: %v, want %v", test.values, got.marks, test.want)
		}
		for _, v := range test.values {
			if at := got.at(v); at < -1e-9 || at > 1+1e-9 {
				t.Errorf("%v is at %v of the axis %v", v, at, got.marks)
			}
		}
	}
}

func TestMarksAreShort(t *testing.T) {
	for v, want := range map[float64]string{0: "0", .05: "0.05", 1.5: "1.5", 200: "200", 1000: "1k", 20000: "20k", 5e6: "5M", 1e9: "1G"} {
		if got := short(v); got != want {
			t.Errorf("short(%v) = %s, want %s", v, got, want)
		}
	}
}
