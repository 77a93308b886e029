package discovery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Resolver answers questions about names. *net.Resolver is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (canonical string, records []*net.SRV, err error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
}

// SRVConfig says which domain names the members, and who asks.
type SRVConfig struct {
	Domain      string
	ServiceName string       // appended to the names of the services, after a dash; default: nothing
	Name        string       // of this member
	PeerURLs    []string     // it is reached at
	Outsider    bool         // serves the cluster without being of it: need not be among the members
	Resolver    Resolver     // default: net.DefaultResolver
	Logger      *slog.Logger // default: silent
}

// Why the records of a domain are of no use.
var (
	ErrNoRecords = errors.New("SRV discovery failed: too many errors querying DNS SRV records")
	ErrNotAmong  = errors.New("cannot find local etcd member")
)

// FromDNS returns the members that the SRV records of the domain name, as an
// initial cluster: first those reached by https, then those by http. DNS
// knows no names of members: the one that has an address of ours gets our
// name, the others numbers. Which number means nothing and may differ from
// member to member.
func FromDNS(ctx context.Context, c SRVConfig) (string, error) {
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := survey{config: c}
	if err := s.findOwn(ctx); err != nil {
		return "", err
	}
	secure := s.add(ctx, "etcd-server-ssl", "https")
	plain := s.add(ctx, "etcd-server", "http")
	switch {
	case ctx.Err() != nil:
		return "", ended(ctx)
	case secure != nil && plain != nil:
		c.Logger.Warn(secure.Error())
		c.Logger.Warn(plain.Error())
		return "", fmt.Errorf("%w: %w", ErrNoRecords, errors.Unwrap(plain))
	case !s.among && !c.Outsider:
		return "", fmt.Errorf("%w %q in SRV records", ErrNotAmong, c.Name)
	case len(s.members) == 0:
		return "", fmt.Errorf("%w: none of the hosts is known", ErrNoRecords)
	}
	return strings.Join(s.members, ","), nil
}

// survey is what is known of a domain so far.
type survey struct {
	config  SRVConfig
	own     []string // our addresses, IP:PORT
	among   bool     // a record has one of them
	number  int      // the next member without a name gets
	members []string // NAME=URL
}

// findOwn resolves the URLs of this member.
func (s *survey) findOwn(ctx context.Context) error {
	for _, raw := range s.config.PeerURLs {
		u, err := url.Parse(raw)
		if err != nil {
			return err
		}
		if u.Scheme != "http" && u.Scheme != "https" {
			continue // a socket has no address
		}
		found, err := s.addresses(ctx, u.Hostname(), u.Port())
		if err != nil {
			return fmt.Errorf("couldn't resolve host %s during SRV discovery: %w", u.Host, err)
		}
		s.own = append(s.own, found...)
	}
	return nil
}

// add takes in the members that one service has records of.
func (s *survey) add(ctx context.Context, service, scheme string) error {
	if s.config.ServiceName != "" {
		service += "-" + s.config.ServiceName
	}
	_, records, err := s.config.Resolver.LookupSRV(ctx, service, "tcp", s.config.Domain)
	if len(records) == 0 && err != nil { // with both, some of the records were malformed
		return fmt.Errorf("error querying DNS SRV records for _%s %w", service, err)
	}
	records = slices.SortedFunc(slices.Values(records), func(a, b *net.SRV) int {
		return cmp.Or(strings.Compare(a.Target, b.Target), cmp.Compare(a.Port, b.Port))
	})
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		port := strconv.Itoa(int(r.Port))
		found, err := s.addresses(ctx, host, port)
		if err != nil {
			s.config.Logger.Warn(fmt.Sprintf("couldn't resolve host %s during SRV discovery", net.JoinHostPort(host, port)), "error", err)
			continue
		}
		at := scheme + "://" + net.JoinHostPort(host, port)
		s.members = append(s.members, s.name(found)+"="+at)
		s.config.Logger.Info(fmt.Sprintf("discovery: got bootstrap from DNS for %s at %s", service, at))
	}
	return nil
}

// addresses are all that host stands for, each with the port.
func (s *survey) addresses(ctx context.Context, host, port string) ([]string, error) {
	found, err := s.config.Resolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, a := range found {
		all = append(all, net.JoinHostPort(a.String(), port))
	}
	return all, nil
}

// name is ours for one of our addresses, else a number that is not our name.
func (s *survey) name(at []string) string {
	for _, a := range at {
		if slices.Contains(s.own, a) {
			s.among = true
			return s.config.Name
		}
	}
	if strconv.Itoa(s.number) == s.config.Name {
		s.number++
	}
	n := strconv.Itoa(s.number)
	s.number++
	return n
}
