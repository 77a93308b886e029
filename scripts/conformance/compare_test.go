package main

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"keytree/scripts/process"
)

// answered makes a reply with a body and the headers that go with it.
func answered(status int, body string, header ...string) reply {
	h := http.Header{"Content-Length": {strconv.Itoa(len(body))}, "X-Raft-Index": {"7"}}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return reply{Answer: &process.Answer{Status: status, Header: h, Body: []byte(body)}}
}

func streamed(lines ...string) reply {
	body := ""
	for _, l := range lines {
		body += l + "\n"
	}
	return reply{Answer: &process.Answer{Status: 200, Header: http.Header{}, Chunked: true, Body: []byte(body)}}
}

func get(target string) process.Request { return process.Request{Method: "GET", Target: target} }

func node(fields string) string { return `{"action":"get","node":{` + fields + "}}\n" }

func TestCompare(t *testing.T) {
	const now, soon, late = `"2026-01-02T03:04:05.5Z"`, `"2026-01-02T03:04:06.25Z"`, `"2026-01-02T03:04:08Z"`
	two := func(first, second string) string {
		return node(`"dir":true,"nodes":[{"key":"` + first + `"},{"key":"` + second + `"}]`)
	}
	tests := []struct {
		name    string
		request process.Request
		etcd    reply
		keytree reply
		want    string // what differs
	}{
		{"equal bytes", get("/v2/keys/a"), answered(200, node(`"key":"/a"`)), answered(200, node(`"key":"/a"`)), ""},
		{"another status", get("/v2/keys/a"), answered(200, ""), answered(201, ""), "status"},
		{"another value", get("/v2/keys/a"), answered(200, node(`"value":"1"`)), answered(200, node(`"value":"2"`)), "body"},
		{"fields in another order", get("/v2/keys/a"), answered(200, node(`"key":"/a","value":"1"`)), answered(200, node(`"value":"1","key":"/a"`)), "body"},
		{"another escape", get("/v2/keys/a"), answered(200, node(`"value":"\u0008"`)), answered(200, node(`"value":"\b"`)), "body"},
		{"no newline", get("/v2/keys/a"), answered(200, `{}`+"\n"), answered(200, `{}`), "body"},
		{"a blank more", get("/health"), answered(200, `{"health":"true"}`), answered(200, `{"health": "true"}`), "body"},
		{"times close by", get("/v2/keys/a"), answered(200, node(`"expiration":`+now+`,"ttl":100`)), answered(200, node(`"expiration":`+soon+`,"ttl":99`)), ""},
		{"a ttl of nought is left out", get("/v2/keys/a"), answered(200, node(`"expiration":`+now)), answered(200, node(`"expiration":`+now+`,"ttl":1`)), ""},
		{"times far apart", get("/v2/keys/a"), answered(200, node(`"expiration":`+now+`,"ttl":5`)), answered(200, node(`"expiration":`+late+`,"ttl":5`)), "expiration"},
		{"another ttl", get("/v2/keys/a"), answered(200, node(`"expiration":`+now+`,"ttl":5`)), answered(200, node(`"expiration":`+now+`,"ttl":7`)), "ttl"},
		{"no expiration", get("/v2/keys/a"), answered(200, node(`"expiration":`+now+`,"ttl":5`)), answered(200, node(`"ttl":5`)), "body"},
		{"another order of a listing", get("/v2/keys"), answered(200, two("/b", "/a")), answered(200, two("/a", "/b")), "order"},
		{"another order of a sorted listing", get("/v2/keys?sorted=true"), answered(200, two("/b", "/a")), answered(200, two("/a", "/b")), "body"},
		{"another index", get("/v2/keys/a"), answered(200, "", "X-Etcd-Index", "5"), answered(200, "", "X-Etcd-Index", "6"), "header X-Etcd-Index"},
		{"another raft index", get("/v2/keys/a"), answered(200, "", "X-Raft-Index", "5"), answered(200, "", "X-Raft-Index", "6"), ""},
		{"raft index is no number", get("/v2/keys/a"), answered(200, ""), answered(200, "", "X-Raft-Index", ""), "header X-Raft-Index"},
		{"a header more", get("/v2/keys/a"), answered(200, ""), answered(200, "", "Vary", "Origin"), "header Vary"},
		{"another date", get("/v2/keys/a"), answered(200, "", "Date", "now"), answered(200, "", "Date", "then"), ""},
		{"one is closed", get("/v2/keys/a"), answered(200, ""), reply{err: io.EOF}, "connection"},
		{"both are closed", get("/v2/keys/a"), reply{err: io.ErrUnexpectedEOF}, reply{err: io.EOF}, ""},
		{"a short body in chunks", get("/v2/keys/a"), answered(200, "{}"), func() reply {
			r := answered(200, "{}")
			r.Chunked = true
			r.Header.Del("Content-Length")
			return r
		}(), "framing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ds := compare(exchange{request: test.request, etcd: test.etcd, keytree: test.keytree})
			var got []string
			for _, d := range ds {
				got = append(got, d.what)
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("got differences %q, want %q", got, test.want)
			}
		})
	}
}

