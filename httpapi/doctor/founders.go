package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"keytree/discovery"
	"keytree/raftlog/member"
)

// founders looks at who is to be in the cluster.
func (e *exam) founders(ctx context.Context) []Finding {
	n := &notes{area: "initial cluster"}
	switch {
	case e.Data.Found:
		n.unchecked("the data directory has a member already, which goes on in the cluster it knows")
	case e.DiscoveryURL != "":
		n.area = "discovery"
		e.token(ctx, n)
	case e.DiscoveryDomain != "":
		n.area = "discovery"
		e.records(ctx, n)
	default:
		e.initialCluster(ctx, n)
	}
	return n.all
}

func (e *exam) initialCluster(ctx context.Context, n *notes) {
	if _, err := member.ParseCluster(e.InitialCluster); err != nil || e.cluster == nil {
		reason := "it is empty"
		if err != nil {
			reason = err.Error()
		}
		n.wrong("--initial-cluster cannot be read: "+reason, fmt.Sprintf("--initial-cluster %s", quoted(e.own().String())))
		return
	}
	before := len(n.all)
	if !e.Proxy {
		e.ownEntry(ctx, n)
	}
	if err := e.cluster.CheckDistinct(); err != nil {
		n.wrong(err.Error()+": "+strings.Join(e.twice(), ", "), "--initial-cluster with a URL of its own for each member")
	}
	e.clusterPorts(n)
	if size := len(e.cluster); size%2 == 0 && !e.Existing {
		n.warn(fmt.Sprintf("%d members bear no more failures than %d, and there is one more to fail: add one or leave one out", size, size-1),
			fmt.Sprintf("--initial-cluster with %d or %d members", size-1, size+1))
	}
	switch {
	case len(n.all) > before:
	case len(e.cluster) == 1:
		n.ok("%s alone: with it goes the cluster", e.Name)
	default:
		n.ok("%d members: %s", len(e.cluster), strings.Join(slices.Sorted(maps.Keys(e.cluster)), ", "))
	}
}

// own is the cluster of this member alone.
func (e *exam) own() member.Cluster { return member.Cluster{e.Name: e.AdvertisePeer} }

// ownEntry compares what the cluster says of this member with what it says itself.
func (e *exam) ownEntry(ctx context.Context, n *notes) {
	if err := e.cluster.CheckName(e.Name); err != nil {
		mend := []string{fmt.Sprintf("--initial-cluster %s", quoted(e.InitialCluster+","+e.own().String()))}
		for name, urls := range e.cluster {
			if slices.Equal(urls, e.AdvertisePeer) {
				mend = []string{"--name " + quoted(name)}
			}
		}
		n.wrong(err.Error(), mend...)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := e.cluster.CheckAdvertised(ctx, e.Name, e.AdvertisePeer, e.resolve); err != nil {
		n.wrong(err.Error(), "--initial-advertise-peer-urls "+quoted(strings.Join(e.cluster[e.Name], ",")))
	}
}

// twice are the URLs that occur more than once, with the names of their members.
func (e *exam) twice() (all []string) {
	names := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(e.cluster)) {
		for _, raw := range e.cluster[name] {
			names[raw] = append(names[raw], name)
		}
	}
	for _, raw := range slices.Sorted(maps.Keys(names)) {
		if len(names[raw]) > 1 {
			all = append(all, raw+" of "+strings.Join(names[raw], " and "))
		}
	}
	return all
}

// clusterPorts finds URLs of clients where those of peers belong, and
// members that encrypt beside others that do not.
func (e *exam) clusterPorts(n *notes) {
	schemes := map[string]bool{}
	for _, raw := range e.cluster.URLs() {
		p := placeOf(raw)
		schemes[p.scheme] = true
		if p.port == "2379" || p.port == "4001" || slices.Contains(e.ListenClient, raw) || slices.Contains(e.AdvertiseClient, raw) {
			n.wrong(fmt.Sprintf("%s is where clients are answered: members meet at their peer URLs", raw),
				"--initial-cluster with "+quoted(place{scheme: p.scheme, port: "2380"}.at(p.host)))
		}
	}
	if schemes["http"] && schemes["https"] {
		n.warn("some peer URLs are https and some http: what the latter send can be read on the way", "--initial-cluster with https for all")
	}
}

