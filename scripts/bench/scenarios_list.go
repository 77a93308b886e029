package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	listings     = "listings"
	listingP50   = "per listing, p50"
	listingCPU   = "server CPU per listing"
	quietRSS     = "RSS growth before"
	listingRSS   = "RSS growth"
	aloneGetP99  = "GET p99 without"
	besideGetP99 = "GET p99 meanwhile"
	movedGetP99  = "GET p99 moved by"
)

const (
	longList     = 100_000 // leaves in one directory
	besideRate   = 500     // GETs per second beside the listings
	besideConns  = 4
	listingTimes = 2 // as long as other loads: one listing is a large part of a second
)

// longListRows are the rows of runLongList.
func longListRows() []row {
	return []row{
		{figure: listings, unit: "/s", digits: 2, floor: floor{ratioAtLeast, 1.5}},
		{figure: listingP50, unit: "ms", digits: 1},
		{figure: listingCPU, unit: "ms", digits: 1},
		{figure: quietRSS, unit: "MiB", digits: 1},
		{figure: listingRSS, unit: "MiB", digits: 1, floor: floor{oursAtMost, 8}},
		{figure: aloneGetP99, unit: "ms", digits: 2},
		{figure: besideGetP99, unit: "ms", digits: 2},
		{figure: movedGetP99, unit: "ms", digits: 2, floor: floor{oursAtMost, 1}},
	}
}

func runList(ctx context.Context, b *bench, s *server) (figures, error) {
	// Numbers below 1,000 share the directory 0000.
	if _, err := b.preload(ctx, s, dir, listLength, valueSize); err != nil {
		return nil, err
	}
	newLists, err := s.newLists(ctx, "/"+dir+"/0000", listLength)
	if err != nil {
		return nil, err
	}
	return b.measure(ctx, s, b.conns, newLists)
}

// newLists makes sources of listings of a directory, whose answers must all be
// as long as a first one that has n keys.
func (s *server) newLists(ctx context.Context, path string, n int) (func(int) source, error) {
	a, err := s.get(ctx, "/v2/keys"+path)
	if err != nil {
		return nil, err
	}
	if got := bytes.Count(a.body, []byte(`"value":`)); got != n {
		return nil, fmt.Errorf("listing of %d keys, want %d", got, n)
	}
	return func(int) source {
		return &lists{get: newRequest("GET", s.host(), path, 0), size: int64(len(a.body))}
	}, nil
}

// runLongList lists one directory of many leaves again and again, while others
// get keys at a pace. The server has answered such GETs, and no listing of all,
// before its memory is looked at.
func runLongList(ctx context.Context, b *bench, s *server) (figures, error) {
	if _, err := b.preloadAt(ctx, s, "/"+dir+"/"+flatPlace, 0, longList, valueSize); err != nil {
		return nil, err
	}
	beside, err := dialLoad(s.addrs(), 1, besideConns, func(i int) source {
		return &gets{get: newRequest("GET", s.host(), "/"+dir+"/"+flatPlace, 0), rnd: random(i), space: longList}
	})
	if err != nil {
		return nil, err
	}
	defer beside.close()
	getter := beside.loops[0]
	if err := getter.runAt(ctx, besideRate, b.warmup); err != nil {
		return nil, err
	}
	quiet, err := s.rssGrowth(func() error { return getter.runAt(ctx, besideRate, b.measured) })
	if err != nil {
		return nil, err
	}
	alone := getter.counts.latency
	var out *outcome
	var spent cost
	grown, err := s.rssGrowth(func() (err error) {
		out, spent, err = b.listBeside(ctx, s, getter)
		return err
	})
	if err != nil {
		return nil, err
	}
	apart := milliseconds(alone.quantile(.99))
	meanwhile := milliseconds(getter.counts.latency.quantile(.99))
	return figures{
		listings:     float64(out.answers) / out.elapsed.Seconds(),
		listingP50:   milliseconds(out.latency.quantile(.50)),
		listingCPU:   milliseconds(spent.server) / float64(out.answers),
		quietRSS:     quiet,
		listingRSS:   grown,
		aloneGetP99:  apart,
		besideGetP99: meanwhile,
		movedGetP99:  meanwhile - apart,
		others:       spent.others,
	}, errors.Join(out.err(), getter.counts.err())
}

// rssGrowth is how many MiB of memory the process occupied at most while f ran,
// beyond those it had before.
func (s *server) rssGrowth(f func() error) (float64, error) {
	before, err := s.rss()
	if err != nil {
		return 0, err
	}
	if err := s.forgetMostRSS(); err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	most, err := s.mostRSS()
	return float64(most-before) / (1 << 20), err
}

// listBeside lists on one connection for a while and has the getter work
// meanwhile.
func (b *bench) listBeside(ctx context.Context, s *server, getter *loop) (out *outcome, spent cost, err error) {
	lister, err := dialLoad(s.addrs(), 1, 1, func(int) source {
		return &countedLists{get: newRequest("GET", s.host(), "/"+dir, 0)}
	})
	if err != nil {
		return nil, cost{}, err
	}
	defer lister.close()
	d := listingTimes * b.measured
	spent, err = costOf(s, func() error {
		var wg sync.WaitGroup
		var beside error
		wg.Go(func() { beside = getter.runAt(ctx, besideRate, max(d, time.Second)) })
		var err error
		out, err = lister.run(ctx, d)
		wg.Wait()
		return errors.Join(err, beside)
	})
	return out, spent, err
}

// countedLists gets one directory for ever; all answers are as long as the
// first, and long enough for all the keys.
type countedLists struct {
	get  *request
	size int64
}

func (s *countedLists) next() []byte { return s.get.raw }

func (s *countedLists) answered(a *parser) error {
	if s.size == 0 && a.body >= longList*valueSize {
		s.size = a.body
	}
	if a.body != s.size {
		return fmt.Errorf("listing of %d bytes, want %d", a.body, s.size)
	}
	return nil
}
