package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"keytree/scripts/process"
)

// A follower sees every event from the first one on. When its connection
// breaks it goes on after the last event it has.
type follower struct {
	name   string
	addr   string
	record *record

	mu struct { // everything inside is guarded
		sync.Mutex
		events []event
		news   chan struct{} // closed and replaced at every event
		silent int           // streams that brought nothing though there was something
		lost   error         // following is over
	}
}

func newFollower(name, addr string, r *record) *follower {
	f := &follower{name: name, addr: addr, record: r}
	f.mu.news = make(chan struct{})
	return f
}

// last returns the index of the last event, and what is closed at the next.
func (f *follower) last() (uint64, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.mu.events); n > 0 {
		return f.mu.events[n-1].index, f.mu.news
	}
	return fresh, f.mu.news
}

func (f *follower) sequence() sequence {
	f.mu.Lock()
	defer f.mu.Unlock()
	return sequence{f.name, f.mu.events[:len(f.mu.events):len(f.mu.events)]}
}

// reach waits until the follower has seen index i.
func (f *follower) reach(ctx context.Context, i uint64) error {
	for {
		last, news := f.last()
		if last >= i {
			return nil
		}
		f.mu.Lock()
		lost := f.mu.lost
		f.mu.Unlock()
		if lost != nil {
			return lost
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("%s stands at index %d and does not reach %d", f.name, last, i)
		}
	}
}

// add takes one line of a watch.
func (f *follower) add(line []byte) error {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("%s: event %q: %w", f.name, line, err)
	}
	if a.Node == nil {
		return fmt.Errorf("%s: no event: %s", f.name, line)
	}
	e := event{index: a.Node.ModifiedIndex, created: a.Node.CreatedIndex, action: a.Action, key: a.Node.Key, value: a.Node.Value}
	if a.PrevNode != nil {
		e.before = a.PrevNode.Value
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.events = append(f.mu.events, e)
	f.wake()
	return nil
}

// wake tells those who wait. f.mu must be held.
func (f *follower) wake() {
	close(f.mu.news)
	f.mu.news = make(chan struct{})
}

func (f *follower) lose(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.lost = err
	f.wake()
}

func (f *follower) request(stream bool) process.Request {
	last, _ := f.last()
	target := "/v2/keys?wait=true&recursive=true&waitIndex=" + strconv.FormatUint(last+1, 10)
	if stream {
		target += "&stream=true"
	}
	return process.Request{Method: "GET", Target: target}
}

// again is how long a follower waits before it dials a server that is down.
const again = 10 * time.Millisecond

// poll follows with one long poll per event.
func (f *follower) poll(ctx context.Context) {
	conn := process.NewConn(f.addr)
	defer conn.Close()
	for ctx.Err() == nil {
		a, err := conn.Do(ctx, f.request(false))
		if err != nil {
			pause(ctx, again)
			continue
		}
		if a.Status != 200 {
			f.lose(fmt.Errorf("%s: status %d: %s", f.name, a.Status, a.Body))
			return
		}
		if err := f.add(a.Body); err != nil {
			f.lose(err)
			return
		}
	}
}

// stream follows with one stream per life of the server. With oneOld a stream
// that begins in the past is left after its first event, because etcd sends
// no other.
func (f *follower) stream(ctx context.Context, oneOld bool) {
	for ctx.Err() == nil {
		q := f.request(true)
		s, err := process.Open(ctx, f.addr, q)
		if err != nil {
			pause(ctx, again)
			continue
		}
		if s.Status != 200 {
			s.Close()
			f.lose(fmt.Errorf("%s: status %d", f.name, s.Status))
			return
		}
		last, _ := f.last()
		err = f.drain(ctx, s, oneOld && s.Index("X-Etcd-Index") > last)
		s.Close()
		if err != nil {
			f.lose(err)
			return
		}
	}
}

// patience is how long a stream may keep back an event that was acknowledged.
const patience = 2 * time.Second

// drain takes lines until the stream ends, or one if only one is to come.
func (f *follower) drain(ctx context.Context, s *process.Stream, one bool) error {
	watching, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { f.hangUpWhenSilent(watching, s) })
	for {
		line, err := s.Line()
		if err != nil {
			return nil // the server is gone
		}
		if err := f.add(line); err != nil || one {
			return err
		}
	}
}

// hangUpWhenSilent closes a stream that stands still while others know of
// later events.
func (f *follower) hangUpWhenSilent(ctx context.Context, s *process.Stream) {
	tick := time.NewTicker(patience)
	defer tick.Stop()
	before := uint64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		last, _ := f.last()
		if last == before && last < f.record.highest() {
			f.mu.Lock()
			f.mu.silent++
			f.mu.Unlock()
			s.Close()
			return
		}
		before = last
	}
}

func (f *follower) silences() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.silent
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
