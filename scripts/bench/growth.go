package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// growth is how costs change as there are more keys, or more watchers.
type growth struct {
	Samples []sample
	Notes   []string // what was not measured, and why
}

// sample is the figures at one size of one curve.
type sample struct {
	Curve   string
	Server  string
	Size    int
	Figures figures
}

// The curves.
const (
	byKeys     = "keys"
	byWatchers = "watchers"
	bySharers  = "watchers by HTTP/2"
)

// The figures at a size, for several of which there is one per verb.
const (
	atCPU     = " server CPU"
	atP99     = " p99"
	atRate    = " rate"
	fillRate  = "fill rate"
	totalRSS  = "RSS in all"
	totalDisk = "disk in all"
)

const (
	growthValue = 64
	growthDir   = "others" // of the keys that are asked for beside watchers
	growthKeys  = 10_000   // in it
	keyRoom     = 2 << 10  // bytes of disk to have free for each key, and
	diskRoom    = 2 << 30  // in any case
)

// errTooLong ends growth that takes longer than it may.
var errTooLong = errors.New("the time for growth is over")

// grow measures all curves. An error is the end of ctx; sizes that could not be
// measured are notes.
func (b *bench) grow(ctx context.Context, r *report) error {
	g := &growth{}
	r.Growth = g
	bounded, cancel := context.WithTimeoutCause(ctx, b.growthTime, errTooLong)
	defer cancel()
	for _, p := range b.programs {
		if p.name == stdName {
			continue // what grows is not the engine's
		}
		if err := b.growKeys(bounded, p, g); err != nil {
			g.note("%s, %s: %v", p.name, byKeys, err)
		}
		for _, n := range b.crowds {
			b.growWatchers(bounded, p, g, n)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (g *growth) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	fmt.Fprintln(os.Stderr, "growth:", text)
	first, _, _ := strings.Cut(text, "\n") // a server's last words may follow
	g.Notes = append(g.Notes, first)
}

// add takes the figures of a size.
func (g *growth) add(curve, server string, size int, f figures, began time.Time) {
	g.Samples = append(g.Samples, sample{Curve: curve, Server: server, Size: size, Figures: f})
	s := scenario{rows: growthRows(curve)}
	e := entry{Figures: f}
	fmt.Fprintf(os.Stderr, "growth\t%s\t%d %s in %.0f s: %s\n", server, size, curve, time.Since(began).Seconds(), e.summary(s))
}

// growKeys fills one server from size to size and measures it at each, also
// beside a reference.
func (b *bench) growKeys(ctx context.Context, p program, g *growth) (err error) {
	c, err := p.start(ctx, 1, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	s := c.members[0]
	have := 0
	beside := newReference(b, p)
	defer beside.close()
	for _, size := range b.sizes {
		if p.name == etcdName && size > b.etcdSize {
			g.note("%s: not filled with more than %d keys", p.name, b.etcdSize)
			return nil
		}
		if err := room(s.dir, size-have); err != nil {
			return fmt.Errorf("%d keys: %w", size, err)
		}
		began := time.Now()
		f, err := b.measureKeys(ctx, s, have, size)
		if err != nil {
			return fmt.Errorf("%d keys: %w", size, c.explain(err))
		}
		if err := beside.compare(ctx, s, size, f); err != nil {
			return fmt.Errorf("%d keys beside a reference: %w", size, c.explain(err))
		}
		g.add(byKeys, p.name, size, f, began)
		have = size
	}
	return nil
}

// room makes sure that there is disk for so many more keys.
func room(dir string, keys int) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("statfs: %w", err)
	}
	free, need := int64(fs.Bavail)*fs.Bsize, int64(keys)*keyRoom+diskRoom
	if free < need {
		return fmt.Errorf("%d MB of disk are free, %d needed", free>>20, need>>20)
	}
	return nil
}

// measureKeys fills s up to size keys and measures it.
func (b *bench) measureKeys(ctx context.Context, s *server, have, size int) (figures, error) {
	filled, err := b.preloadAt(ctx, s, "/"+dir+"/"+keyPlace, have, size, growthValue)
	if err != nil {
		return nil, err
	}
	if err := sleep(ctx, settleTime); err != nil {
		return nil, err
	}
	rss, err := s.rss()
	if err != nil {
		return nil, err
	}
	disk, err := s.disk()
	if err != nil {
		return nil, err
	}
	f := figures{
		fillRate:  float64(filled.answers) / filled.elapsed.Seconds(),
		totalRSS:  float64(rss) / (1 << 20),
		totalDisk: float64(disk) / (1 << 20),
		keyRSS:    float64(rss) / float64(size),
		keyDisk:   float64(disk) / float64(size),
	}
	return f, b.measureLoads(ctx, s, dir, size, keyLoads(), f)
}

// measureLoads adds to f what kinds of requests of keys that exist cost.
func (b *bench) measureLoads(ctx context.Context, s *server, dir string, keys int, loads []keyLoad, f figures) error {
	for _, load := range loads {
		sources, err := load.sources(ctx, s, dir, keys)
		if err != nil {
			return err
		}
		one, err := b.measure(ctx, s, b.conns, sources)
		if err != nil {
			return err
		}
		f.take(load.verb, one)
	}
	return nil
}

// take adds the figures of one kind of request to f.
func (f figures) take(verb string, one figures) {
	f[verb+atCPU], f[verb+atP99], f[verb+atRate] = one[cpu], one[p99], one[rate]
	f[others] = max(f[others], one[others])
}

// growWatchers measures both kinds of watchers, each on a fresh server.
func (b *bench) growWatchers(ctx context.Context, p program, g *growth, n int) {
	took := min(n, b.mostConns)
	if took < n {
		g.note("%s: %d watchers with a connection each instead of %d: no more files may be open", p.name, took, n)
	}
	b.growCrowd(ctx, p, g, byWatchers, took, func(ctx context.Context, s *server, idle func() error) (figures, error) {
		c := s.streamers(took)
		c.idle = idle
		return b.measureCrowd(ctx, s, c)
	})
	if p.name == etcdName {
		return // it serves clients by HTTP/1.1
	}
	b.growCrowd(ctx, p, g, bySharers, n, func(ctx context.Context, s *server, idle func() error) (figures, error) {
		f, err := b.measureMux(ctx, s, n, idle)
		if err != nil {
			return nil, err
		}
		f[watcherRSS], f[eventCPU] = f[muxRSS], f[muxCPU]
		return f, nil
	})
}

// growCrowd measures one size of watchers on a fresh server: run opens them,
// calls idle, and has them get events.
func (b *bench) growCrowd(ctx context.Context, p program, g *growth, curve string, n int, run func(ctx context.Context, s *server, idle func() error) (figures, error)) {
	began := time.Now()
	f, err := b.crowded(ctx, p, run)
	if err != nil {
		g.note("%s, %d %s: %v", p.name, n, curve, err)
		return
	}
	g.add(curve, p.name, n, f, began)
}

func (b *bench) crowded(ctx context.Context, p program, run func(ctx context.Context, s *server, idle func() error) (figures, error)) (all figures, err error) {
	c, err := p.start(ctx, 1, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	s := c.members[0]
	all = make(figures)
	f, err := run(ctx, s, func() error {
		// Not before the watchers: they would live in memory that the filling left.
		if _, err := b.preload(ctx, s, growthDir, growthKeys, growthValue); err != nil {
			return err
		}
		return b.measureLoads(ctx, s, growthDir, growthKeys, verbLoads(), all)
	})
	if err != nil {
		return nil, c.explain(err)
	}
	for _, name := range []string{watcherRSS, eventCPU, fanoutP50} {
		if v, ok := f[name]; ok {
			all[name] = v
		}
	}
	all[others] = max(all[others], f[others])
	return all, nil
}
