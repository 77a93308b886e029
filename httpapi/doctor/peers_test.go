package doctor

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/httpapi/tlsfiles"
	"keytree/httpapi/tlsfiles/certtest"
	"keytree/raftlog/member"
)

const (
	url1, url2, url3 = "http://192.0.2.1:2380", "http://192.0.2.2:2380", "http://192.0.2.3:2380"
	three            = "n1=" + url1 + ",n2=" + url2 + ",n3=" + url3
)

func idOf(raw string) member.ID { return member.NewID([]string{raw}, "t") }

// clusterOf is the ID of the cluster that three founds.
func clusterOf() member.ID {
	return member.NewClusterID([]member.ID{idOf(url1), idOf(url2), idOf(url3)})
}

// fakePeer answers as a peer does.
type fakePeer struct {
	cluster member.ID
	roster  []member.Member
	version string // of /version; empty: Keytree's
	delay   time.Duration
	ahead   time.Duration
	noProbe bool // it tells the time in Date only
}

// known is a member that has started.
func known(name, raw string) member.Member {
	return member.Member{ID: idOf(raw), Name: name, PeerURLs: []string{raw}, ClientURLs: []string{strings.Replace(raw, "2380", "2379", 1)}}
}

func (p fakePeer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	time.Sleep(p.delay / 2)
	defer time.Sleep(p.delay / 2) // nothing is sent before
	switch r.URL.Path {
	case "/members":
		w.Header().Set("X-Etcd-Cluster-Id", p.cluster.String())
		var all []string
		for _, m := range p.roster {
			clients := ""
			if len(m.ClientURLs) > 0 {
				clients = fmt.Sprintf(`,"clientURLs":[%q]`, m.ClientURLs[0])
			}
			all = append(all, fmt.Sprintf(`{"id":%d,"name":%q,"peerURLs":[%q]%s}`, uint64(m.ID), m.Name, m.PeerURLs[0], clients))
		}
		fmt.Fprintf(w, "[%s]", strings.Join(all, ","))
	case "/version":
		if p.version == "" {
			p.version = `{"etcdserver":"3.4.23","etcdcluster":"3.4.0","keytree":"0.1.0"}`
		}
		fmt.Fprint(w, p.version)
	case "/raft/probing":
		now := time.Now().Add(p.ahead)
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		if p.noProbe {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprintf(w, `{"OK":true,"Now":%q}`, now.Format(time.RFC3339Nano))
	}
}

// ask has n1 ask a peer at url2 that is as it is.
func ask(t *testing.T, s Subject, p http.Handler) (all []Finding) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		network.serve(t, "192.0.2.2:2380", p)
		s.dial = network.dial
		all = examOf(s).peers(t.Context())
	})
	return all
}

// founder is n1 of two, so that there is one to ask.
func founder() Subject {
	return Subject{Name: "n1", Token: "t", InitialCluster: "n1=" + url1 + ",n2=" + url2, AdvertisePeer: []string{url1}, DataDir: "/nonexistent/d",
		Heartbeat: 100 * time.Millisecond, Election: time.Second}
}

// pair is the ID of the cluster that founder is of.
func pair() member.ID { return member.NewClusterID([]member.ID{idOf(url1), idOf(url2)}) }

func TestAPeerOfTheSameClusterNearbyIsFine(t *testing.T) {
	s := founder()
	s.Data = Data{Found: true, Member: idOf(url1), Cluster: pair()}
	all := ask(t, s, fakePeer{cluster: pair(), roster: []member.Member{known("n1", url1), known("n2", url2)}, delay: 3 * time.Millisecond})
	mustBeFine(t, all)
	mustFind(t, all, OK, "n2 at "+url2, "answers within 3ms", "clock 0s off")
}

func TestAPeerThatIsFarOrSlowIsTold(t *testing.T) {
	p := fakePeer{cluster: pair(), delay: 142 * time.Millisecond}
	mustFind(t, ask(t, founder(), p), Warning, "takes 142ms", "heartbeat interval of 100ms", "-> --heartbeat-interval 150 --election-timeout 1500")
}

