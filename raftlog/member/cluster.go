package member

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
)

// Cluster is who is meant to be in a cluster, as an operator writes it down:
// the peer URLs of each member, sorted, by the member's name.
type Cluster map[string][]string

// ParseCluster reads pieces of the form name=url, separated by commas. A name
// may repeat, to give a member several URLs; empty pieces do not count.
func ParseCluster(s string) (Cluster, error) {
	c := Cluster{}
	for piece := range strings.SplitSeq(s, ",") {
		if piece = strings.TrimSpace(piece); piece == "" {
			continue
		}
		name, raw, _ := strings.Cut(piece, "=")
		u, err := ParseURL(raw)
		if err != nil {
			return nil, err
		}
		c[name] = append(c[name], u)
	}
	for _, urls := range c {
		slices.Sort(urls)
	}
	return c, nil
}

// String is the text that ParseCluster reads, in the order of the names.
func (c Cluster) String() string {
	var pieces []string
	for name, urls := range c {
		for _, u := range urls {
			pieces = append(pieces, name+"="+u)
		}
	}
	slices.Sort(pieces)
	return strings.Join(pieces, ",")
}

// URLs are the peer URLs of all members, sorted.
func (c Cluster) URLs() []string {
	return slices.Sorted(slices.Values(slices.Concat(slices.Collect(maps.Values(c))...)))
}

// Others are the peer URLs of all members but the named one, sorted.
func (c Cluster) Others(name string) []string {
	others := maps.Clone(c)
	delete(others, name)
	return others.URLs()
}

// CheckName refuses a cluster that does not know the member.
func (c Cluster) CheckName(name string) error {
	if _, ok := c[name]; !ok {
		return fmt.Errorf("couldn't find local name %q in the initial cluster configuration", name)
	}
	return nil
}

// CheckDistinct refuses a cluster where a URL occurs twice.
func (c Cluster) CheckDistinct() error {
	all := c.URLs()
	if len(slices.Compact(slices.Clone(all))) < len(all) {
		return fmt.Errorf("initial cluster %v has duplicate url", c)
	}
	return nil
}

// CheckAdvertised compares the named member's URLs with those it advertises,
// host names resolved.
func (c Cluster) CheckAdvertised(ctx context.Context, name string, advertised []string, resolve Resolver) error {
	advertised = slices.Sorted(slices.Values(advertised))
	err := same(ctx, resolve, advertised, c[name])
	if err == nil {
		return nil
	}
	own := strings.Join(advertised, ",")
	if missing := without(c[name], advertised); len(missing) > 0 {
		return fmt.Errorf("--initial-cluster has %v but missing from --initial-advertise-peer-urls=%s (%w)", Cluster{name: missing}, own, err)
	}
	// etcd names what is advertised as the cluster here. People search for its
	// words, so they stay as they are.
	if missing := without(advertised, c[name]); len(missing) > 0 {
		return fmt.Errorf("--initial-advertise-peer-urls has %s but missing from --initial-cluster=%v", strings.Join(missing, ","), Cluster{name: advertised})
	}
	return fmt.Errorf("failed to resolve %s to match --initial-cluster=%v (%w)", own, Cluster{name: advertised}, err)
}

// without is what of list is not in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(u string) bool { return slices.Contains(other, u) })
}

// Match finds each member of a running cluster in c and says which IDs the
// names of c have there. Only the sets of URLs count, host names resolved; the
// names in c are the operator's own.
func (c Cluster) Match(ctx context.Context, cluster ID, running []Member, resolve Resolver) (map[string]ID, error) {
	ids, err := c.match(ctx, running, resolve)
	if err != nil {
		return nil, fmt.Errorf("error validating peerURLs %s: %w", describe(cluster, running), err)
	}
	return ids, nil
}

func (c Cluster) match(ctx context.Context, running []Member, resolve Resolver) (map[string]ID, error) {
	if len(running) != len(c) {
		return nil, errors.New("member count is unequal")
	}
	ids := map[string]ID{}
	var open []Member // not found by the text of their URLs
	for _, m := range running {
		urls := slices.Sorted(slices.Values(m.PeerURLs))
		if name, ok := c.find(func(mine []string) error { return sameText(urls, mine) }, ids); ok {
			ids[name] = m.ID
		} else {
			open = append(open, m)
		}
	}
	for _, m := range open {
		var last error
		name, ok := c.find(func(mine []string) error {
			last = same(ctx, resolve, m.PeerURLs, mine)
			return last
		}, ids)
		if !ok {
			return nil, fmt.Errorf("PeerURLs: no match found for existing member (%v, %v), last resolver error (%w)", m.ID, m.PeerURLs, last)
		}
		ids[name] = m.ID
	}
	return ids, nil
}

// find is the first name, in their order, that is not taken and whose URLs fit.
func (c Cluster) find(fit func(urls []string) error, taken map[string]ID) (string, bool) {
	for _, name := range slices.Sorted(maps.Keys(c)) {
		if _, ok := taken[name]; !ok && fit(c[name]) == nil {
			return name, true
		}
	}
	return "", false
}

// describe is a running cluster in the words of etcd's refusals.
func describe(cluster ID, running []Member) string {
	byID := slices.SortedFunc(slices.Values(running), func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	var all []string
	for _, m := range byID {
		all = append(all, fmt.Sprintf("&{ID:%v RaftAttributes:{PeerURLs:%v IsLearner:%t} Attributes:{Name:%s ClientURLs:%v}}",
			m.ID, m.PeerURLs, m.Learner, m.Name, m.ClientURLs))
	}
	return fmt.Sprintf("{ClusterID:%v Members:[%s] RemovedMemberIDs:[]}", cluster, strings.Join(all, " "))
}

// Resolver finds the address of a host name.
type Resolver func(ctx context.Context, host string) (address string, err error)

// same is nil if a and b are the same set of URLs, host names resolved, and
// otherwise says where they part. What is the same already is not resolved.
func same(ctx context.Context, resolve Resolver, a, b []string) error {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	if slices.Equal(a, b) {
		return nil
	}
	if len(a) != len(b) {
		return fmt.Errorf("len(%q) != len(%q)", a, b)
	}
	for _, list := range [][]string{a, b} {
		for i := range list {
			var err error
			if list[i], err = resolved(ctx, resolve, list[i]); err != nil {
				return err
			}
		}
		slices.Sort(list)
	}
	return sameText(a, b)
}

// sameText compares sorted lists as they are written.
func sameText(a, b []string) error {
	if len(a) != len(b) {
		return fmt.Errorf("len(%q) != len(%q)", a, b)
	}
	for i := range a {
		if a[i] != b[i] {
			return fmt.Errorf("resolved urls: %q != %q", a[i], b[i])
		}
	}
	return nil
}

// resolved is raw with its host name replaced by an address. What is none, or
// localhost, stays.
func resolved(ctx context.Context, resolve Resolver, raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	host := u.Hostname()
	if u.Scheme != "http" && u.Scheme != "https" || host == "" || host == "localhost" || net.ParseIP(host) != nil {
		return raw, nil
	}
	address, err := resolve(ctx, host)
	if err != nil {
		return "", err
	}
	u.Host = net.JoinHostPort(address, u.Port())
	return u.String(), nil
}
