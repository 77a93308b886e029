package proxy

import (
	"maps"
	"net/http"
	"slices"
	"sort"
)

// follower is a client of a shared watch. It owns no goroutine: that of its
// request waits for ready.
type follower struct {
	shared *shared
	stream bool
	header http.Header
	ready  chan struct{} // holds one: there may be something

	// Guarded by shared.mu.
	from uint64 // the next index it wants
	got  []byte // the event of one that wants no more
}

func (c *follower) signal() {
	select {
	case c.ready <- struct{}{}:
	default: // it knows
	}
}

// follow makes a follower of who wants w, unless s cannot give that: it is
// over, or does not reach back so far.
func (s *shared) follow(w wanted) (*follower, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.header == nil || s.ended || w.since > 0 && w.since < s.first {
		return nil, false
	}
	c := &follower{shared: s, stream: w.stream, header: s.headers(), ready: make(chan struct{}, 1), from: w.since}
	if w.since == 0 {
		c.from = s.newest + 1
	}
	if past := s.from(c.from); len(past) > 0 {
		c.signal()
		if !c.stream {
			c.got = past[0].line
			return c, true
		}
	}
	s.all[c] = true
	return c, true
}

func (s *shared) forget(c *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, c)
}

// from are the remembered events of index and later. s.mu must be held.
func (s *shared) from(index uint64) []event {
	i := sort.Search(len(s.ring), func(i int) bool { return s.ring[i].index >= index })
	return s.ring[i:]
}

// next are the lines c has yet to send. more is false if nothing follows
// them; whole, if that is as it should be.
func (c *follower) next() (lines [][]byte, more, whole bool) {
	s := c.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.got != nil {
		return [][]byte{c.got}, false, true
	}
	if !c.stream {
		return nil, !s.ended, false
	}
	if c.from < s.first {
		return nil, false, true // it was too slow, as if for a member
	}
	for _, e := range s.from(c.from) {
		lines = append(lines, e.line)
		c.from = e.index + 1
	}
	return lines, !s.ended, false
}

// answer sends c what it wants, and ends as a member would: a poll with its
// event, a stream with its client. Whatever else happens cuts it.
func (c *follower) answer(out *patientWriter, r *http.Request) {
	maps.Copy(out.Header(), c.header)
	c.header = nil // there are many, and they last
	out.WriteHeader(http.StatusOK)
	if out.FlushError() != nil {
		return
	}
	for {
		select {
		case <-c.ready:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
		lines, more, whole := c.next()
		if len(lines) > 0 {
			if _, err := out.Write(slices.Concat(lines...)); err != nil {
				return
			}
			if out.FlushError() != nil {
				return
			}
		}
		if !more {
			if !whole {
				panic(http.ErrAbortHandler)
			}
			return
		}
	}
}
