package discovery

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// zone is a Resolver of what it holds: the records of services as
// HOST:PORT words, and the addresses of hosts.
type zone struct {
	services map[string]string
	hosts    map[string]string
}

func (z zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	at := "_" + service + "._" + proto + "." + name
	text, found := z.services[at]
	if !found {
		return "", nil, &net.DNSError{Err: "no such host", Name: at, IsNotFound: true}
	}
	var records []*net.SRV
	for _, word := range strings.Fields(text) {
		host, port, err := net.SplitHostPort(word)
		if err != nil {
			return "", nil, err
		}
		n, err := net.LookupPort("tcp", port)
		if err != nil {
			return "", nil, err
		}
		records = append(records, &net.SRV{Target: host, Port: uint16(n)})
	}
	return at, records, nil
}

func (z zone) LookupIPAddr(_ context.Context, host string) ([]net.IPAddr, error) {
	if ip := net.ParseIP(host); ip != nil {
		return []net.IPAddr{{IP: ip}}, nil
	}
	var all []net.IPAddr
	for _, word := range strings.Fields(z.hosts[host]) {
		all = append(all, net.IPAddr{IP: net.ParseIP(word)})
	}
	if all == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return all, nil
}

const (
	plainService  = "_etcd-server._tcp.example.com"
	secureService = "_etcd-server-ssl._tcp.example.com"
)

var exampleHosts = map[string]string{"a.example.com": "10.0.0.1", "b.example.com": "10.0.0.2 10.1.0.2", "c.example.com": "10.0.0.3"}

func TestMembersAreFoundInTheRecordsOfADomain(t *testing.T) {
	tests := []struct {
		name     string
		services map[string]string
		change   func(*SRVConfig)
		want     string
	}{
		{"by name", map[string]string{plainService: "a.example.com.:2380 b.example.com.:2380 c.example.com.:2380"}, nil,
			"0=http://a.example.com:2380,m=http://b.example.com:2380,1=http://c.example.com:2380"},
		{"in the order of hosts", map[string]string{plainService: "c.example.com:1 a.example.com:3 b.example.com:2380 a.example.com:2"}, nil,
			"0=http://a.example.com:2,1=http://a.example.com:3,m=http://b.example.com:2380,2=http://c.example.com:1"},
		{"both services", map[string]string{secureService: "a.example.com:2380", plainService: "b.example.com:2380"}, nil,
			"0=https://a.example.com:2380,m=http://b.example.com:2380"},
		{"one service fails", map[string]string{secureService: "b.example.com:2380"}, nil, "m=https://b.example.com:2380"},
		{"the port counts", map[string]string{plainService: "b.example.com:2379 b.example.com:2380"}, nil,
			"0=http://b.example.com:2379,m=http://b.example.com:2380"},
		{"another name of ours", map[string]string{plainService: "a.example.com:2380"},
			func(c *SRVConfig) { c.PeerURLs = []string{"http://10.0.0.9:2380", "http://10.0.0.1:2380"} }, "m=http://a.example.com:2380"},
		{"an address as host", map[string]string{plainService: "10.1.0.2:2380"}, nil, "m=http://10.1.0.2:2380"},
		{"IPv6", map[string]string{plainService: "[fd00::1]:2380"},
			func(c *SRVConfig) { c.PeerURLs = []string{"http://[fd00:0::1]:2380"} }, "m=http://[fd00::1]:2380"},
		{"a name of the service", map[string]string{"_etcd-server-blue._tcp.example.com": "b.example.com:2380", plainService: "a.example.com:2380"},
			func(c *SRVConfig) { c.ServiceName = "blue" }, "m=http://b.example.com:2380"},
		{"our name is a number", map[string]string{plainService: "a.example.com:2380 b.example.com:2380 c.example.com:2380"},
			func(c *SRVConfig) { c.Name = "1" }, "0=http://a.example.com:2380,1=http://b.example.com:2380,2=http://c.example.com:2380"},
		{"an outsider", map[string]string{plainService: "a.example.com:2380 c.example.com:2380"},
			func(c *SRVConfig) { c.Outsider, c.PeerURLs = true, nil }, "0=http://a.example.com:2380,1=http://c.example.com:2380"},
		{"a socket", map[string]string{plainService: "b.example.com:2380"},
			func(c *SRVConfig) { c.PeerURLs = append(c.PeerURLs, "unix://socket:1") }, "m=http://b.example.com:2380"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := SRVConfig{Domain: "example.com", Name: "m", PeerURLs: []string{"http://b.example.com:2380"}, Resolver: zone{tt.services, exampleHosts}}
			if tt.change != nil {
				tt.change(&c)
			}
			got, err := FromDNS(t.Context(), c)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestADomainWithoutUseIsExplained(t *testing.T) {
	tests := []struct {
		name     string
		services map[string]string
		peer     string
		outsider bool
		err      error
		text     string
	}{
		{"no records", nil, "http://b.example.com:2380", false, ErrNoRecords, "SRV discovery failed: too many errors querying DNS SRV records: lookup " + plainService},
		{"we are not there", map[string]string{plainService: "a.example.com:2380"}, "http://b.example.com:2380", false,
			ErrNotAmong, `cannot find local etcd member "m" in SRV records`},
		{"we are there at another port", map[string]string{plainService: "b.example.com:2381"}, "http://b.example.com:2380", false,
			ErrNotAmong, `cannot find local etcd member "m" in SRV records`},
		{"we are nowhere", map[string]string{plainService: "a.example.com:2380"}, "http://x.example.com:2380", false,
			nil, "couldn't resolve host x.example.com:2380 during SRV discovery"},
		{"nobody is known", map[string]string{plainService: "x.example.com:2380"}, "http://b.example.com:2380", true, ErrNoRecords, "none of the hosts is known"},
		{"our URL is none", nil, "http://b:x", false, nil, "invalid port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := SRVConfig{Domain: "example.com", Name: "m", PeerURLs: []string{tt.peer}, Outsider: tt.outsider, Resolver: zone{tt.services, exampleHosts}}
			got, err := FromDNS(t.Context(), c)
			if err == nil || got != "" || tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %q, error %v, want %v with %q", got, err, tt.err, tt.text)
			}
		})
	}
}

func TestTheSearchInADomainIsLogged(t *testing.T) {
	search := func(services map[string]string) string {
		var log bytes.Buffer
		_, _ = FromDNS(t.Context(), SRVConfig{ // other tests look at what is found
			Domain: "example.com", Name: "m", PeerURLs: []string{"http://b.example.com:2380"}, Resolver: zone{services, exampleHosts},
			Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		})
		return log.String()
	}
	got := search(map[string]string{plainService: "b.example.com.:2380 x.example.com.:2380"})
	want := `level=INFO msg="discovery: got bootstrap from DNS for etcd-server at http://b.example.com:2380"
level=WARN msg="couldn't resolve host x.example.com:2380 during SRV discovery" error="lookup x.example.com: no such host"
`
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
	got = search(nil)
	want = `level=WARN msg="error querying DNS SRV records for _etcd-server-ssl lookup _etcd-server-ssl._tcp.example.com: no such host"
level=WARN msg="error querying DNS SRV records for _etcd-server lookup _etcd-server._tcp.example.com: no such host"
`
	if got != want {
		t.Errorf("got:\n%swant:\n%s", got, want)
	}
}

func TestASearchInADomainEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := FromDNS(ctx, SRVConfig{Domain: "example.com", Name: "m", Resolver: zone{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %q, %v", got, err)
	}
}
