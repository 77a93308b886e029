package peer

import (
	"maps"
	"net/http"
	"strings"

	"keytree/raftlog/member"
)

// A member that was away while others were added does not know them, and yet
// one of them may lead now: only from it can this member learn who is in the
// cluster. So who opens a stream and is not known, nor known to be removed,
// is a guest: it is a peer while that stream lasts, reached at the URLs it
// tells, and a peer for good once it turns up among the members.

const (
	// maxGuests bounds the guests at a time, and maxGuestURLs what each tells.
	maxGuests    = 8
	maxGuestURLs = 1 << 10
)

// ownURLs is what this member tells of itself to who may not know it.
func (t *Transport) ownURLs(self member.ID) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.mu.members {
		if m.ID == self {
			return strings.Join(m.PeerURLs, ",")
		}
	}
	return ""
}

// welcome makes the unknown member who asks for a stream a guest, or returns
// nil if it cannot be one.
func (t *Transport) welcome(id member.ID, r *http.Request) *peer {
	text := r.Header.Get(headerURLs)
	if r.URL.Path != pathStream || text == "" || len(text) > maxGuestURLs {
		return nil
	}
	urls, err := member.ParseURLs(strings.Split(text, ","))
	if err != nil {
		return nil
	}
	a := t.attached.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	old := *t.peers.Load()
	if p := old[id]; p != nil {
		return p // a moment ago
	}
	guests := 0
	for _, p := range old {
		if p.guest {
			guests++
		}
	}
	if t.mu.ctx == nil || id == a.Member || t.mu.removed[id] || guests == maxGuests {
		return nil
	}
	p := newPeer(t, a, id)
	p.guest = true
	p.setURLs(urls)
	t.replacePeers(func(peers map[member.ID]*peer) { peers[id] = p })
	p.start(t.mu.ctx)
	return p
}

// replacePeers edits a copy of the peers and has it take their place. t.mu
// must be held.
func (t *Transport) replacePeers(edit func(map[member.ID]*peer)) {
	peers := maps.Clone(*t.peers.Load())
	edit(peers)
	t.peers.Store(&peers)
}

// dismiss ends what there is with p if it is a guest that is not heard any
// more.
func (t *Transport) dismiss(p *peer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !p.guest || p.hears() || t.peer(p.id) != p {
		return
	}
	t.replacePeers(func(peers map[member.ID]*peer) { delete(peers, p.id) })
	t.farewell(p)
}

// farewell ends a peer that is one no more. t.mu must be held.
func (t *Transport) farewell(p *peer) {
	p.stop()
	p.self.Stats.Peers.Forget(p.id.String())
	p.self.Stats.Leader.Forget(p.id.String())
}
