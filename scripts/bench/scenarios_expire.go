package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"keytree/scripts/process"
)

const (
	lateP50       = "late, p50"
	lateP99       = "late, p99"
	lateMax       = "late, max"
	streamLateP99 = "late in a stream, p99"
	expireEvents  = "events in a stream"
	expireP50     = "writes meanwhile, p50"
	expireP99     = "writes meanwhile, p99"
	expireMax     = "writes meanwhile, max"
)

const (
	expireKeys   = 100_000
	expireSample = 1000             // keys with a long poll each
	expireIn     = 20 * time.Second // from the first write to the end of the second in which all are due
	expireSpread = time.Second      // lifetimes are whole seconds
	expireLead   = time.Second      // of writing at a pace before the first key is due
	expireTime   = 2000 * time.Millisecond
	expireWait   = 30 * time.Second // for the last event
	writesDir    = "writes"
	writesSpace  = 1000
)

// expireRows are the rows of runExpire. Its server CPU is for all the keys that
// end and for the writes meanwhile.
func expireRows() []row {
	return []row{
		{figure: lateP50, unit: "ms", digits: 1},
		{figure: lateP99, unit: "ms", digits: 1, floor: floor{oursAtMost, 150}},
		{figure: lateMax, unit: "ms", digits: 1},
		{figure: streamLateP99, unit: "ms", digits: 1, floor: floor{oursAtMost, 150}},
		{figure: expireEvents, unit: "", floor: floor{oursAtLeast, expireKeys}},
		{figure: expireP50, unit: "ms", digits: 2},
		{figure: expireP99, unit: "ms", digits: 2, floor: floor{oursAtMost, 15}},
		{figure: expireMax, unit: "ms", digits: 2},
		{figure: cpu, unit: "s", digits: 2},
	}
}

// ttlPlace is the place of a lifetime in a target.
const ttlPlace = "TTTTTT"

// expiring puts the keys of fill with lifetimes that all end in the second
// before due.
type expiring struct {
	fill
	ttl []byte // within the request
	due time.Time
}

func (s *expiring) next() []byte {
	putDigits(s.ttl, uint64(max(time.Until(s.due)/time.Second, 0)))
	return s.fill.next()
}

// runExpire has all keys end within one second, the grain of lifetimes, and
// measures how late watchers learn of it, and how long writes take meanwhile.
// A stream sees all keys; etcd ends one whose reader is behind. So some keys
// have a long poll of their own, on either server.
func runExpire(ctx context.Context, b *bench, s *server) (figures, error) {
	due := time.Now().Add(expireIn)
	if err := b.fillExpiring(ctx, s, due); err != nil {
		return nil, err
	}
	ctx, stop := context.WithDeadlineCause(ctx, due.Add(expireWait), errExpirySilent)
	defer stop()
	stream, err := openExpiries(ctx, s, "/"+dir+"?wait=true&recursive=true&stream=true")
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	polls, err := openSample(ctx, s)
	defer closeAll(polls)
	if err != nil {
		return nil, err
	}
	if left := time.Until(due) - expireSpread - 2*expireLead; left < 0 {
		return nil, fmt.Errorf("to write %d keys and to watch them took %v too long", expireKeys, -left)
	} else if err := sleep(ctx, left); err != nil {
		return nil, err
	}

	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	var all, sampled lateness
	wg.Go(func() { all.followStream(stream) })
	wg.Go(func() { sampled.followEach(polls) })
	writes, spent, err := b.writeMeanwhile(ctx, s, due.Add(-expireSpread))
	if err != nil {
		return nil, err
	}
	if err := s.awaitExpiries(ctx); err != nil {
		return nil, err
	}
	if err := sleep(ctx, expireSpread); err != nil { // what is under way to the watchers
		return nil, err
	}
	stop()
	wg.Wait()
	if sampled.err != nil || sampled.late.count != expireSample {
		return nil, errors.Join(fmt.Errorf("%d of %d long polls were answered", sampled.late.count, expireSample), sampled.err)
	}
	return figures{
		lateP50:       milliseconds(sampled.late.quantile(.50)),
		lateP99:       milliseconds(sampled.late.quantile(.99)),
		lateMax:       milliseconds(sampled.late.max),
		streamLateP99: milliseconds(all.late.quantile(.99)),
		expireEvents:  float64(all.late.count),
		expireP50:     milliseconds(writes.latency.quantile(.50)),
		expireP99:     milliseconds(writes.latency.quantile(.99)),
		expireMax:     milliseconds(writes.latency.max),
		cpu:           spent.server.Seconds(),
		others:        spent.others,
	}, all.err
}

