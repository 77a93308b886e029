package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector lets the heap grow to a multiple of what is in use, so that it
// need not run often. That is worth its memory at work only: a member that
// rests, or has little to do, can collect more often without anybody noticing,
// and keep much less. What has become free goes back to the system by and by.
const (
	restEvery   = 2 * time.Second
	restful     = 16 << 20 // bytes taken from the heap in that time, at most, by one that rests
	restPercent = 40       // of what is in use may be added before it collects; see GOGC
)

// rest has the collector keep less memory whenever the member has little to
// do, until ctx is done. Who sets GOGC has decided.
func rest(ctx context.Context) error {
	if os.Getenv("GOGC") != "" {
		<-ctx.Done()
		return nil
	}
	busy := int(figure("/gc/gogc:percent"))
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	p := pace{taken: figure(heapTaken)}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		switch rests, changed := p.look(figure(heapTaken)); {
		case changed && rests:
			debug.SetGCPercent(restPercent)
			runtime.GC() // what is pooled takes two
			runtime.GC()
		case changed:
			debug.SetGCPercent(busy)
		}
	}
}

// pace is how busy a member is, as its heap tells.
type pace struct {
	taken uint64 // from the heap, in bytes since the start, when it was looked at last
	rests bool
}

// look says whether the member rests, and whether that is news.
func (p *pace) look(taken uint64) (rests, changed bool) {
	rests = taken-p.taken <= restful
	changed = rests != p.rests
	*p = pace{taken, rests}
	return rests, changed
}

// heapTaken is how many bytes this program has ever taken from the heap.
const heapTaken = "/gc/heap/allocs:bytes"

// figure is one that Go's runtime gives of itself.
func figure(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
