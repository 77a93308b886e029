package member

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
)

// addresses is a Resolver that knows these hosts.
func addresses(known map[string]string) Resolver {
	return func(_ context.Context, host string) (string, error) {
		if a, ok := known[host]; ok {
			return a, nil
		}
		return "", errors.New("lookup " + host + ": no such host")
	}
}

var noNames = addresses(nil)

func mustParseCluster(t *testing.T, s string) Cluster {
	t.Helper()
	c, err := ParseCluster(s)
	if err != nil {
		t.Fatalf("ParseCluster(%q): %v", s, err)
	}
	return c
}

func TestTheInitialClusterIsReadAsEtcdReadsIt(t *testing.T) {
	tests := []struct{ text, want string }{
		{"default=http://localhost:2380", "default=http://localhost:2380"},
		{"b=http://h:2,a=http://h:1", "a=http://h:1,b=http://h:2"},
		{"a=http://h:2,b=http://h:3,a=http://h:1", "a=http://h:1,a=http://h:2,b=http://h:3"}, // a name repeats
		{",,a=http://h:1,,", "a=http://h:1"},
		{" a=http://h:1 , b= http://h:2", "a=http://h:1,b=http://h:2"},
		{"=http://h:1", "=http://h:1"},
		{"", ""},
		{",", ""},
	}
	for _, tt := range tests {
		if got := mustParseCluster(t, tt.text).String(); got != tt.want {
			t.Errorf("ParseCluster(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

// The texts are those etcd 3.4.23 printed for the same flags.
func TestAnInitialClusterThatCannotBeReadIsRefused(t *testing.T) {
	const scheme = "URL scheme must be http, https, unix, or unixs: "
	tests := []struct{ text, want string }{
		{"default", scheme},
		{"default=", scheme},
		{"http://127.0.0.1:29502", scheme},
		{"127.0.0.1:29502", scheme},
		{"a=http://h:1,x", scheme},
		{"default=127.0.0.1:29502", `parse "127.0.0.1:29502": first path segment in URL cannot contain colon`},
		{"default=http://127.0.0.1:29502=x", `parse "http://127.0.0.1:29502=x": invalid port ":29502=x" after host`},
		{"default=http://127.0.0.1:29502/", "URL must not contain a path: http://127.0.0.1:29502/"},
		{"default=http://127.0.0.1", `URL address does not have the form "host:port": http://127.0.0.1`},
	}
	for _, tt := range tests {
		if _, err := ParseCluster(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("ParseCluster(%q): %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestTheURLsOfAClusterAreSorted(t *testing.T) {
	c := mustParseCluster(t, "b=http://h:3,a=http://h:2,b=http://h:1,=http://h:4")
	if got, want := c.URLs(), []string{"http://h:1", "http://h:2", "http://h:3", "http://h:4"}; !slices.Equal(got, want) {
		t.Errorf("all: %v, want %v", got, want)
	}
	if got, want := c.Others("b"), []string{"http://h:2", "http://h:4"}; !slices.Equal(got, want) {
		t.Errorf("all but b's: %v, want %v", got, want)
	}
}

func TestAClusterWithoutTheMemberIsRefused(t *testing.T) {
	c := mustParseCluster(t, "my-etcd-1=http://h:1")
	const want = `couldn't find local name "myetcd1" in the initial cluster configuration`
	if err := c.CheckName("myetcd1"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := c.CheckName("my-etcd-1"); err != nil {
		t.Error(err)
	}
}

func TestAURLThatOccursTwiceIsRefused(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"default=http://h:1,b=http://h:1", "initial cluster b=http://h:1,default=http://h:1 has duplicate url"},
		{"a=http://h:1,a=http://h:1", "initial cluster a=http://h:1,a=http://h:1 has duplicate url"},
		{"a=http://h:1,b=http://g:1", ""},
	} {
		err := mustParseCluster(t, tt.text).CheckDistinct()
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		}
	}
}

// The texts are those etcd 3.4.23 printed for the same flags.
func TestTheOwnEntryMustBeWhatIsAdvertised(t *testing.T) {
	resolve := addresses(map[string]string{"node1": "127.0.0.1", "node2": "127.0.0.2", "six": "::1"})
	const a, b, c = "http://127.0.0.1:29502", "http://127.0.0.1:29503", "http://127.0.0.1:29504"
	tests := []struct {
		name, cluster string
		advertised    []string
		want          string
	}{
		{"the same", "default=" + a, []string{a}, ""},
		{"in another order", "default=" + b + ",default=" + a, []string{b, a}, ""},
		{"an address for a name", "default=" + a, []string{"http://node1:29502"}, ""},
		{"a name for an address", "default=http://node1:29502", []string{a}, ""},
		{"an address of the longer kind", "default=http://[::1]:29502", []string{"http://six:29502"}, ""},
		{"a name nobody knows, twice", "default=http://nobody:1", []string{"http://nobody:1"}, ""},
		{"another port", "default=" + b, []string{a},
			"--initial-cluster has default=" + b + " but missing from --initial-advertise-peer-urls=" + a + ` (resolved urls: "` + a + `" != "` + b + `")`},
		{"one too many in the list", "default=" + a + ",default=" + b, []string{a},
			"--initial-cluster has default=" + b + " but missing from --initial-advertise-peer-urls=" + a + ` (len(["` + a + `"]) != len(["` + a + `" "` + b + `"]))`},
		{"one of two differs", "default=" + a + ",default=" + b, []string{a, c},
			"--initial-cluster has default=" + b + " but missing from --initial-advertise-peer-urls=" + a + "," + c + ` (resolved urls: "` + c + `" != "` + b + `")`},
		{"one too few in the list", "default=" + a, []string{a, b},
			"--initial-advertise-peer-urls has " + b + " but missing from --initial-cluster=default=" + a + ",default=" + b},
		{"listed twice", "default=" + a + ",default=" + a, []string{a},
			"failed to resolve " + a + " to match --initial-cluster=default=" + a + ` (len(["` + a + `"]) != len(["` + a + `" "` + a + `"]))`},
		{"localhost is no name", "default=http://localhost:29502", []string{a},
			"--initial-cluster has default=http://localhost:29502 but missing from --initial-advertise-peer-urls=" + a + ` (resolved urls: "` + a + `" != "http://localhost:29502")`},
		{"another host", "default=http://node2:29502", []string{a},
			"--initial-cluster has default=http://node2:29502 but missing from --initial-advertise-peer-urls=" + a + ` (resolved urls: "` + a + `" != "http://127.0.0.2:29502")`},
		{"a name nobody knows", "default=http://nobody:29502", []string{a},
			"--initial-cluster has default=http://nobody:29502 but missing from --initial-advertise-peer-urls=" + a + " (lookup nobody: no such host)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := mustParseCluster(t, tt.cluster).CheckAdvertised(t.Context(), "default", tt.advertised, resolve)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestARunningClusterIsFoundByItsURLs(t *testing.T) {
	running := []Member{
		{ID: 7, Name: "n0", PeerURLs: []string{"http://127.0.0.1:1"}},
		{ID: 3, PeerURLs: []string{"http://node2:2", "http://127.0.0.1:2"}},
		{ID: 5, Name: "n2", PeerURLs: []string{"http://127.0.0.1:3"}},
	}
	c := mustParseCluster(t, "x=http://127.0.0.1:3,y=http://127.0.0.2:2,y=http://node1:2,n2=http://127.0.0.1:1")
	resolve := addresses(map[string]string{"node1": "127.0.0.1", "node2": "127.0.0.2"})
	ids, err := c.Match(t.Context(), 9, running, resolve)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]ID{"x": 5, "y": 3, "n2": 7}; !maps.Equal(ids, want) {
		t.Errorf("%v, want %v", ids, want)
	}
}

// A host that is gone, with its name, must not keep others from joining.
func TestNamesThatFitAsTheyAreAreNotLookedUp(t *testing.T) {
	c := mustParseCluster(t, "a=http://gone:1,b=http://127.0.0.1:2")
	running := []Member{{ID: 1, PeerURLs: []string{"http://node2:2"}}, {ID: 2, PeerURLs: []string{"http://gone:1"}}}
	ids, err := c.Match(t.Context(), 9, running, addresses(map[string]string{"node2": "127.0.0.1"}))
	if err != nil || ids["a"] != 2 || ids["b"] != 1 {
		t.Errorf("%v, %v", ids, err)
	}
}

// The texts are those etcd 3.4.23 printed for the same clusters.
func TestARunningClusterThatIsAnotherIsRefused(t *testing.T) {
	const first = "&{ID:83ff390729a4c2c5 RaftAttributes:{PeerURLs:[http://127.0.0.1:29502] IsLearner:false} Attributes:{Name:n0 ClientURLs:[http://127.0.0.1:29501]}}"
	const added = "&{ID:6d2ead68bb19764 RaftAttributes:{PeerURLs:[http://127.0.0.1:29512] IsLearner:false} Attributes:{Name: ClientURLs:[]}}"
	n0 := Member{ID: 0x83ff390729a4c2c5, Name: "n0", PeerURLs: []string{"http://127.0.0.1:29502"}, ClientURLs: []string{"http://127.0.0.1:29501"}}
	n1 := Member{ID: 0x6d2ead68bb19764, PeerURLs: []string{"http://127.0.0.1:29512"}}
	tests := []struct {
		name, cluster string
		running       []Member
		want          string
	}{
		{"not added yet", "n0=http://127.0.0.1:29502,n1=http://127.0.0.1:29512", []Member{n0},
			"error validating peerURLs {ClusterID:7a9afed72cf046ff Members:[" + first + "] RemovedMemberIDs:[]}: member count is unequal"},
		{"list incomplete", "n1=http://127.0.0.1:29512", []Member{n0, n1},
			"error validating peerURLs {ClusterID:7a9afed72cf046ff Members:[" + added + " " + first + "] RemovedMemberIDs:[]}: member count is unequal"},
		{"another URL", "n0=http://127.0.0.1:29502,n1=http://127.0.0.1:29513", []Member{n0, n1},
			"error validating peerURLs {ClusterID:7a9afed72cf046ff Members:[" + added + " " + first + "] RemovedMemberIDs:[]}: " +
				`PeerURLs: no match found for existing member (6d2ead68bb19764, [http://127.0.0.1:29512]), last resolver error (resolved urls: "http://127.0.0.1:29512" != "http://127.0.0.1:29513")`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mustParseCluster(t, tt.cluster).Match(t.Context(), 0x7a9afed72cf046ff, tt.running, noNames)
			if err == nil || err.Error() != tt.want {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
}
