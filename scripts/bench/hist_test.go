package main

import (
	"testing"
	"time"
)

func TestEveryDurationFallsBelowTheEdgeOfItsBucket(t *testing.T) {
	last := -1
	for d := time.Duration(1); d > 0 && d < 1<<62; d += d/50 + 1 {
		i := bucket(d)
		if i < last {
			t.Fatalf("bucket of %d is %d, that of a shorter one %d", d, i, last)
		}
		last = i
		edge := upperEdge(i)
		if edge < d || float64(edge) > float64(d)*1.04 {
			t.Fatalf("%d falls into the bucket up to %d", d, edge)
		}
		if bucket(edge) != i || bucket(edge+1) != i+1 {
			t.Fatalf("%d is not the edge of bucket %d", edge, i)
		}
	}
}

func TestQuantilesOfMergedHistograms(t *testing.T) {
	var a, b histogram
	for i := range 1000 {
		h := &a
		if i%3 == 0 {
			h = &b
		}
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	a.merge(&b)
	for _, test := range []struct {
		q    float64
		want time.Duration
	}{
		{0, time.Microsecond},
		{.5, 500 * time.Microsecond},
		{.99, 990 * time.Microsecond},
		{1, time.Millisecond},
	} {
		got := a.quantile(test.q)
		if got < test.want || float64(got) > float64(test.want)*1.04 {
			t.Errorf("quantile(%v) = %v, want %v", test.q, got, test.want)
		}
	}
	if a.count != 1000 || a.max != time.Millisecond {
		t.Errorf("count %d, max %v", a.count, a.max)
	}
}

func TestQuantileOfAnEmptyHistogramIsZero(t *testing.T) {
	var h histogram
	if got := h.quantile(.99); got != 0 {
		t.Errorf("quantile = %v", got)
	}
}
