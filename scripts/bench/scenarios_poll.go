package main

import (
	"context"
	"fmt"
)

// polls waits for one event after the other, each with a long poll of its own.
// It counts on every index being an event of what it watches, so that none is
// missed between two polls, and none comes twice.
type polls struct {
	wait *request
	due  uint64 // the index of the event it waits for
}

func (s *polls) next() []byte {
	s.wait.setIndex(s.due)
	return s.wait.raw
}

func (s *polls) answered(a *parser) error {
	if a.body == 0 {
		return fmt.Errorf("an empty answer to a poll for index %d", s.due)
	}
	s.due++
	return nil
}

// runPolls has one writer put a key under the directory, wait until all who
// poll have the event, and put the next: many of them have just asked again
// then, and some are about to.
func runPolls(ctx context.Context, b *bench, s *server) (figures, error) {
	a, err := s.ask(ctx, login{}, "PUT", "/v2/keys/"+dir+"?dir=true", nil)
	if err != nil {
		return nil, err
	}
	var index uint64
	if _, err := fmt.Sscan(a.header.Get("X-Etcd-Index"), &index); err != nil {
		return nil, fmt.Errorf("the index before the polls: %w", err)
	}
	c := &crowd{watchers: b.watchers, newSource: func() source {
		target := "/" + dir + "?wait=true&recursive=true&waitIndex=" + indexPlace
		return &polls{wait: newRequest("GET", s.host(), target, 0), due: index + 1}
	}}
	c.received = func(l *loop) func(*conn) error {
		return func(p *conn) error {
			if l.count(p, l.now()); l.counts.refused > 0 {
				return l.counts.first
			}
			p.events++
			_, err := l.send(p, l.now())
			return err
		}
	}
	return b.measureCrowd(ctx, s, c)
}
