package main

import (
	"math/bits"
	"time"
)

// histogram counts durations in buckets that are about 3% wide, so that adding
// one costs a few instructions and merging two is a loop. The zero value is
// empty. The greatest duration is kept exactly.
type histogram struct {
	count   uint64
	max     time.Duration
	buckets [(64 - subBits) << subBits]uint64
}

// Each power of two has 1<<subBits buckets.
const subBits = 5

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.count++
	h.max = max(h.max, d)
	h.buckets[bucket(d)]++
}

func (h *histogram) merge(o *histogram) {
	h.count += o.count
	h.max = max(h.max, o.max)
	for i, n := range o.buckets {
		h.buckets[i] += n
	}
}

// quantile is the duration that a share q of all durations does not exceed:
// the upper edge of its bucket, or the greatest duration if that is less.
func (h *histogram) quantile(q float64) time.Duration {
	rank := max(uint64(q*float64(h.count)+0.5), 1)
	var seen uint64
	for i, n := range h.buckets {
		if seen += n; seen >= rank {
			return min(upperEdge(i), h.max)
		}
	}
	return h.max
}

// bucket maps nanoseconds below 1<<subBits to themselves, and others to their
// power of two and the subBits bits that follow the leading one.
func bucket(d time.Duration) int {
	v := uint64(d)
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift<<subBits + int(v>>shift)
}

// upperEdge is the greatest duration that falls into bucket i.
func upperEdge(i int) time.Duration {
	shift := max(i>>subBits-1, 0)
	v := uint64(i - shift<<subBits)
	return time.Duration((v+1)<<shift - 1)
}
