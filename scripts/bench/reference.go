package main

import "context"

// A reference is a second server of the same program, with flatFrom keys. What
// a request costs changes from minute to minute on a machine that others use
// too, by more than it may for a hundred times the keys: so the two are asked
// by turns.
type reference struct {
	*bench
	program program
	cluster *cluster // nil until it is needed
}

const besideSlices = 3

// againstFlat is how many times the CPU of the reference a request takes.
func againstFlat(verb string) string { return verb + " CPU against " + grouped(flatFrom) + " keys" }

func newReference(b *bench, p program) *reference {
	slice := *b
	slice.warmup, slice.measured = b.warmup/besideSlices, b.measured/besideSlices
	return &reference{bench: &slice, program: p}
}

func (r *reference) close() {
	if r.cluster != nil {
		_ = r.cluster.close() // all that it was for has been said
	}
}

// server is the reference, started and filled if it was not.
func (r *reference) server(ctx context.Context) (*server, error) {
	if r.cluster != nil {
		return r.cluster.members[0], nil
	}
	c, err := r.program.start(ctx, 1, "")
	if err != nil {
		return nil, err
	}
	r.cluster = c
	_, err = r.preloadAt(ctx, c.members[0], "/"+dir+"/"+keyPlace, 0, flatFrom, growthValue)
	return c.members[0], err
}

// compare adds to f what requests cost s, which has so many keys. Only Keytree
// is compared, and nothing is below flatFrom.
func (r *reference) compare(ctx context.Context, s *server, keys int, f figures) error {
	if r.program.name != leanName || keys < flatFrom {
		return nil
	}
	for _, load := range keyLoads() {
		if keys == flatFrom {
			f[againstFlat(load.verb)] = 1
			continue
		}
		times, err := r.times(ctx, s, keys, load)
		if err != nil {
			return err
		}
		f[againstFlat(load.verb)] = median(times)
	}
	return nil
}

// times is how many times the reference's CPU s took, slice by slice.
func (r *reference) times(ctx context.Context, s *server, keys int, load keyLoad) (all []float64, err error) {
	small, err := r.server(ctx)
	if err != nil {
		return nil, err
	}
	few, err := load.sources(ctx, small, dir, flatFrom)
	if err != nil {
		return nil, err
	}
	many, err := load.sources(ctx, s, dir, keys)
	if err != nil {
		return nil, err
	}
	for range besideSlices {
		one, err := r.measure(ctx, small, r.conns, few)
		if err != nil {
			return nil, err
		}
		other, err := r.measure(ctx, s, r.conns, many)
		if err != nil {
			return nil, err
		}
		all = append(all, other[cpu]/one[cpu])
	}
	return all, nil
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
