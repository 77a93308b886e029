package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// axis maps values to places on a line.
type axis struct {
	log       bool
	low, high float64
	marks     []float64
}

// newAxis covers the values given, which are above 0. A linear axis begins at
// 0, so that lengths can be compared; a logarithmic one at a round number.
func newAxis(values []float64, log bool) axis {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	if high == 0 {
		low, high = 1, 1
	}
	if !log {
		return linear(high)
	}
	return logarithmic(low, high)
}

// linear has 4 to 8 steps of 1, 2 or 5 times a power of ten.
func linear(high float64) axis {
	step := roundUp(high / 8)
	a := axis{high: math.Ceil(high/step-1e-9) * step}
	for i := 0; float64(i)*step <= a.high*(1+1e-9); i++ {
		a.marks = append(a.marks, float64(i)*step)
	}
	return a
}

// logarithmic marks powers of ten and, where there are few of them, 2 and 5
// times those.
func logarithmic(low, high float64) axis {
	first, last := math.Floor(math.Log10(low)+1e-9), math.Ceil(math.Log10(high)-1e-9)
	a := axis{log: true}
	if last-first >= 3 {
		a.low, a.high = math.Pow(10, first), math.Pow(10, last)
		for e := first; e <= last; e++ {
			a.marks = append(a.marks, math.Pow(10, e))
		}
		return a
	}
	a.low, a.high = roundDown(low), roundUp(high)
	if a.low == a.high {
		a.high = roundUp(a.low * 1.5)
	}
	for v := a.low; v <= a.high*(1+1e-9); v = roundUp(v * 1.5) {
		a.marks = append(a.marks, v)
	}
	return a
}

// roundUp is the least of 1, 2, 5 times a power of ten that is not below v.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, m := range []float64{1, 2, 5} {
		if v <= m*power*(1+1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// roundDown is the greatest of those that is not above v.
func roundDown(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, m := range []float64{5, 2} {
		if v >= m*power*(1-1e-9) {
			return m * power
		}
	}
	return power
}

// at is where v is between the ends of a, 0 to 1.
func (a axis) at(v float64) float64 {
	if a.log {
		return math.Log(v/a.low) / math.Log(a.high/a.low)
	}
	return (v - a.low) / (a.high - a.low)
}

// short writes a mark: 20k, 1M, 0.05.
func short(v float64) string {
	for _, unit := range []struct {
		size   float64
		letter string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= unit.size {
			return number(v/unit.size) + unit.letter
		}
	}
	return number(v)
}

func number(v float64) string {
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// place is a coordinate in a drawing.
func place(v float64) string {
	text := fmt.Sprintf("%.1f", v)
	return strings.TrimSuffix(text, ".0")
}
