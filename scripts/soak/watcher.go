package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"

	"keytree/scripts/process"
)

// A watcher watches one worker's directory for a while, goes away, and comes
// back for another. It belongs to one goroutine.
type watcher struct {
	rnd    *rand.Rand
	addrs  []string
	dirs   int
	log    *journal
	stream bool
	slow   bool // stream of all directories, read much slower than it comes
}

// slowness is the rest of a slow reader after each event.
const slowness = 200 * time.Millisecond

// run watches until ctx is done.
func (w *watcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		dir, longest := fmt.Sprintf("/soak/w%d", w.rnd.IntN(w.dirs)), 20*time.Second
		if w.slow {
			dir, longest = "/soak", 90*time.Second
		}
		visit, stop := context.WithTimeout(ctx, time.Second/2+time.Duration(w.rnd.Int64N(int64(longest))))
		v := &view{watcher: w, dir: dir, at: w.rnd.IntN(len(w.addrs))}
		v.follow(visit)
		stop()
		w.log.watched(v.events, v.gaps)
		pause(ctx, time.Duration(w.rnd.Int64N(int64(time.Second))))
	}
}

// A view is what a watcher sees of a directory during one visit, across
// connections.
type view struct {
	*watcher
	dir          string
	at           int               // in addrs
	next         uint64            // index to go on from; 0: from now
	seen         map[string]uint64 // index of the last event of each key; 0: it is gone
	events, gaps int
}

// follow watches, on another member when one fails, until ctx is done.
func (v *view) follow(ctx context.Context) {
	v.seen = make(map[string]uint64)
	conn := process.NewConn(v.addrs[v.at])
	defer func() { conn.Close() }()
	for ctx.Err() == nil {
		var err error
		if v.stream {
			err = v.readStream(ctx)
		} else {
			err = v.poll(ctx, conn)
		}
		if err == nil {
			continue
		}
		conn.Close()
		v.at = (v.at + 1) % len(v.addrs)
		conn = process.NewConn(v.addrs[v.at])
		pause(ctx, 20*time.Millisecond)
	}
}

func (v *view) request() process.Request {
	target := "/v2/keys" + v.dir + "?wait=true&recursive=true"
	if v.stream {
		target += "&stream=true"
	}
	if v.next > 0 {
		target += "&waitIndex=" + strconv.FormatUint(v.next, 10)
	}
	return process.Request{Method: "GET", Target: target}
}

// poll waits for one event. An error means that the connection is of no use.
func (v *view) poll(ctx context.Context, conn *process.Conn) error {
	a, err := conn.Do(ctx, v.request())
	if err != nil {
		return err
	}
	return v.take(a.Body)
}

// readStream takes events until the stream ends, which it does when the server
// stops, or gives up a reader that is too slow.
func (v *view) readStream(ctx context.Context) error {
	s, err := process.Open(ctx, v.addrs[v.at], v.request())
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		line, err := s.Line()
		if err != nil {
			return err
		}
		if err := v.take(line); err != nil {
			return err
		}
		if v.slow {
			pause(ctx, slowness)
		}
	}
}

// take holds one event against those before.
func (v *view) take(line []byte) error {
	var e reply
	if err := json.Unmarshal(line, &e); err != nil {
		return err // the server was cut off
	}
	switch {
	case e.ErrorCode == codeHistoryCleared:
		v.gaps++ // it says that events are lost: what was seen says nothing any more
		v.next = 0
		clear(v.seen)
		return nil
	case e.Node == nil:
		return fmt.Errorf("code %d", e.ErrorCode)
	}
	v.events++
	v.check(&e)
	return nil
}

// check makes sure that e follows what was seen of its key, and of all.
func (v *view) check(e *reply) {
	key, at := e.Node.Key, e.Node.ModifiedIndex
	if at < v.next {
		v.log.fault("a watch of %s from %d on has an event of index %d", v.dir, v.next, at)
	}
	before := uint64(0)
	if e.PrevNode != nil {
		before = e.PrevNode.ModifiedIndex
	}
	if last, known := v.seen[key]; known && last != before {
		v.log.fault("a watch of %s skips from %d to %d of %s, before which stood %d", v.dir, last, at, key, before)
	}
	v.next, v.seen[key] = at+1, at
	if e.Action == "delete" || e.Action == "expire" {
		v.seen[key] = 0
	}
}

// A stranger opens connections that are of no use to anybody: some say
// nothing, some half a request, some go away in the middle of an answer.
type stranger struct {
	rnd   *rand.Rand
	addrs []string
}

func (s *stranger) run(ctx context.Context) {
	words := []string{"", "GET /v2/ke", "PUT /v2/keys/soak/s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nvalue=",
		"GET /v2/keys?recursive=true HTTP/1.1\r\nHost: x\r\n\r\n", "GET /v2/keys/soak?wait=true&recursive=true HTTP/1.1\r\nHost: x\r\n\r\n"}
	var d net.Dialer
	for ctx.Err() == nil {
		c, err := d.DialContext(ctx, "tcp", s.addrs[s.rnd.IntN(len(s.addrs))])
		if err == nil {
			_, _ = c.Write([]byte(words[s.rnd.IntN(len(words))])) // it may be refused
		}
		pause(ctx, time.Duration(s.rnd.Int64N(int64(3*time.Second))))
		if err == nil {
			_ = c.Close() // in whatever state it is
		}
	}
}