// token asks the discovery service for the token.
func (e *exam) token(ctx context.Context, n *notes) {
	u, err := url.Parse(e.DiscoveryURL)
	if err != nil || u.Host == "" {
		n.wrong("--discovery is not a URL of a token", "--discovery http://HOST:2379/v2/keys/discovery/TOKEN")
		return
	}
	shown := strings.TrimSuffix(u.Redacted(), "/")
	var size, all struct {
		Node struct {
			Value string
			Nodes []struct{ Key, Value string }
		}
	}
	status, err := e.askToken(ctx, "/_config/size", &size)
	switch number, bad := strconv.Atoi(size.Node.Value); {
	case err != nil:
		n.wrong(fmt.Sprintf("%s does not answer: %v", shown, err), "curl -v "+quoted(shown+"/_config/size"))
		return
	case status != http.StatusOK || bad != nil || number < 1:
		n.wrong(fmt.Sprintf("%s does not say how many members there are to be (%d %s)", shown, status, http.StatusText(status)),
			fmt.Sprintf("curl -X PUT %s -d value=3", quoted(shown+"/_config/size")))
		return
	default:
		if _, err := e.askToken(ctx, "", &all); err != nil {
			n.wrong(fmt.Sprintf("%s does not answer: %v", shown, err), "curl -v "+quoted(shown))
			return
		}
		there := len(all.Node.Nodes)
		own := slices.ContainsFunc(all.Node.Nodes, func(one struct{ Key, Value string }) bool { return strings.HasPrefix(one.Value, e.Name+"=") })
		switch {
		case own:
			n.wrong(fmt.Sprintf("%s has a member called %s already: a second one is refused", shown, e.Name), "--discovery with a new token")
		case there >= number:
			n.warn(fmt.Sprintf("%s has all of its %d members: there is place for proxies only", shown, number), "--discovery with a new token")
		default:
			n.ok("%s: %d of %d members have come", shown, there, number)
		}
	}
}

func (e *exam) askToken(ctx context.Context, key string, into any) (status int, err error) {
	t := &http.Transport{DialContext: e.dial}
	if e.DiscoveryProxy != "" {
		raw := e.DiscoveryProxy
		if !strings.Contains(raw, "://") {
			raw = "http://" + raw
		}
		u, err := url.Parse(raw)
		if err != nil {
			return 0, errors.New("--discovery-proxy is not a URL")
		}
		t.Proxy = http.ProxyURL(u)
	}
	defer t.CloseIdleConnections()
	status, body, _, err := fetch(ctx, &http.Client{Transport: t}, strings.TrimSuffix(e.DiscoveryURL, "/")+key, "")
	if err == nil && status == http.StatusOK && json.Unmarshal(body, into) != nil {
		err = errors.New("it answers with something else than keys")
	}
	return status, err
}

// records asks the domain name system for the members.
func (e *exam) records(ctx context.Context, n *notes) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	text, err := discovery.FromDNS(ctx, discovery.SRVConfig{
		Domain: e.DiscoveryDomain, ServiceName: e.DiscoveryName, Name: e.Name, PeerURLs: e.AdvertisePeer, Outsider: e.Proxy,
	})
	found, bad := member.ParseCluster(text)
	if err != nil || bad != nil {
		service, p := "etcd-server", place{host: "HOST", port: "2380"}
		if len(e.AdvertisePeer) > 0 {
			p = placeOf(e.AdvertisePeer[0])
		}
		if p.secure() {
			service += "-ssl"
		}
		if e.DiscoveryName != "" {
			service += "-" + e.DiscoveryName
		}
		n.wrong(fmt.Sprintf("%s has no SRV records that name this member: %v", e.DiscoveryDomain, err),
			fmt.Sprintf("_%s._tcp.%s. 300 IN SRV 0 0 %s %s.", service, e.DiscoveryDomain, p.port, p.host),
			fmt.Sprintf("dig +short SRV _%s._tcp.%s", service, e.DiscoveryDomain))
		return
	}
	e.discovered = found
	n.ok("%s names %d members: %s", e.DiscoveryDomain, len(found), found)
}

// maxBody bounds what is read of an answer.
const maxBody = 8 << 20

// fetch asks in GET, and is done within patience. An empty host is that of the URL.
func fetch(ctx context.Context, client *http.Client, target, host string) (status int, body []byte, header http.Header, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	r.Host = host
	a, err := client.Do(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer a.Body.Close()
	body, err = io.ReadAll(io.LimitReader(a.Body, maxBody))
	return a.StatusCode, body, a.Header, err
}
