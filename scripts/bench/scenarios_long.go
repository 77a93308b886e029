package main

import (
	"context"
	"fmt"
	"net/http"
	"syscall"
	"time"
)

const (
	keyRSS        = "RSS per key"
	restartedRSS  = "RSS per key, restarted"
	keyDisk       = "disk per key"
	restartKilled = "restart after kill -9"
	restartClean  = "restart after SIGTERM"
	stopTime      = "stop by SIGTERM"
	p999          = "p99.9"
)

const (
	settleTime = 5 * time.Second
	smallValue = 64
)

// runLoad fills the server with b.keys small keys and restarts it twice, first
// after kill -9, with the log as the last write left it.
func runLoad(ctx context.Context, b *bench, s *server) (figures, error) {
	var out *outcome
	spent, err := costOf(s, func() (err error) {
		out, err = b.preload(ctx, s, dir, b.keys, smallValue)
		return err
	})
	if err != nil {
		return nil, err
	}
	f := requestFigures(out, spent)
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
	f[keyRSS] = float64(rss) / float64(b.keys)
	f[keyDisk] = float64(disk) / float64(b.keys)

	if _, f[restartKilled], err = b.restart(ctx, s, syscall.SIGKILL); err != nil {
		return nil, err
	}
	if err := sleep(ctx, settleTime); err != nil {
		return nil, err
	}
	if rss, err = s.rss(); err != nil {
		return nil, err
	}
	f[restartedRSS] = float64(rss) / float64(b.keys)
	if f[stopTime], f[restartClean], err = b.restart(ctx, s, syscall.SIGTERM); err != nil {
		return nil, err
	}
	return f, nil
}

// restart ends the server by sig, starts it again, and makes sure that the
// keys are there. It returns the seconds until the process had ended and those
// from the start of the next until the first GET of a key.
func (b *bench) restart(ctx context.Context, s *server, sig syscall.Signal) (stop, start float64, err error) {
	stopped, err := s.stop(sig)
	if err != nil {
		return 0, 0, err
	}
	started, err := s.launch(ctx, keyPath(b.keys-1))
	if err != nil {
		return 0, 0, fmt.Errorf("restart after %v: %w", sig, err)
	}
	const sample = 1000
	for n := 0; n < b.keys; n += max(b.keys/sample, 1) {
		a, err := s.get(ctx, keyPath(n))
		if err != nil {
			return 0, 0, err
		}
		if a.status != http.StatusOK {
			return 0, 0, fmt.Errorf("restart after %v: get of %s has status %d", sig, keyPath(n), a.status)
		}
	}
	return stopped.Seconds(), started.Seconds(), nil
}

// keyPath is the path of key n of preload.
func keyPath(n int) string {
	place := &request{key: []byte(keyPlace)}
	place.setKey(n)
	return "/v2/keys/" + dir + "/" + string(place.key)
}

// runPace is an open load: requests have their times, whether the ones before
// are answered or not.
func runPace(ctx context.Context, b *bench, s *server) (figures, error) {
	if _, err := b.preload(ctx, s, dir, b.paceKeys, valueSize); err != nil {
		return nil, err
	}
	ld, err := dialLoad(s.addrs(), 1, b.conns, func(i int) source {
		return &puts{put: s.putRequest(), rnd: random(i), space: b.paceKeys}
	})
	if err != nil {
		return nil, err
	}
	defer ld.close()
	l := ld.loops[0]
	if err := l.runAt(ctx, b.paceRate, b.warmup); err != nil {
		return nil, err
	}
	spent, err := costOf(s, func() error { return l.runAt(ctx, b.paceRate, b.paceTime) })
	if err != nil {
		return nil, err
	}
	return requestFigures(&l.counts, spent), l.counts.err()
}
