package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"keytree/raftlog/member"
)

// TestItAnswersLikeEtcdsOwnProxy sends the same requests through etcd's proxy
// and through ours, both in front of one etcd.
func TestItAnswersLikeEtcdsOwnProxy(t *testing.T) {
	binary, err := exec.LookPath("etcd")
	if err != nil {
		t.Skip("there is no etcd here to compare with")
	}
	if testing.Short() {
		t.Skip("starts processes")
	}
	urls := freeURLs(t)
	client, peer := urls[0], urls[1]
	start(t, binary, "--enable-v2=true", "--data-dir", t.TempDir(), "--name", "m",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "m="+peer)
	awaitAnswer(t, client+"/health")
	for m, mode := range []string{"on", "readonly"} {
		theirs := urls[2+m]
		start(t, binary, "--proxy", mode, "--data-dir", t.TempDir(), "--listen-client-urls", theirs, "--initial-cluster", "m="+peer)
		awaitAnswer(t, theirs+"/version")
		ours := startOurs(t, peer, mode == "readonly")
		for i, q := range comparedRequests() {
			want := exchange(t, theirs, i, q)
			if got := exchange(t, ours, i, q); got != want {
				t.Errorf("proxy %s: %s\nours:   %s\netcd's: %s", mode, q.line(), got, want)
			}
		}
	}
}

// request is one to be compared. In its target and body, K is a key that
// each request has for itself.
type request struct {
	method, target, body, kind string
}

func (q request) line() string { return q.method + " " + q.target }

const form = "application/x-www-form-urlencoded"

func comparedRequests() []request {
	long := strings.Repeat("v", 300_000)
	list := []request{
		{"PUT", "/v2/keys/K", "value=1", form}, {"POST", "/v2/keys/dirK", "value=1", form},
		{"PUT", "/v2/keys/K?value=" + long[:3000], "", ""}, {"PUT", "/v2/keys/K", "value=" + long, form},
		{"PUT", "/v2/keys/K", "value=" + strings.Repeat("v", maxBody-6), form},
		{"PUT", "/v2/keys/K", "value=1", "application/json"}, {"PUT", "/v2/keys/K?prevExist=true", "value=1", form},
		{"PUT", "/v2/keys/K%2Fx%3F%20%c3%bc", "value=%zz", form}, {"PUT", "/v2/keys/K", "value=a+b%26%3b", form},
		{"DELETE", "/v2/keys/K?recursive=true", "", ""}, {"DELETE", "/v2/keys/K", "value=1", form},
		{"POST", "/v2/members", `{"peerURLs":["nonsense"]}`, "application/json"}, {"POST", "/v2/members", "{", "application/json"},
		{"DELETE", "/v2/members/zz", "", ""}, {"PUT", "/config/local/log", "{", "application/json"},
		{"OPTIONS", "/v2/keys//x", "", ""}, {"PUT", "/v2//keys", "value=1", form}, {"PATCH", "/v2/keys/K", "value=1", form},
	}
	for _, target := range []string{
		"/v2/keys/noneK", "/v2/keys/K?wait=x", "/v2/keys/K?a;b", "/v2/keys/K?a=%zz", "/v2/keys/noneK?quorum=true",
		"/v2/keys//x", "/v2/keys/../x?a=1&b", "//v2/keys", "/v2/keys/%2e%2e/x", "/v2/keysx", "/", "/v2", "/nope",
		"/v2/members", "/v2/members/leader", "/v2/machines", "/version", "/health", "/version/", "/health/",
		"/v2/stats/self/", "/v2/auth/enable", "/v2/auth/users", "/v2/config/local/proxy", "/v2/config/local/proxy/", "/v2/config/local",
	} {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "FOO"} {
			list = append(list, request{method, target, "", ""})
		}
	}
	return list
}

// exchange sends q to a proxy and renders the answer, without what must
// differ: dates, indices, the names of keys, CORS (a setting).
func exchange(t *testing.T, proxy string, number int, q request) string {
	t.Helper()
	u := proxy[len("http://"):]
	key := fmt.Sprintf("k%d-%s", number, u[strings.LastIndexByte(u, ':')+1:])
	c, err := net.Dial("tcp", u)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	text := q.method + " " + strings.ReplaceAll(q.target, "K", key) + " HTTP/1.1\r\nHost: " + u + "\r\nConnection: close\r\n"
	if q.kind != "" {
		text += "Content-Type: " + q.kind + "\r\n"
	}
	text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(q.body), q.body)
	if _, err := io.WriteString(c, text); err != nil {
		return "cut"
	}
	a, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: q.method})
	if err != nil {
		return "cut"
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return "cut in the middle"
	}
	all := fmt.Sprintln(a.Status, a.Proto, a.TransferEncoding)
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		if name != "Date" && name != "Connection" && !strings.HasPrefix(name, "Access-Control") {
			all += fmt.Sprintln(name, a.Header[name])
		}
	}
	long := bytes.Count(body, []byte("v")) // of the large values
	short := bytes.ReplaceAll(body, []byte("v"), nil)
	all += fmt.Sprintf("%d times v in\n%s", long, bytes.ReplaceAll(short, []byte(key), []byte("K")))
	return changing.ReplaceAllString(all, "$1 N")
}

// changing are the numbers that another request moves, and the lengths that
// follow from how long those are.
var changing = regexp.MustCompile(`("(?:index|modifiedIndex|createdIndex)":|X-Etcd-Index|X-Raft-Index|Content-Length|/) ?\[?\d+\]?`)

// startOurs runs our proxy and returns its URL.
func startOurs(t *testing.T, peer string, readonly bool) string {
	t.Helper()
	p, err := Open(Config{PeerURLs: []string{peer}, Dir: t.TempDir(), Readonly: readonly, Ask: askOverHTTP, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	run(t, p)
	s := httptest.NewServer(p.Handler())
	t.Cleanup(s.Close)
	return s.URL
}

// run runs p until the test ends.
func run(t *testing.T, p *Proxy) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	<-p.Ready()
}

func askOverHTTP(ctx context.Context, url string) ([]member.Member, error) {
	q, err := http.NewRequestWithContext(ctx, "GET", url+"/members", nil)
	if err != nil {
		return nil, err
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	var members []member.Member // its fields match whatever their case
	return members, json.NewDecoder(a.Body).Decode(&members)
}

// freeURLs are URLs nobody listened at a moment ago.
func freeURLs(t *testing.T) (all [4]string) {
	t.Helper()
	for i := range all {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // all are held until the last is found
		all[i] = "http://" + l.Addr().String()
	}
	return all
}

// start runs a program until the test ends.
func start(t *testing.T, binary string, args ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, binary, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = c.Wait() // it was killed
	})
}

func awaitAnswer(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		a, err := http.Get(url)
		if err != nil {
			continue
		}
		a.Body.Close()
		if a.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("no answer from %s", url)
}
