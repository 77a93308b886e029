package doctor

import "testing"

func TestAdvertisedURLsMustLeadOthersHere(t *testing.T) {
	const two = "n1=http://192.0.2.1:2380,n2=http://192.0.2.2:2380,n3=http://192.0.2.3:2380"
	for _, tt := range []struct {
		name, advertised, listening, cluster string
		state                                State
		words                                []string
	}{
		{"an address of this machine", "http://192.0.2.1:2379", "http://0.0.0.0:2379", two, OK, []string{"for clients"}},
		{"a name of this machine", "http://here:2379", "http://192.0.2.1:2379", two, OK, nil},
		{"all on this machine", "http://localhost:2379", "http://localhost:2379", "n1=http://localhost:2380", OK, nil},
		{"a socket", "unix:///run/k.sock", "unix:///run/k.sock", two, OK, []string{"socket"}},
		{"every address", "http://0.0.0.0:2379", "http://0.0.0.0:2379", two, Wrong, []string{"no address", "-> --advertise-client-urls http://192.0.2.1:2379"}},
		{"every address of IPv6", "http://[::]:2379", "http://[::]:2379", two, Wrong, []string{"no address"}},
		{"home in a cluster", "http://localhost:2379", "http://localhost:2379", two, Wrong, []string{"to themselves"}},
		{"home, but open to others", "http://127.0.0.1:2379", "http://0.0.0.0:2379", "n1=http://localhost:2380", Warning, []string{"though it listens"}},
		{"an unknown name", "http://nowhere:2379", "http://0.0.0.0:2379", two, Wrong, []string{"not known", "-> getent hosts nowhere"}},
		{"another machine's", "http://there:2379", "http://0.0.0.0:2379", two, Warning, []string{"no address of this machine"}},
		{"another port", "http://192.0.2.1:12379", "http://192.0.2.1:2379", two, Warning, []string{"does not listen there", "-> --listen-client-urls http://192.0.2.1:12379"}},
		{"another address", "http://192.0.2.1:2379", "http://127.0.0.1:2379", two, Warning, []string{"does not listen there"}},
		{"another scheme", "https://192.0.2.1:2379", "http://0.0.0.0:2379", two, Wrong, []string{"speaks http", "-> --advertise-client-urls http://192.0.2.1:2379"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := examOf(Subject{Name: "n1", InitialCluster: tt.cluster, AdvertiseClient: []string{tt.advertised}, ListenClient: []string{tt.listening}})
			all := e.advertised(t.Context())
			mustFind(t, all, tt.state, tt.words...)
			if len(all) != 1 {
				t.Errorf("it is told of more than once:\n%s", shown(all))
			}
		})
	}
}

func TestAProxyAdvertisesNothing(t *testing.T) {
	e := examOf(Subject{Proxy: true, AdvertiseClient: []string{"http://0.0.0.0:1"}})
	mustFind(t, e.advertised(t.Context()), Unchecked, "a proxy")
}
