package store

// Backlog is how many events wait for the slowest reader of a stream that is
// known of. Who can choose when the next events come, as who removes what is
// due can, chooses a time when that is few: a reader who is behind by more
// than the history is given up.
func (s *Store) Backlog() int {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.slowest == nil {
		return 0
	}
	n := h.mu.slowest.backlog()
	if n == 0 {
		h.mu.slowest = nil
	}
	return n
}

// compare makes g the slowest group if it is slower. h.mu must be held.
func (h *hub) compare(g *group) {
	if slowest := h.mu.slowest; slowest == nil || slowest != g && g.backlog() > slowest.backlog() {
		h.mu.slowest = g
	}
}

// backlogDepth is how many readers of each row are looked at: those in front
// are the slowest, by and large.
const backlogDepth = 16

// backlog is how many events wait for the slowest in g. hub.mu must be held.
func (g *group) backlog() (n int) {
	for _, row := range [...]*place{&g.due, &g.busy} {
		p := row.after
		for range backlogDepth {
			if p.who == nil {
				break
			}
			n = max(n, p.who.behind())
			p = p.after
		}
	}
	return n
}