func TestClocksThatAreApartAreTold(t *testing.T) {
	p := fakePeer{cluster: pair(), delay: 40 * time.Millisecond}
	for ahead, want := range map[time.Duration]State{900 * time.Millisecond: OK, -5 * time.Second: Warning, 5 * time.Second: Warning} {
		p.ahead = ahead
		words := []string{"n2"}
		if want == Warning {
			words = append(words, "is 5s off", "-> sudo timedatectl set-ntp true")
		}
		mustFind(t, ask(t, founder(), p), want, words...)
	}
	p.noProbe, p.ahead = true, 5*time.Second
	mustFind(t, ask(t, founder(), p), Warning, "n2 at "+url2+" is about ")
	p.ahead = 0
	mustFind(t, ask(t, founder(), p), OK, "clock about ")
}

func TestAPeerThatIsSilentIsNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := founder()
		s.InitialCluster = three
		s.dial = newMemoryNet().dial
		began := time.Now()
		all := examOf(s).peers(t.Context())
		mustFind(t, all, Wrong, "n2 at "+url2, "within 2s", "firewall", "-> nc -vz 192.0.2.2 2380")
		mustFind(t, all, Wrong, "n3 at "+url3, "within 2s")
		if took := time.Since(began); took != patience {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAPeerThatDoesNotRunIsAFaultOnceThereIsACluster(t *testing.T) {
	s := founder()
	s.InitialCluster = "n1=" + url1 + ",n2=http://127.0.0.1:1"
	mustFind(t, examOf(s).peers(t.Context()), Unchecked, "n2 at http://127.0.0.1:1 does not run, or not yet")
	s.Data.Found = true
	mustFind(t, examOf(s).peers(t.Context()), Wrong, "its port is closed", "-> sudo systemctl start keytree on n2")
	s.InitialCluster = "n1=" + url1 + ",n2=http://nowhere.invalid:2380"
	mustFind(t, examOf(s).peers(t.Context()), Wrong, "the name of n2", "-> getent hosts nowhere.invalid")
}

func TestAPeerMustBeOfTheSameCluster(t *testing.T) {
	roster := []member.Member{known("n1", url1), known("n2", url2)}
	with := func(change func(*Subject)) Subject {
		s := founder()
		change(&s)
		return s
	}
	data := func(id, cluster member.ID) func(*Subject) {
		return func(s *Subject) { s.Data = Data{Found: true, Member: id, Cluster: cluster} }
	}
	joining := func(s *Subject) { s.Existing = true }
	for _, tt := range []struct {
		name    string
		subject Subject
		peer    fakePeer
		state   State
		words   []string
	}{
		{"founding beside a founder", founder(), fakePeer{cluster: pair(), roster: []member.Member{{ID: idOf(url1), Name: "n1", PeerURLs: []string{url1}}, known("n2", url2)}}, OK, nil},
		{"founding again", founder(), fakePeer{cluster: pair(), roster: roster}, Wrong, []string{"its data are gone", "-> etcdctl2 --endpoints http://192.0.2.2:2379 member remove " + idOf(url1).String(),
			"-> etcdctl2 --endpoints http://192.0.2.2:2379 member add n1 " + url1, "-> --initial-cluster-state existing"}},
		{"founding beside another cluster", founder(), fakePeer{cluster: 7, roster: []member.Member{known("n2", url2)}}, Wrong, []string{"cluster 7", "another token"}},
		{"returning", with(data(idOf(url1), 7)), fakePeer{cluster: 7, roster: roster}, OK, nil},
		{"returning to another cluster", with(data(idOf(url1), 8)), fakePeer{cluster: 7, roster: roster}, Wrong, []string{"of cluster 7", "of cluster 8"}},
		{"returning after removal", with(data(99, 7)), fakePeer{cluster: 7, roster: roster}, Wrong, []string{"it was removed", "member add n1"}},
		{"returning with data of another", with(data(idOf(url2), 7)), fakePeer{cluster: 7, roster: roster}, Wrong, []string{"of member n2 at " + url2, "-> --name n2"}},
		{"renamed", with(data(idOf(url1), 7)), fakePeer{cluster: 7, roster: []member.Member{known("old", url1), known("n2", url2)}}, OK, nil},
		{"joining", with(joining), fakePeer{cluster: 7, roster: []member.Member{{ID: 5, PeerURLs: []string{url1}}, known("n2", url2)}}, OK, nil},
		{"joining unannounced", with(joining), fakePeer{cluster: 7, roster: []member.Member{known("n2", url2)}}, Wrong, []string{"knows of no member at " + url1, "member add n1 " + url1}},
		{"joining others than thought", with(joining), fakePeer{cluster: 7, roster: []member.Member{{ID: 5, PeerURLs: []string{url1}}, known("n2", url2), known("n3", url3)}}, Wrong, []string{"n3=" + url3}},
		{"joining again", with(joining), fakePeer{cluster: 7, roster: roster}, Wrong, []string{"its data are gone"}},
		{"etcd", founder(), fakePeer{cluster: 7, version: `{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`}, Wrong, []string{"runs etcd"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := ask(t, tt.subject, tt.peer)
			mustFind(t, all, tt.state, tt.words...)
			if tt.state == OK {
				mustBeFine(t, all)
			}
		})
	}
}

func TestPeersMustAgreeWhichClusterTheyAreOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		network.serve(t, "192.0.2.2:2380", fakePeer{cluster: 7})
		network.serve(t, "192.0.2.3:2380", fakePeer{cluster: 8})
		s := founder()
		s.InitialCluster, s.dial = three, network.dial
		mustFind(t, examOf(s).peers(t.Context()), Wrong, "of different clusters: 7, 8")
	})
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		network.serve(t, "192.0.2.2:2380", fakePeer{cluster: clusterOf()})
		network.serve(t, "192.0.2.3:2380", fakePeer{cluster: clusterOf(), version: `{"etcdcluster":"3.5.0","keytree":"9"}`})
		s := founder()
		s.InitialCluster, s.dial = three, network.dial
		mustFind(t, examOf(s).peers(t.Context()), Warning, "versions of the cluster: 3.4.0, 3.5.0")
	})
}

