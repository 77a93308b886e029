package main

import (
	"fmt"
	"slices"
	"time"
)

// A point is a figure at a time since the beginning.
type point struct {
	at    time.Duration
	value float64
}

// A bound is how much a figure may grow while it is judged: a share of its
// median, or so much in any case. Below fill it may grow as it likes.
type bound struct {
	share float64
	least float64
	fill  float64
}

func (b bound) of(median float64) float64 { return max(b.share*median, b.least) }

// A verdict is what became of a figure.
type verdict struct {
	who, figure string
	from, to    float64 // medians of the first and the last third
	growth      float64
	allowed     float64
	filling     bool
	perDay      float64 // growth, were it to go on
	flat        bool
}

// fewest is how many points it takes to judge.
const fewest = 12

// judge decides whether points are flat. Too few of them are not.
func judge(who, figure string, points []point, b bound) verdict {
	v := verdict{who: who, figure: figure}
	if len(points) < fewest {
		return v
	}
	third := len(points) / 3
	v.from, v.to = median(values(points[:third])), median(values(points[len(points)-third:]))
	v.growth = growth(points)
	v.allowed = b.of(median(values(points)))
	if span := points[len(points)-1].at - points[0].at; span > 0 {
		v.perDay = v.growth * float64(24*time.Hour) / float64(span)
	}
	v.filling = v.growth > v.allowed && v.to <= b.fill
	v.flat = v.growth <= v.allowed || v.filling
	return v
}

func (v verdict) String() string {
	if v.allowed == 0 {
		return fmt.Sprintf("%s: %s: too few samples", v.who, v.figure)
	}
	word := "flat"
	if v.filling {
		word = "still filling its caches"
	} else if !v.flat {
		word = "NOT FLAT"
	}
	return fmt.Sprintf("%-8s %-11s %8.1f -> %8.1f   growth %7.1f of %6.1f allowed (%+.1f a day)   %s",
		v.who, v.figure, v.from, v.to, v.growth, v.allowed, v.perDay, word)
}

// growth is by how much points rise from the first to the last, 0 if they do
// not. Two looks at it have to agree, because either alone is deceived by
// something: the median of all slopes by a sawtooth of few teeth, the floors of
// both halves by a single low value.
func growth(points []point) float64 {
	span := float64(points[len(points)-1].at - points[0].at)
	half := len(points) / 2
	floors := slices.Min(values(points[half:])) - slices.Min(values(points[:half]))
	return max(0, min(slope(points)*span, 2*floors))
}

// slope is the median of the slopes between any two points (Theil and Sen): a
// quarter of the points may be anything.
func slope(points []point) float64 {
	var all []float64
	for i, a := range points {
		for _, b := range points[i+1:] {
			if b.at > a.at {
				all = append(all, (b.value-a.value)/float64(b.at-a.at))
			}
		}
	}
	if len(all) == 0 {
		return 0
	}
	return median(all)
}

func values(points []point) []float64 {
	list := make([]float64, len(points))
	for i, p := range points {
		list[i] = p.value
	}
	return list
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}
