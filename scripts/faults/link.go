package main

import (
	"context"
	"sync"
	"time"
)

// A route is the way from one member to another, by their names. The name of
// somebody who did not say who he is is empty.
type route struct{ from, to string }

// A link is what happens to bytes on a route. It may be used by any goroutine.
type link struct {
	mu struct { // everything inside is guarded
		sync.Mutex
		weather weather
		changed chan struct{} // closed and replaced when the weather changes
	}
}

// weather is the state of a link. The zero value lets everything through at
// once.
type weather struct {
	held    bool          // no byte arrives; what was sent meanwhile arrives afterwards
	refused bool          // new connections are reset
	delay   time.Duration // every byte arrives so much later
	rate    int           // bytes per second; 0 is any
}

func newLink() *link {
	l := &link{}
	l.mu.changed = make(chan struct{})
	return l
}

func (l *link) set(w weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.weather = w
	close(l.mu.changed)
	l.mu.changed = make(chan struct{})
}

func (l *link) now() (weather, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.weather, l.mu.changed
}

// pass waits until the link is not held, or the end of ctx.
func (l *link) pass(ctx context.Context) error {
	for {
		w, changed := l.now()
		if !w.held {
			return ctx.Err()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// carry waits as long as a chunk is on its way.
func (l *link) carry(ctx context.Context, c chunk) error {
	if d := time.Until(c.due); d > 0 {
		pause(ctx, d)
	}
	if w, _ := l.now(); w.rate > 0 {
		pause(ctx, time.Duration(len(c.bytes))*time.Second/time.Duration(w.rate))
	}
	return l.pass(ctx)
}