func TestTheRunningMemberKnowsBetterWhoItsPeersAre(t *testing.T) {
	e := examOf(founder())
	e.running = mustRead(t, `{"member":{"id":"a","name":"n1"},"cluster":{"members":[{"id":"a","name":"n1","peerURLs":["http://a:1"]},{"id":"b","name":"late","peerURLs":["http://b:1","http://b:2"]}]}}`)
	if got := fmt.Sprint(e.targets()); got != "[{late http://b:1} {late http://b:2}]" {
		t.Errorf("got %s", got)
	}
	mustFind(t, examOf(Subject{Name: "n1", InitialCluster: "n1=" + url1 + ",n2=unix:///run/n2"}).peers(t.Context()), Unchecked, "a file")
	e = examOf(Subject{Name: "n1", InitialCluster: "n1=" + url1})
	mustFind(t, e.peers(t.Context()), Unchecked, "no other member")
}

func TestThePeersCertificateIsChecked(t *testing.T) {
	ca, other := certtest.New(t, "ours"), certtest.New(t, "theirs")
	files := filesOf(t, ca, ca.Issue(certtest.Leaf{}))
	peerAt := func(pair *certtest.Pair) []Finding {
		f, err := tlsfiles.Open(filesOf(t, ca, pair))
		if err != nil {
			t.Fatal(err)
		}
		u := mustServeTLS(t, f, fakePeer{cluster: clusterOf()})
		s := founder()
		s.InitialCluster, s.Peers = "n1="+url1+",n2="+u, TLS{Files: files}
		return examOf(s).peers(t.Context())
	}
	for _, f := range peerAt(ca.Issue(certtest.Leaf{})) {
		if strings.Contains(f.Text, "certificate") {
			t.Errorf("it is refused: %s", f)
		}
	}
	mustFind(t, peerAt(other.Issue(certtest.Leaf{})), Wrong, "the certificate of n2", "-> --peer-trusted-ca-file")
	mustFind(t, peerAt(ca.Issue(certtest.Leaf{Hosts: []string{"elsewhere"}})), Wrong, "the certificate of n2", "subjectAltName=IP:127.0.0.1")
	plain := answering(t, nil)
	s := founder()
	s.InitialCluster = "n1=" + url1 + ",n2=" + strings.Replace(plain.URL, "http:", "https:", 1)
	mustFind(t, examOf(s).peers(t.Context()), Wrong, "speaks http, not https")
}
