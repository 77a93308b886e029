package main

import "context"

// A reference is a second server of the same program, with flatFrom keys. What
// a request costs changes from minute to minute on a machine that others use
// too, by more than it may for a hundred times the keys: so the two are asked
// by turns.
type reference struct {
	*bench
	server *server
}

const besideSlices = 3

// againstFlat is how many times the CPU of the reference a request takes.
func againstFlat(verb string) string { return verb + " CPU against " + grouped(flatFrom) + " keys" }

// newReference fills s.
func (b *bench) newReference(ctx context.Context, s *server) (*reference, error) {
	slice := *b
	slice.warmup, slice.measured = b.warmup/besideSlices, b.measured/besideSlices
	_, err := b.preloadAt(ctx, s, "/"+dir+"/"+keyPlace, 0, flatFrom, growthValue)
	return &reference{&slice, s}, err
}

// compare adds to f what requests cost s, which has size keys.
func (y *reference) compare(ctx context.Context, s *server, size int, f figures) error {
	for _, load := range keyLoads() {
		short, err := load.sources(ctx, y.server, dir, flatFrom)
		if err != nil {
			return err
		}
		long, err := load.sources(ctx, s, dir, size)
		if err != nil {
			return err
		}
		var times []float64
		for range besideSlices {
			yard, err := y.measure(ctx, y.server, y.conns, short)
			if err != nil {
				return err
			}
			mine, err := y.measure(ctx, s, y.conns, long)
			if err != nil {
				return err
			}
			times = append(times, mine[cpu]/yard[cpu])
		}
		f[againstFlat(load.verb)] = median(times)
	}
	return nil
}

// isReference is compare for a server of flatFrom keys.
func (f figures) isReference() {
	for _, load := range keyLoads() {
		f[againstFlat(load.verb)] = 1
	}
}

// keyLoad is one kind of request for keys of a directory that has so many.
type keyLoad struct {
	verb    string
	sources func(ctx context.Context, s *server, dir string, keys int) (func(i int) source, error)
}

// keyLoads are those that are measured as there are more keys.
func keyLoads() []keyLoad {
	return append(verbLoads(), keyLoad{"list", func(ctx context.Context, s *server, dir string, keys int) (func(i int) source, error) {
		return s.newLists(ctx, "/"+dir+"/0000", min(listLength, keys))
	}})
}

// verbLoads are those of single keys.
func verbLoads() []keyLoad {
	return []keyLoad{
		{"GET", func(_ context.Context, s *server, dir string, keys int) (func(i int) source, error) {
			return func(i int) source {
				return &gets{get: newRequest("GET", s.host(), "/"+dir+"/"+keyPlace, 0), rnd: random(i), space: keys}
			}, nil
		}},
		{"PUT", func(_ context.Context, s *server, dir string, keys int) (func(i int) source, error) {
			return func(i int) source {
				return &puts{put: newRequest("PUT", s.host(), "/"+dir+"/"+keyPlace, growthValue), rnd: random(i), space: keys}
			}, nil
		}},
	}
}
