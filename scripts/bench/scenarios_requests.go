package main

import (
	"context"
	"strconv"
)

const (
	valueSize  = 128
	dir        = "bench"
	raftGrowth = "X-Raft-Index growth"
	listLength = 1000
)

func (s *server) putRequest() *request {
	return newRequest("PUT", s.host(), "/"+dir+"/"+keyPlace, valueSize)
}

func (s *server) getRequest(query string) *request {
	return newRequest("GET", s.host(), "/"+dir+"/"+keyPlace+query, 0)
}

// measure puts a closed load on t: conns connections that send whenever they
// can, first to warm up, then measured.
func (b *bench) measure(ctx context.Context, t target, conns int, newSource func(i int) source) (figures, error) {
	ld, err := dialLoad(t.addrs(), b.loops, conns, newSource)
	if err != nil {
		return nil, err
	}
	defer ld.close()
	return b.measureLoad(ctx, t, ld)
}

func (b *bench) measureLoad(ctx context.Context, t target, ld *load) (figures, error) {
	if _, err := ld.run(ctx, b.warmup); err != nil {
		return nil, err
	}
	var out *outcome
	c, err := costOf(t, func() (err error) {
		out, err = ld.run(ctx, b.measured)
		return err
	})
	if err != nil {
		return nil, err
	}
	return requestFigures(out, c), out.err()
}

func runPut(ctx context.Context, b *bench, s *server) (figures, error) {
	return b.measurePuts(ctx, s, b.conns)
}

func runPutAlone(ctx context.Context, b *bench, s *server) (figures, error) {
	return b.measurePuts(ctx, s, 1)
}

func (b *bench) measurePuts(ctx context.Context, s *server, conns int) (figures, error) {
	if _, err := b.preload(ctx, s, dir, b.space, valueSize); err != nil {
		return nil, err
	}
	return b.measure(ctx, s, conns, func(i int) source {
		return &puts{put: s.putRequest(), rnd: random(i), space: b.space}
	})
}

func runGet(ctx context.Context, b *bench, s *server) (figures, error) {
	return b.measureGets(ctx, s, "")
}

func runQuorumGet(ctx context.Context, b *bench, s *server) (figures, error) {
	return b.measureGets(ctx, s, "?quorum=true")
}

func (b *bench) measureGets(ctx context.Context, s *server, query string) (figures, error) {
	if _, err := b.preload(ctx, s, dir, b.space, valueSize); err != nil {
		return nil, err
	}
	before, err := s.raftIndex(ctx)
	if err != nil {
		return nil, err
	}
	f, err := b.measure(ctx, s, b.conns, func(i int) source {
		return &gets{get: s.getRequest(query), rnd: random(i), space: b.space}
	})
	if err != nil {
		return nil, err
	}
	after, err := s.raftIndex(ctx)
	f[raftGrowth] = float64(after) - float64(before)
	return f, err
}

func (s *server) raftIndex(ctx context.Context) (uint64, error) {
	a, err := s.get(ctx, "/v2/keys")
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(a.header.Get("X-Raft-Index"), 10, 64)
}

func runMixed(ctx context.Context, b *bench, s *server) (figures, error) {
	if _, err := b.preload(ctx, s, dir, b.space, valueSize); err != nil {
		return nil, err
	}
	return b.measure(ctx, s, b.conns, func(i int) source {
		return &mixed{
			gets: gets{get: s.getRequest(""), rnd: random(i), space: b.space},
			puts: puts{put: s.putRequest(), rnd: random(b.conns + i), space: b.space},
		}
	})
}

func runSwap(ctx context.Context, b *bench, s *server) (figures, error) {
	each := max(b.space/b.conns, 1)
	var all []*swaps
	ld, err := dialLoad(s.addrs(), b.loops, b.conns, func(i int) source {
		w := &swaps{
			put:     s.putRequest(),
			swap:    newRequest("PUT", s.host(), "/"+dir+"/"+keyPlace+"?prevIndex="+indexPlace, valueSize),
			rnd:     random(i),
			first:   i * each,
			indexes: make([]uint64, each),
			last:    -1,
		}
		all = append(all, w)
		return w
	})
	if err != nil {
		return nil, err
	}
	defer ld.close()
	out, err := ld.run(ctx, 0)
	if err == nil {
		err = out.err()
	}
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		w.swapping = true
	}
	return b.measureLoad(ctx, s, ld)
}

func runPost(ctx context.Context, b *bench, s *server) (figures, error) {
	return b.measure(ctx, s, b.conns, func(i int) source {
		return &posts{post: newRequest("POST", s.host(), "/queue", valueSize), rnd: random(i)}
	})
}
