package main

import "math"

// A colour is red, green, blue and opacity, each 0 to 255.
type colour [4]float64

// over is what one sees of c on a ground that lets nothing through.
func (c colour) over(ground colour) colour {
	a := c[3] / 255
	var mixed colour
	for i := range 3 {
		mixed[i] = c[i]*a + ground[i]*(1-a)
	}
	mixed[3] = 255
	return mixed
}

// luminance is how bright c is to the eye, 0 to 1, as WCAG 2 has it.
func (c colour) luminance() float64 {
	linear := func(v float64) float64 {
		if v /= 255; v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast is the ratio of two colours, 1 to 21.
func contrast(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// ground is what layers make together, the nearest first, the last of which
// lets nothing through.
func ground(layers []colour) colour {
	if len(layers) == 0 {
		return colour{255, 255, 255, 255}
	}
	below := layers[len(layers)-1]
	for i := len(layers) - 2; i >= 0; i-- {
		below = layers[i].over(below)
	}
	return below
}

// enoughContrast is the ratio that text needs: large letters are read more
// easily. Sizes are in CSS pixels; 18 points are 24, and 14 points in bold do
// as well.
func enoughContrast(size, weight float64) float64 {
	if size >= 24 || size >= 18.66 && weight >= 700 {
		return 3
	}
	return 4.5
}
