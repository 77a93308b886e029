package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"keytree/raftlog/member"
)

const (
	// While there is no good endpoint, members are looked for this often.
	searchInterval = time.Second

	// How long one peer may take to say who the members are.
	askPatience = 3 * time.Second
)

// refreshUntilDone looks who the members are, time and again.
func (p *Proxy) refreshUntilDone(ctx context.Context) {
	p.refresh(ctx)
	close(p.ready)
	for {
		interval := p.config.RefreshInterval
		if !p.endpoints.anyGood() {
			interval = min(interval, searchInterval)
		}
		next := time.NewTimer(interval)
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case <-next.C:
		}
		p.refresh(ctx)
	}
}

// refresh takes over what the first peer says that knows of any endpoint.
// When there is none, everything stays as it is.
func (p *Proxy) refresh(ctx context.Context) {
	for _, peer := range p.peers {
		found, err := p.ask(ctx, peer)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			if !p.trouble {
				p.config.Logger.Warn("could not get cluster response from "+peer, "error", err)
			}
			continue
		}
		p.trouble = false
		p.adopt(found)
		return
	}
	if !p.trouble {
		p.config.Logger.Warn("proxy: could not retrieve cluster information from the given URLs; going on with what is known")
	}
	p.trouble = true
}

// roster is what a proxy needs to know of a cluster; both are sorted.
type roster struct{ peers, clients []string }

func (p *Proxy) ask(ctx context.Context, peer string) (roster, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	members, err := p.config.Ask(ctx, peer)
	if err != nil {
		return roster{}, err
	}
	found := rosterOf(members)
	if len(found.clients) == 0 || len(found.peers) == 0 {
		return roster{}, errors.New("it knows of no member that serves clients")
	}
	return found, nil
}

// rosterOf collects the URLs that a proxy can make use of: it reaches
// endpoints by http and https.
func rosterOf(members []member.Member) roster {
	peers, clients := map[string]bool{}, map[string]bool{}
	for _, m := range members {
		for _, raw := range m.PeerURLs {
			if u, err := member.ParseURL(raw); err == nil {
				peers[u] = true
			}
		}
		for _, raw := range m.ClientURLs {
			if u, err := member.ParseURL(raw); err == nil && strings.HasPrefix(u, "http") {
				clients[u] = true
			}
		}
	}
	return roster{peers: slices.Sorted(maps.Keys(peers)), clients: slices.Sorted(maps.Keys(clients))}
}

// adopt makes found what is known. A disk that cannot take it matters at the
// next start only, and is tried again with the next refresh.
func (p *Proxy) adopt(found roster) {
	if p.endpoints.replace(found.clients) {
		p.config.Logger.Info(fmt.Sprintf("proxy: endpoints found %q", urls(p.endpoints.usable())))
	}
	p.peers = found.peers
	if slices.Equal(p.kept, found.peers) {
		return
	}
	if err := keepPeers(p.config.Dir, found.peers); err != nil {
		p.config.Logger.Warn("proxy: could not keep the members' peer URLs", "error", err)
		return
	}
	p.kept = found.peers
}
