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

// An event is what a watch brings.
type event struct {
	index   uint64
	created uint64
	action  string
	key     string
	value   string
	before  string // value of prevNode
}

func (e event) String() string {
	return fmt.Sprintf("%d %s %s value=%q before=%q created=%d", e.index, e.action, e.key, e.value, e.before, e.created)
}

// A sequence is what one follower has seen: all events after from, but for
// those the member had forgotten when it was asked.
type sequence struct {
	name   string
	from   uint64
	events []event
	gaps   []gap
}

// A gap is indexes a follower could not be told of: after, up to and with to.
type gap struct{ after, to uint64 }

// covers reports whether a follower that saw index i or a later one must have
// seen i.
func (s *sequence) covers(i uint64) bool {
	if i <= s.from || len(s.events) == 0 || i > s.events[len(s.events)-1].index {
		return false
	}
	for _, g := range s.gaps {
		if i > g.after && i <= g.to {
			return false
		}
	}
	return true
}

// A follower watches everything at one member. When its connection breaks, it
// goes on after the last event it has.
type follower struct {
	instance *instance
	stream   bool // one stream, otherwise one long poll per event

	mu struct { // everything inside is guarded
		sync.Mutex
		seen sequence
		next uint64 // index to wait for
		lost error  // following is over
	}
}

func newFollower(i *instance, stream bool, after uint64) *follower {
	f := &follower{instance: i, stream: stream}
	how := "long polls"
	if stream {
		how = "stream"
	}
	f.mu.seen = sequence{name: how + " of " + i.name, from: after}
	f.mu.next = after + 1
	return f
}

func (f *follower) sequence() sequence {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.seen
}

// reach waits until the follower has come to index i.
func (f *follower) reach(ctx context.Context, i uint64) error {
	for {
		f.mu.Lock()
		next, lost := f.mu.next, f.mu.lost
		f.mu.Unlock()
		switch {
		case lost != nil:
			return fmt.Errorf("%s: %w", f.sequence().name, lost)
		case next > i:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("%s stands before index %d and does not reach %d", f.sequence().name, next, i)
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// run follows until ctx is done.
func (f *follower) run(ctx context.Context) {
	follow := f.poll
	if f.stream {
		follow = f.drain
	}
	conn := process.NewConn(f.instance.addr())
	defer conn.Close()
	for ctx.Err() == nil {
		if err := follow(ctx, conn); err != nil {
			f.mu.Lock()
			f.mu.lost = err
			f.mu.Unlock()
			return
		}
	}
}

// again is how long a follower waits before it asks a member that is down.
const again = 20 * time.Millisecond

// poll takes one event.
func (f *follower) poll(ctx context.Context, conn *process.Conn) error {
	a, err := conn.Do(ctx, f.request())
	if err != nil || a.Status >= 500 {
		pause(ctx, again)
		return nil
	}
	if len(a.Body) == 0 {
		return nil // the member stops
	}
	return f.take(a.Body)
}

// drain takes events until the stream ends.
func (f *follower) drain(ctx context.Context, _ *process.Conn) error {
	s, err := process.Open(ctx, f.instance.addr(), f.request())
	if err != nil {
		pause(ctx, again)
		return nil
	}
	defer s.Close()
	if s.Status >= 500 {
		pause(ctx, again)
		return nil
	}
	for {
		line, err := s.Line()
		if err != nil {
			pause(ctx, again)
			return nil
		}
		if err := f.take(line); err != nil {
			return err
		}
	}
}

func (f *follower) request() process.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	target := "/v2/keys/?wait=true&recursive=true&waitIndex=" + strconv.FormatUint(f.mu.next, 10)
	if f.stream {
		target += "&stream=true"
	}
	return process.Request{Method: "GET", Target: target}
}

const codeForgotten = 401

// take reads an event, or the news that there is none any more.
func (f *follower) take(line []byte) error {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return fmt.Errorf("event %q: %w", line, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case a.ErrorCode == codeForgotten:
		f.mu.seen.gaps = append(f.mu.seen.gaps, gap{f.mu.next - 1, a.Index})
		f.mu.next = a.Index + 1
		return nil
	case a.Node == nil:
		return fmt.Errorf("no event: %s", line)
	}
	e := event{index: a.Node.ModifiedIndex, created: a.Node.CreatedIndex, action: a.Action, key: a.Node.Key, value: a.Node.Value}
	if a.PrevNode != nil {
		e.before = a.PrevNode.Value
	}
	f.mu.seen.events = append(f.mu.seen.events, e)
	f.mu.next = e.index + 1
	return nil
}
