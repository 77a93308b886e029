package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"keytree/scripts/process"
)

// load is a client of one member that does a little of everything there is a
// metric for, and some that watch.
type load struct {
	addr string
	conn *process.Conn
}

func newLoad(m *member) *load { return &load{addr: m.Addr, conn: process.NewConn(m.Addr)} }

// loadPause is between two requests: the numbers shall move, not be large.
const loadPause = 5 * time.Millisecond

// run asks until ctx is done.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for target, rest := range map[string]time.Duration{
		"/v2/keys/k?wait=true&recursive=true":             loadPause,
		"/v2/keys/k?wait=true&recursive=true&stream=true": loadPause,
		"/v2/keys/k?wait=true&waitIndex=1":                time.Second, // refused once the history is full
	} {
		wg.Go(func() { l.watch(ctx, target, rest) })
	}
	defer l.conn.Close()
	for i := 0; ctx.Err() == nil; i++ {
		key := fmt.Sprintf("/v2/keys/k/%d", i%100)
		for _, q := range []process.Request{
			{Method: "PUT", Target: key, Header: process.Form(), Body: fmt.Appendf(nil, "value=%d", i)},
			{Method: "PUT", Target: key + "-short", Header: process.Form(), Body: []byte("value=v&ttl=1")},
			{Method: "GET", Target: key},
			{Method: "GET", Target: key + "?quorum=true"},
			{Method: "GET", Target: "/v2/keys/k?recursive=true"},
			{Method: "HEAD", Target: key},
			{Method: "GET", Target: "/v2/keys/none"},
			{Method: "POST", Target: "/v2/keys/queue", Header: process.Form(), Body: []byte("value=v&ttl=2")},
			{Method: "DELETE", Target: key},
		} {
			answer, stop := context.WithTimeout(ctx, 5*time.Second)
			_, err := l.conn.Do(answer, q)
			stop()
			if err != nil {
				l.conn.Close() // what it means shows in the numbers
			}
			pause(ctx, loadPause)
		}
	}
}

// watch watches until ctx is done, again and again, and rests in between.
func (l *load) watch(ctx context.Context, target string, rest time.Duration) {
	c := process.NewConn(l.addr)
	defer c.Close()
	for ctx.Err() == nil {
		once, stop := context.WithTimeout(ctx, time.Second)
		if _, err := c.Do(once, process.Request{Method: "GET", Target: target}); err != nil {
			c.Close()
		}
		stop()
		pause(ctx, rest)
	}
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
