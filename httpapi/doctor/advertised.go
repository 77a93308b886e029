package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
)

// side is what is told to others, and what it should lead to.
type side struct {
	flag, listenFlag, who string
	advertised, listening []string
}

// advertised looks at the URLs that others are told of.
func (e *exam) advertised(ctx context.Context) []Finding {
	n := notes{area: "advertised URLs"}
	if e.Proxy {
		n.unchecked("a proxy advertises nothing")
		return n.all
	}
	var all []func() []Finding
	for _, s := range []side{
		{"--initial-advertise-peer-urls", "--listen-peer-urls", "other members", e.AdvertisePeer, e.ListenPeer},
		{"--advertise-client-urls", "--listen-client-urls", "clients", e.AdvertiseClient, e.ListenClient},
	} {
		for _, raw := range s.advertised {
			all = append(all, func() []Finding { return e.advertisedAt(ctx, s, placeOf(raw)) })
		}
	}
	return each(all, func(_ int, look func() []Finding) []Finding { return look() })
}

// advertisedAt says what is wrong with one of them, the worst first and alone.
func (e *exam) advertisedAt(ctx context.Context, s side, p place) []Finding {
	n := notes{area: "advertised URLs"}
	instead := fmt.Sprintf("%s %s", s.flag, quoted(p.at(e.outward())))
	switch {
	case p.file != "":
		n.ok("%s is a socket in the file system, for %s on this machine", p.raw, s.who)
		return n.all
	case p.everywhere():
		n.wrong(fmt.Sprintf("%s has %s, which is no address that %s can connect to", s.flag, p.raw, s.who), instead)
		return n.all
	case p.home() && e.away():
		n.wrong(fmt.Sprintf("%s has %s, which leads members and clients on other machines to themselves", s.flag, p.raw), instead)
		return n.all
	case p.home() && slices.ContainsFunc(s.listening, func(raw string) bool { return !placeOf(raw).home() }):
		n.warn(fmt.Sprintf("%s has %s, so %s on other machines cannot reach this member, though it listens for them", s.flag, p.raw, s.who), instead)
		return n.all
	}
	found, err := e.addresses(ctx, p)
	if err != nil || len(found) == 0 {
		n.wrong(fmt.Sprintf("%s has %s, and the name is not known: %v", s.flag, p.raw, err), "getent hosts "+quoted(p.host), instead)
		return n.all
	}
	e.leadsHere(&n, s, p, found)
	return n.all
}

// leadsHere compares what is advertised with what is listened on.
func (e *exam) leadsHere(n *notes, s side, p place, found []netip.Addr) {
	for _, raw := range s.listening {
		l := placeOf(raw)
		if l.port != p.port || l.file != "" || !l.everywhere() && l.host != p.host && !e.covers(l, found) {
			continue
		}
		switch {
		case l.secure() != p.secure():
			n.wrong(fmt.Sprintf("%s has %s, but what listens there speaks %s", s.flag, p.raw, l.scheme), fmt.Sprintf("%s %s", s.flag, quoted(l.scheme+p.raw[len(p.scheme):])))
		case l.everywhere() && !slices.ContainsFunc(found, e.isLocal):
			n.warn(fmt.Sprintf("%s is at %v, which is no address of this machine: right only if something forwards it to %s", p.raw, found[0], l.raw),
				fmt.Sprintf("%s %s", s.flag, quoted(p.at(e.outward()))))
		default:
			n.ok("%s for %s", p.raw, s.who)
		}
		return
	}
	n.warn(fmt.Sprintf("%s has %s, and this member does not listen there: right only if something forwards it", s.flag, p.raw),
		fmt.Sprintf("%s %s", s.listenFlag, quoted(p.at(found[0].String()))))
}

// covers reports whether one of the addresses is the one listened on. What is
// listened on by name was not looked up: then any address of this machine is.
func (e *exam) covers(l place, found []netip.Addr) bool {
	if ip, err := netip.ParseAddr(l.host); err == nil {
		return slices.Contains(found, ip.Unmap())
	}
	if l.host == "localhost" {
		return slices.ContainsFunc(found, netip.Addr.IsLoopback)
	}
	return slices.ContainsFunc(found, e.isLocal)
}
