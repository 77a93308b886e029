package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
)

// picture is a PNG in which each pixel has the colour that paint gives it.
func picture(t *testing.T, size int, paint func(x, y int) color.RGBA) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, size, size))
	for y := range size {
		for x := range size {
			m.SetRGBA(x, y, paint(x, y))
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAPictureOfFewColoursStaysAsItIs(t *testing.T) {
	paint := func(x, y int) color.RGBA { return color.RGBA{uint8(x / 8 * 40), uint8(y / 8 * 40), 128, 255} }
	small, err := shrink(picture(t, 40, paint))
	if err != nil {
		t.Fatal(err)
	}
	got, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	for y := range 40 {
		for x := range 40 {
			if c := rgba(got.At(x, y)); c != paint(x, y) {
				t.Fatalf("at %d,%d: got %v, want %v", x, y, c, paint(x, y))
			}
		}
	}
}

func TestAPictureOfManyColoursGetsSmallerAndStaysClose(t *testing.T) {
	// Two shades of 200 colours each, strewn about.
	paint := func(x, y int) color.RGBA {
		n := (x*7919 + y*y*104729) % 400
		if n < 200 {
			return color.RGBA{uint8(n), uint8(n), uint8(n), 255}
		}
		return color.RGBA{uint8(n - 200), 0, uint8(455 - n), 255}
	}
	large := picture(t, 200, paint)
	small, err := shrink(large)
	if err != nil {
		t.Fatal(err)
	}
	if len(small) >= len(large) {
		t.Errorf("%d bytes became %d", len(large), len(small))
	}
	got, err := png.Decode(bytes.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	if m, ok := got.(*image.Paletted); !ok || len(m.Palette) > 256 {
		t.Fatalf("got a %T", got)
	}
	for x := range 200 {
		if d := distance(rgba(got.At(x, x)), paint(x, x)); d > 12 {
			t.Errorf("the colour at %d,%d moved by %d", x, x, d)
		}
	}
}

func TestWhatIsNoPictureIsRefused(t *testing.T) {
	if _, err := shrink([]byte("no picture")); err == nil {
		t.Error("got none, want an error")
	}
}