func TestDeparturesExplainOnlyWhatTheySay(t *testing.T) {
	set := `{"action":"set","node":{"key":"/a","value":"1","modifiedIndex":5}}`
	removed := `{"action":"delete","node":{"key":"/a","modifiedIndex":6}}`
	watch := func(target string, etcd, keytree reply) exchange {
		return exchange{request: get(target), events: true, etcd: etcd, keytree: keytree}
	}
	plain := func(target string, etcd, keytree reply) exchange {
		return exchange{request: get(target), etcd: etcd, keytree: keytree}
	}
	long := "/v2/keys/" + strings.Repeat("k", 16384)
	tests := []struct {
		name string
		x    exchange
		want string // "" for not explained
	}{
		{"removal once", watch("/v2/keys/a?wait=true&stream=true", streamed(set, removed, removed), streamed(set, removed)), "stream-once"},
		{"removal of another key once", watch("/v2/keys/b?wait=true&stream=true", streamed(removed, removed), streamed(removed)), ""},
		{"set once", watch("/v2/keys/a?wait=true&stream=true", streamed(set, set), streamed(set)), ""},
		{"removal never", watch("/v2/keys/a?wait=true&stream=true", streamed(set, removed, removed), streamed(set)), ""},
		{"stream replays", watch("/v2/keys/a?wait=true&stream=true&waitIndex=5", streamed(set), streamed(set, removed)), "stream-replays"},
		{"stream without waitIndex brings more", watch("/v2/keys/a?wait=true&stream=true", streamed(set), streamed(set, removed)), ""},
		{"stream brings less", watch("/v2/keys/a?wait=true&stream=true&waitIndex=5", streamed(set, removed), streamed(set)), ""},
		{"long poll brings more", watch("/v2/keys/a?wait=true&waitIndex=5", streamed(set), streamed(set, removed)), ""},
		{"version", plain("/version", answered(200, `{"etcdserver":"3.4.23"}`), answered(200, `{"etcdserver":"3.4.23","keytree":"1.0"}`)), "version-field"},
		{"another version", plain("/version", answered(200, `{"etcdserver":"3.4.23"}`), answered(200, `{"etcdserver":"3.5.0","keytree":"1.0"}`)), ""},
		{"long key", plain(long, answered(404, "{}"), answered(400, `{"errorCode":209,"index":0}`)), "key-limits"},
		{"short key", plain(long[:len(long)-1], answered(404, "{}"), answered(400, `{"errorCode":209,"index":0}`)), ""},
		{"no CORS", plain("/v2/keys", answered(200, "", "Access-Control-Allow-Origin", "*"), answered(200, "")), "cors-default"},
		{"more CORS", plain("/v2/keys", answered(200, ""), answered(200, "", "Access-Control-Allow-Origin", "*")), ""},
		{"gets", plain("/v2/stats/store", answered(200, `{"getsSuccess":1,"getsFail":2,"setsSuccess":3}`), answered(200, `{"getsSuccess":0,"getsFail":0,"setsSuccess":3}`)), "stats-store-gets"},
		{"sets", plain("/v2/stats/store", answered(200, `{"getsSuccess":1,"getsFail":2,"setsSuccess":3}`), answered(200, `{"getsSuccess":0,"getsFail":0,"setsSuccess":4}`)), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ds := compare(test.x)
			if len(ds) == 0 {
				t.Fatal("no difference")
			}
			if got := explain(departures(), test.x, ds[0]); got != test.want {
				t.Errorf("explained by %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheSameSeedGivesTheSameRequests(t *testing.T) {
	draw := func(seed uint64) []string {
		g := newGenerator(seed)
		var out []string
		for range 1000 {
			path, q := g.next(ttlLong)
			out = append(out, curl(q))
			g.learn(path, &process.Answer{Body: []byte(`{"node":{"value":"1","modifiedIndex":5}}`)})
		}
		return out
	}
	if !slices.Equal(draw(1), draw(1)) {
		t.Error("two sequences of seed 1 differ")
	}
	if slices.Equal(draw(1), draw(2)) {
		t.Error("seeds 1 and 2 give the same sequence")
	}
}

// Everything is drawn that the servers are to be compared in, and what would
// block or expire is not.
func TestTheGeneratorDrawsWithoutWaitingOrExpiring(t *testing.T) {
	g := newGenerator(1)
	methods, names := make(map[string]int), make(map[string]int)
	for range 20000 {
		_, q := g.next(ttlLong)
		methods[q.Method]++
		_, raw, _ := strings.Cut(q.Target, "?")
		waits, quorum := "", ""
		for piece := range strings.SplitSeq(raw+"&"+string(q.Body), "&") {
			name, value, _ := strings.Cut(piece, "=")
			names[name]++
			switch name {
			case "wait":
				waits = value
			case "quorum":
				if quorum == "" {
					quorum = value
				}
			case "ttl":
				if n, err := strconv.Atoi(value); err == nil && n < 100000 && value[0] != '-' && value[0] != '+' {
					t.Fatalf("short time to live: %s", curl(q))
				}
			}
		}
		if on, err := strconv.ParseBool(waits); err == nil && on && q.Method == "GET" {
			if quorum, err := strconv.ParseBool(quorum); err != nil || !quorum {
				t.Fatalf("request that waits: %s", curl(q))
			}
		}
	}
	for _, m := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"} {
		if methods[m] == 0 {
			t.Errorf("%s is never drawn", m)
		}
	}
	for _, n := range []string{"value", "ttl", "dir", "recursive", "sorted", "quorum", "wait", "waitIndex", "stream",
		"prevExist", "prevValue", "prevIndex", "refresh", "noValueOnSuccess", "unknown"} {
		if names[n] == 0 {
			t.Errorf("%s is never drawn; drawn are %v", n, slices.Sorted(maps.Keys(names)))
		}
	}
}

func TestADifferenceFailsTheReport(t *testing.T) {
	serve := func(index string) *side {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Etcd-Index", index)
		}))
		t.Cleanup(s.Close)
		addr := strings.TrimPrefix(s.URL, "http://")
		return &side{server: &process.Server{Addr: addr}, conn: process.NewConn(addr)}
	}
	same := &pair{etcd: serve("5"), keytree: serve("5")}
	other := &pair{etcd: serve("5"), keytree: serve("6")}
	var out strings.Builder
	r := newReport(&out, departures(), func() bool { return false })
	if !r.note(kindOp, "here", "again", same.do(t.Context(), get("/v2/keys"))) || !r.summary() {
		t.Errorf("equal answers fail:\n%s", out.String())
	}
	if r.note(kindOp, "here", "again", other.do(t.Context(), get("/v2/keys"))) || r.summary() {
		t.Errorf("different answers pass:\n%s", out.String())
	}
	for _, part := range []string{"X-Etcd-Index", "etcd    5", "keytree 6", "replay: again", "FAIL"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is missing in\n%s", part, out.String())
		}
	}
}