var errExpirySilent = fmt.Errorf("not all keys have ended %v after their time", expireWait)

// fillExpiring puts all keys, due in the second before the given time.
func (b *bench) fillExpiring(ctx context.Context, s *server, due time.Time) error {
	conns := 4 * b.conns
	ld, err := dialLoad(s.addrs(), b.loops, conns, func(i int) source {
		put := newRequest("PUT", s.host(), "/"+dir+"/"+keyPlace+"?ttl="+ttlPlace, valueSize)
		return &expiring{
			fill: fill{put: put, rnd: random(i), key: i, step: conns, keys: expireKeys},
			ttl:  put.place(ttlPlace),
			due:  due,
		}
	})
	if err != nil {
		return err
	}
	defer ld.close()
	out, err := ld.run(ctx, 0)
	if err != nil {
		return err
	}
	return out.err()
}

// writeMeanwhile writes at a pace, first to warm up until the first key is due
// and then, measured, until after the last.
func (b *bench) writeMeanwhile(ctx context.Context, s *server, from time.Time) (*outcome, cost, error) {
	ld, err := dialLoad(s.addrs(), 1, b.conns, func(i int) source {
		put := newRequest("PUT", s.host(), "/"+writesDir+"/"+keyPlace, valueSize)
		return &puts{put: put, rnd: random(i), space: writesSpace}
	})
	if err != nil {
		return nil, cost{}, err
	}
	defer ld.close()
	l := ld.loops[0]
	if err := l.runAt(ctx, b.paceRate, time.Until(from)); err != nil {
		return nil, cost{}, err
	}
	spent, err := costOf(s, func() error { return l.runAt(ctx, b.paceRate, expireTime) })
	return &l.counts, spent, errors.Join(err, l.counts.err())
}

// awaitExpiries waits until no key is left.
func (s *server) awaitExpiries(ctx context.Context) error {
	for {
		a, err := s.get(ctx, "/v2/keys/"+dir+"?recursive=true")
		if err != nil {
			return err
		}
		if !bytes.Contains(a.body, []byte(`"expiration"`)) {
			return nil
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// openExpiries asks for target and waits for the headers.
func openExpiries(ctx context.Context, s *server, target string) (*process.Stream, error) {
	w, err := process.Open(ctx, s.host(), process.Request{Method: "GET", Target: "/v2/keys" + target})
	if err != nil {
		return nil, err
	}
	if w.Status != 200 {
		w.Close()
		return nil, fmt.Errorf("watch of %s has status %d", target, w.Status)
	}
	return w, nil
}

// openSample opens a long poll for each of some keys, evenly chosen. It returns
// those it has opened also with an error.
func openSample(ctx context.Context, s *server) (polls []*process.Stream, err error) {
	place := &request{key: []byte(keyPlace)}
	for i := range expireSample {
		place.setKey(i * (expireKeys / expireSample))
		w, err := openExpiries(ctx, s, "/"+dir+"/"+string(place.key)+"?wait=true")
		if err != nil {
			return polls, err
		}
		polls = append(polls, w)
	}
	return polls, nil
}

func closeAll(list []*process.Stream) {
	for _, w := range list {
		w.Close()
	}
}

// lateness gathers how long after their time events came.
type lateness struct {
	mu   sync.Mutex
	late histogram
	err  error // the first that was no expiry
}

// followStream takes events until the stream ends.
func (l *lateness) followStream(w *process.Stream) {
	for {
		line, err := w.Line()
		if err != nil {
			return // its end, whoever made it, shows in the count
		}
		l.add(line, time.Now())
	}
}

// followEach takes the one event of each long poll.
func (l *lateness) followEach(polls []*process.Stream) {
	var wg sync.WaitGroup
	for _, w := range polls {
		wg.Go(func() {
			line, err := w.Line()
			if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				return // as above
			}
			l.add(line, time.Now())
		})
	}
	wg.Wait()
}

func (l *lateness) add(line []byte, at time.Time) {
	late, err := lateBy(line, at)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		if l.err == nil {
			l.err = err
		}
		return
	}
	l.late.add(late)
}

// lateBy is how long before the given time the key ended whose event is line.
func lateBy(line []byte, at time.Time) (time.Duration, error) {
	const mark = `"expiration":"`
	_, rest, found := strings.Cut(string(line), mark)
	if !found || !strings.HasPrefix(string(line), `{"action":"expire"`) {
		return 0, fmt.Errorf("no expiry: %.200q", line)
	}
	text, _, _ := strings.Cut(rest, `"`)
	due, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, err
	}
	if at.Before(due) {
		return 0, fmt.Errorf("%v early: %.200q", due.Sub(at), line)
	}
	return at.Sub(due), nil
}
