package peer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog/member"
)

func TestAProbeIsAnsweredWithTheTime(t *testing.T) {
	now := time.Date(2026, 11, 21, 7, 46, 46, 348432911, time.UTC)
	a := startNode(t, 0xa, listen(t), Config{Now: func() time.Time { return now }})
	_, answer, text := a.ask(t, "GET", "/raft/probing")
	if answer.StatusCode != 200 || text != `{"OK":true,"Now":"2026-11-21T07:46:46.348432911Z"}` {
		t.Errorf("got %d %s", answer.StatusCode, text)
	}
	if !json.Valid([]byte(text)) {
		t.Error("no JSON")
	}
}

func TestClocksThatAreApartAreToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		a := startNode(t, 0xa, network.listen("a:1"), Config{Dial: network.dial})
		b := startNode(t, 0xb, network.listen("b:1"), Config{Dial: network.dial, Now: func() time.Time { return time.Now().Add(5 * time.Second) }})
		introduce(a, b)
		time.Sleep(time.Second) // soon after connecting
		for _, tt := range []struct {
			log  *logbook
			line string
		}{
			{a.log, "the clock difference against peer b is too high [5s > 1s]"},
			{b.log, "the clock difference against peer a is too high [-5s > 1s]"},
		} {
			if n := tt.log.count(tt.line); n != 1 {
				t.Errorf("%q is logged %d times:\n%s", tt.line, n, tt.log)
			}
		}
		time.Sleep(150 * time.Second)
		if n := a.log.count("the clock difference"); n != 3 {
			t.Errorf("logged %d times", n)
		}
		shown := metrics(t, a.stats)
		for _, want := range []string{`keytree_peer_clock_difference_seconds{To="b"} 5`, `etcd_network_peer_round_trip_time_seconds{To="b"} 31`} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s is not shown:\n%s", want, shown)
			}
		}
	})
}

func TestAPeerThatCannotBeProbedIsToldOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newMemoryNet()
		a := startNode(t, 0xa, network.listen("a:1"), Config{Dial: network.dial})
		l := network.listen("c:1")
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 100_000)) })}
		go func() { _ = server.Serve(l) }()
		defer server.Close()
		a.SetMembers([]member.Member{
			a.member(), {ID: 0xb, PeerURLs: []string{"http://b:1", "http://b:2"}}, {ID: 0xc, PeerURLs: []string{"http://c:1"}}, {ID: 0xd},
		}, nil)
		time.Sleep(151 * time.Second)
		for _, line := range []string{"health check for peer b could not connect: ", "health check for peer c could not connect: it did not answer that it is well"} {
			if n := a.log.count(line); n != 3 {
				t.Errorf("%q is logged %d times:\n%s", line, n, a.log)
			}
		}
	})
}
