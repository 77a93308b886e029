package main

import (
	"math"
	"testing"
)

func TestContrastIsThatOfWCAG(t *testing.T) {
	white, black := colour{255, 255, 255, 255}, colour{0, 0, 0, 255}
	for _, test := range []struct {
		a, b colour
		want float64
	}{
		{white, black, 21},
		{black, white, 21},
		{white, white, 1},
		{colour{118, 118, 118, 255}, white, 4.54}, // the lightest grey that passes on white
		{colour{119, 119, 119, 255}, white, 4.48}, // and the first that does not
		{colour{255, 0, 0, 255}, white, 4.00},
		{colour{0, 0, 255, 255}, white, 8.59},
	} {
		if got := contrast(test.a, test.b); math.Abs(got-test.want) > 0.005 {
			t.Errorf("%v on %v: got %.3f, want %.2f", test.a, test.b, got, test.want)
		}
	}
}

func TestColoursThatLetLightThroughMixWithWhatIsBehind(t *testing.T) {
	white := colour{255, 255, 255, 255}
	if got, want := (colour{0, 0, 0, 127.5}).over(white), (colour{127.5, 127.5, 127.5, 255}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	// Nearest first: blue glass on red glass on white.
	got := ground([]colour{{0, 0, 255, 127.5}, {255, 0, 0, 127.5}, white})
	if want := (colour{127.5, 63.75, 191.25, 255}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := ground(nil); got != white {
		t.Errorf("got %v with nothing behind, want a white sheet", got)
	}
}

func TestLargeLettersNeedLessContrast(t *testing.T) {
	for _, test := range []struct{ size, weight, want float64 }{
		{16, 400, 4.5}, {23.9, 400, 4.5}, {24, 400, 3}, {18.66, 700, 3}, {18.66, 600, 4.5}, {18, 700, 4.5},
	} {
		if got := enoughContrast(test.size, test.weight); got != test.want {
			t.Errorf("%v px at %v: got %v, want %v", test.size, test.weight, got, test.want)
		}
	}
}
