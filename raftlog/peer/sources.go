package peer

import "sync"

// maxSources bounds what is remembered of strangers: the oldest is forgotten.
const maxSources = 256

// A source is where something strange came from, and what it was.
type source struct{ host, kind string }

// sources remembers what was logged about strangers. Any goroutine may use it.
type sources struct {
	mu struct { // everything inside is guarded
		sync.Mutex
		known map[source]bool
		order []source // oldest first
	}
}

func newSources() *sources {
	s := &sources{}
	s.mu.known = make(map[source]bool)
	return s
}

// isNew reports whether c is not remembered, and remembers it.
func (s *sources) isNew(c source) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.known[c] {
		return false
	}
	if len(s.mu.order) == maxSources {
		delete(s.mu.known, s.mu.order[0])
		s.mu.order = append(s.mu.order[:0], s.mu.order[1:]...)
	}
	s.mu.known[c] = true
	s.mu.order = append(s.mu.order, c)
	return true
}
