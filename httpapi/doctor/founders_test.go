package doctor

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheInitialClusterMustFitThisMember(t *testing.T) {
	const own = "http://192.0.2.1:2380"
	for _, tt := range []struct {
		name, cluster string
		state         State
		words         []string
	}{
		{"one", "n1=" + own, OK, []string{"alone"}},
		{"three", "n1=" + own + ",n2=http://192.0.2.2:2380,n3=http://192.0.2.3:2380", OK, []string{"3 members: n1, n2, n3"}},
		{"no URLs", "n1", Wrong, []string{"cannot be read", "-> --initial-cluster n1=" + own}},
		{"empty", "", Wrong, []string{"cannot be read"}},
		{"without this one", "n2=http://192.0.2.2:2380", Wrong, []string{`couldn't find local name "n1"`, "-> --initial-cluster n2=http://192.0.2.2:2380,n1=" + own}},
		{"this one under another name", "node-1=" + own, Wrong, []string{"couldn't find", "-> --name node-1"}},
		{"this one at another URL", "n1=http://192.0.2.1:2381", Wrong, []string{"missing from --initial-advertise-peer-urls", "-> --initial-advertise-peer-urls http://192.0.2.1:2381"}},
		{"a URL twice", "n1=" + own + ",n2=" + own + ",n3=http://192.0.2.3:2380", Wrong, []string{"duplicate", own + " of n1 and n2"}},
		{"two", "n1=" + own + ",n2=http://192.0.2.2:2380", Warning, []string{"2 members", "1 or 3"}},
		{"four", "n1=" + own + ",n2=http://192.0.2.2:2380,n3=http://192.0.2.3:2380,n4=http://192.0.2.4:2380", Warning, []string{"4 members"}},
		{"a client's port", "n1=" + own + ",n2=http://192.0.2.2:2379,n3=http://192.0.2.3:2380", Wrong, []string{"where clients are answered", "http://192.0.2.2:2380"}},
		{"both schemes", "n1=" + own + ",n2=https://192.0.2.2:2380,n3=http://192.0.2.3:2380", Warning, []string{"some peer URLs are https"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := examOf(Subject{Name: "n1", InitialCluster: tt.cluster, AdvertisePeer: []string{own}})
			all := e.founders(t.Context())
			mustFind(t, all, tt.state, tt.words...)
			if tt.state == OK {
				mustBeFine(t, all)
			}
		})
	}
}

func TestWhoLivesInADirectoryIsPastFounding(t *testing.T) {
	e := examOf(Subject{Name: "n1", InitialCluster: "other=http://x:1", Data: Data{Found: true}})
	mustFind(t, e.founders(t.Context()), Unchecked, "has a member already")
}

// tokens is a discovery service with one token for a number of members.
func tokens(t *testing.T, size string, members ...string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token/_config/size" && size != "":
			_, _ = w.Write([]byte(`{"node":{"value":"` + size + `"}}`))
		case r.URL.Path == "/token":
			var nodes []string
			for _, m := range members {
				nodes = append(nodes, `{"key":"/token/1","value":"`+m+`"}`)
			}
			_, _ = w.Write([]byte(`{"node":{"nodes":[` + strings.Join(nodes, ",") + `]}}`))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/token"
}

func TestADiscoveryTokenMustHavePlaces(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		state     State
		words     []string
	}{
		{"places left", tokens(t, "3", "n2=http://x:1"), OK, []string{"1 of 3"}},
		{"no size", tokens(t, ""), Wrong, []string{"404", "-> curl -X PUT", "/_config/size -d value=3"}},
		{"a size that is none", tokens(t, "many"), Wrong, []string{"how many"}},
		{"full", tokens(t, "1", "n2=http://x:1"), Warning, []string{"all of its 1 members"}},
		{"registered before", tokens(t, "3", "n1=http://x:1"), Wrong, []string{"n1 already"}},
		{"nobody there", "http://127.0.0.1:1/token", Wrong, []string{"does not answer", "-> curl -v"}},
		{"no URL", "token", Wrong, []string{"not a URL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := examOf(Subject{Name: "n1", DiscoveryURL: tt.url}).founders(t.Context())
			mustFind(t, all, tt.state, tt.words...)
		})
	}
}

func TestThePasswordOfADiscoveryURLIsNotShown(t *testing.T) {
	all := examOf(Subject{Name: "n1", DiscoveryURL: "http://me:hidden@127.0.0.1:1/token"}).founders(t.Context())
	mustFind(t, all, Wrong, "me:xxxxx@")
	if strings.Contains(shown(all), "hidden") {
		t.Errorf("it is:\n%s", shown(all))
	}
}

func TestADiscoveryServiceThatIsSilentIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := examOf(Subject{Name: "n1", DiscoveryURL: "http://192.0.2.9:2379/token", dial: newMemoryNet().dial})
		began := time.Now()
		mustFind(t, e.founders(t.Context()), Wrong, "does not answer")
		if took := time.Since(began); took != patience {
			t.Errorf("it took %v", took)
		}
	})
}

func TestADomainWithoutRecordsIsToldWithTheOneItNeeds(t *testing.T) {
	e := examOf(Subject{Name: "n1", DiscoveryDomain: "example.invalid", DiscoveryName: "blue", AdvertisePeer: []string{"https://127.0.0.1:2380"}})
	mustFind(t, e.founders(t.Context()), Wrong, "no SRV records", "-> _etcd-server-ssl-blue._tcp.example.invalid. 300 IN SRV 0 0 2380 127.0.0.1.")
}
