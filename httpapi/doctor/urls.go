package doctor

import (
	"context"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"keytree/raftlog/member"
)

// place is a URL taken apart. A socket in the file system has neither host nor
// port.
type place struct {
	raw, scheme, host, port string
	file                    string
}

func placeOf(raw string) place {
	u, err := url.Parse(raw)
	if err != nil {
		return place{raw: raw}
	}
	if strings.HasPrefix(u.Scheme, "unix") {
		return place{raw: raw, scheme: u.Scheme, file: u.Host + u.Path}
	}
	return place{raw: raw, scheme: u.Scheme, host: u.Hostname(), port: u.Port()}
}

func (p place) secure() bool { return p.scheme == "https" || p.scheme == "unixs" }

// at is the same place on another host.
func (p place) at(host string) string { return p.scheme + "://" + net.JoinHostPort(host, p.port) }

// everywhere reports whether to listen at p is to listen on all addresses.
func (p place) everywhere() bool {
	ip, err := netip.ParseAddr(p.host)
	return p.file == "" && (p.host == "" || err == nil && ip.IsUnspecified())
}

// home reports whether p is reached from this machine only. Names are not
// looked up but for the one that is always home.
func (p place) home() bool {
	ip, err := netip.ParseAddr(p.host)
	return p.file != "" || p.host == "localhost" || err == nil && ip.IsLoopback()
}

// addresses are what the host of p stands for.
func (e *exam) addresses(ctx context.Context, p place) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(p.host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := e.lookUp(ctx, p.host)
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, err
}

// resolve is what package member asks for addresses with.
func (e *exam) resolve(ctx context.Context, host string) (string, error) {
	found, err := e.addresses(ctx, place{host: host})
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return found[0].String(), nil
}

// ownAddresses are those of this machine.
func ownAddresses() (all []netip.Addr) {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range found {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, prefix.Addr().Unmap().WithZone(""))
		}
	}
	return all
}

// outward is the address at which other machines most likely reach this one.
func (e *exam) outward() string {
	i := slices.IndexFunc(e.local, func(a netip.Addr) bool { return a.Is4() && a.IsGlobalUnicast() })
	if i < 0 {
		i = slices.IndexFunc(e.local, func(a netip.Addr) bool { return a.IsGlobalUnicast() })
	}
	if i < 0 {
		return "ADDRESS"
	}
	return e.local[i].String()
}

func (e *exam) isLocal(a netip.Addr) bool { return a.IsLoopback() || slices.Contains(e.local, a) }

// away reports whether the cluster has a member on another machine.
func (e *exam) away() bool {
	return slices.ContainsFunc(e.others(), func(raw string) bool { return !placeOf(raw).home() })
}

// others are the peer URLs of the other members.
func (e *exam) others() []string { return e.cluster.Others(e.Name) }

// started reports whether the roster knows a member as one that has run.
func started(roster []member.Member, id member.ID) bool {
	m, found := inRoster(roster, id)
	return found && len(m.ClientURLs) > 0
}

func inRoster(roster []member.Member, id member.ID) (member.Member, bool) {
	i := slices.IndexFunc(roster, func(m member.Member) bool { return m.ID == id })
	if i < 0 {
		return member.Member{}, false
	}
	return roster[i], true
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
