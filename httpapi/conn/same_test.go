package conn_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// exchange is what a client sends and how it is answered.
type exchange struct {
	name    string
	handler http.HandlerFunc // nil: greet
	sent    string
	memory  bool // in memory only: on a socket it is a matter of time
}

// greet reads the body and answers with what it read.
func greet(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	note(r, "body %d %q %v", len(text), head(text), err)
	fmt.Fprintf(w, "%s %s: %d bytes", r.Method, r.URL.Path, len(text))
}

// ignore answers without a look at the body.
func ignore(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path) }

// silent has nothing to say.
func silent(http.ResponseWriter, *http.Request) {}

func head(b []byte) []byte { return b[:min(len(b), 100)] }

// request is one with a Host, these lines, and the body at the end.
func request(line string, rest ...string) string {
	var b strings.Builder
	b.WriteString(line + " HTTP/1.1\r\nHost: keytree:2379\r\n")
	body := ""
	for _, l := range rest {
		if text, found := strings.CutPrefix(l, "\n"); found {
			body = text
			fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
			continue
		}
		b.WriteString(l + "\r\n")
	}
	return b.String() + "\r\n" + body
}

// next is what follows most requests, to see whether it is answered.
const next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"

// cut are ways to cut s in pieces: whole, every byte by itself, and in two or
// three at some places, always the same ones.
func cut(s string) [][]string {
	ways := [][]string{{s}}
	random := rand.New(rand.NewPCG(1, uint64(len(s))))
	for range 3 {
		if len(s) > 2 {
			i := 1 + random.IntN(min(len(s)-2, 2000))
			j := i + random.IntN(len(s)-i)
			ways = append(ways, []string{s[:i], s[i:]}, []string{s[:i], s[i:j], s[j:]})
		}
	}
	if len(s) < 400 {
		ways = append(ways, strings.Split(s, ""))
	}
	return ways
}

// wantAllSame fails the test unless both engines treat all of the exchanges
// alike, over all transports, however they are cut.
func wantAllSame(t *testing.T, all []exchange) {
	t.Helper()
	for _, x := range all {
		if x.handler == nil {
			x.handler = greet
		}
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			for _, pieces := range cut(x.sent) {
				wantSame(t, x.handler, pieces)
			}
			if x.memory {
				return
			}
			half := len(x.sent) / 2
			wantSameOn(t, "tcp", x.handler, []string{x.sent[:half], x.sent[half:]})
			wantSameOn(t, "unix", x.handler, []string{x.sent})
		})
	}
}

// The harness sees differences.
func TestTheComparisonSeesADifference(t *testing.T) {
	a := outcome{sent: "HTTP/1.1 200 OK\r\nDate: 1\r\n\r\n", sights: []string{"a"}, ended: time.Minute}
	same := a
	same.sent = "HTTP/1.1 200 OK\r\nDate: 2\r\n\r\n"
	if diff := a.differs(same); diff != "" {
		t.Errorf("the date counts: %s", diff)
	}
	for _, change := range []func(*outcome){
		func(o *outcome) { o.sent += "x" },
		func(o *outcome) { o.sights = []string{"b"} },
		func(o *outcome) { o.sights = append(o.sights[:1:1], "a") },
		func(o *outcome) { o.ended += 2 * time.Second },
	} {
		b := a
		change(&b)
		if a.differs(b) == "" || b.differs(a) == "" {
			t.Errorf("not seen: %v against %v", a, b)
		}
	}
}

func TestRequestsAreReadAlike(t *testing.T) {
	t.Parallel()
	wantAllSame(t, []exchange{
		{name: "one", sent: request("GET /v2/keys/a")},
		{name: "pipelined", sent: strings.Repeat(request("PUT /v2/keys/a", "\nvalue=1")+request("GET /v2/keys/a"), 5)},
		{name: "the same again and then others", sent: request("GET /a", "A: 1", "B: 2") + request("GET /a", "A: 1", "B: 2") +
			request("GET /a", "A: 1", "B: 3") + request("GET /a", "A: 1") + request("GET /a") + request("GET /a", "B: 2", "A: 1") + request("GET /b", "A: 1", "B: 2", "A: 1")},
		{name: "a length that changes", sent: request("PUT /a", "\nabc") + request("PUT /a", "\nabcdef") + request("PUT /a", "\n") + request("PUT /a", "\nx") + next},
		{name: "empty lines after a POST", sent: request("POST /a", "\nabc") + "\r\n" + next},
		{name: "two empty lines after a POST", sent: request("POST /a", "\nabc") + "\r\n\r\n" + next},
		{name: "three empty lines after a POST", sent: request("POST /a", "\nabc") + "\r\n\r\n\r\n" + next},
		{name: "line feeds after a POST", sent: request("POST /a", "\nabc") + "\n\n\n\n" + next},
		{name: "five line feeds after a POST", sent: request("POST /a", "\nabc") + "\n\n\n\n\n" + next},
		{name: "an empty line after a PUT", sent: request("PUT /a", "\nabc") + "\r\n" + next},
		{name: "an empty line after a POST and nothing", sent: request("POST /a", "\nabc") + "\r\n"},
		{name: "an empty line after a POST and a part", sent: request("POST /a", "\nabc") + "\r\nGE"},
		{name: "an empty line first", sent: "\r\n" + next},
		{name: "an empty line after a POST and what is strange", sent: request("POST /a", "\nabc") + "\r\nget /x HTTP/1.1\r\nHost: x\r\n\r\n" + next},
		{name: "all methods", sent: request("GET /a") + request("HEAD /a") + request("PUT /a") + request("POST /a") + request("DELETE /a") + request("OPTIONS /a") + next},
		{name: "PATCH", sent: request("GET /a") + request("PATCH /a", "\nabc") + next},
		{name: "TRACE", sent: request("TRACE /a") + next},
		{name: "a method in small letters", sent: request("get /a") + next},
		{name: "a method of its own", sent: request("FROB /a", "\nabc") + next},
		{name: "CONNECT", sent: request("CONNECT a.example:80") + next},
		{name: "CONNECT to a path", sent: request("CONNECT /a") + next},
		{name: "an asterisk", sent: request("OPTIONS *") + next},
		{name: "an asterisk for GET", sent: request("GET *") + next},
		{name: "an absolute URL", sent: request("GET http://other.example/a?b=c") + next},
		{name: "an absolute URL of its own scheme", sent: request("GET foo:bar") + next},
		{name: "HTTP/1.0", sent: "GET /a HTTP/1.0\r\n\r\n" + next},
		{name: "HTTP/1.0 with keep-alive", sent: strings.Repeat("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 2) + next},
		{name: "HTTP/1.0 behind others", sent: next + "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + next},
		{name: "HTTP/1.2", sent: "GET /a HTTP/1.2\r\nHost: x\r\n\r\n" + next},
		{name: "HTTP/2.0", sent: "GET /a HTTP/2.0\r\nHost: x\r\n\r\n" + next},
		{name: "HTTP/9.9 and nothing more", sent: "GET /a HTTP/9.9\r\n"},
		{name: "no version", sent: "GET /a\r\n\r\n"},
		{name: "a version in small letters", sent: "GET /a http/1.1\r\nHost: x\r\n\r\n"},
		{name: "two blanks", sent: "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{name: "a blank in the path", sent: "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"},
		{name: "a blank at the end", sent: "GET /a HTTP/1.1 \r\nHost: x\r\n\r\n"},
		{name: "a tab", sent: "GET\t/a HTTP/1.1\r\nHost: x\r\n\r\n"},
		{name: "no path", sent: "GET HTTP/1.1\r\nHost: x\r\n\r\n"},
		{name: "TLS", sent: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\xaa", 500)},
		{name: "garbage", sent: "GARBAGE\r\n"},
		{name: "garbage behind a request", sent: next + "GARBAGE\r\n"},
		{name: "short garbage behind a request", sent: next + "G /\r\n\r\n"},
		{name: "garbage without an end", sent: strings.Repeat("GARBAGE", 1000)},
		{name: "the start of HTTP/2", sent: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", memory: true},
		{name: "the start of HTTP/2 behind a request", sent: next + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{name: "half the start of HTTP/2", sent: "PRI * HTTP/2.0\r\n\r\n"},
		{name: "an offer of HTTP/2", sent: request("GET /a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA") + next},
		{name: "nothing", sent: ""},
		{name: "a letter", sent: "G"},
		{name: "a part of a line", sent: "GET /a HTT"},
		{name: "a part of a line behind a request", sent: next + "GET /a HTT"},
		{name: "three letters behind a request", sent: next + "GET"},
		{name: "a line feed behind a request", sent: next + "\n"},
		{name: "three line feeds behind a request", sent: request("PUT /a", "\nabc") + "\n\n\n"},
		{name: "four line feeds behind a request", sent: next + "\n\n\n\n"},
		{name: "an empty line and a part behind a POST", sent: request("POST /a", "\nabc") + "\r\nG"},
		{name: "a line", sent: "GET /a HTTP/1.1\r\n"},
		{name: "a part of a head", sent: "GET /a HTTP/1.1\r\nHost: x\r\nA: b"},
		{name: "a head without its end", sent: "GET /a HTTP/1.1\r\nHost: x\r\nA: b\r\n"},
		{name: "a strange line in a head without its end", sent: "GET /a HTTP/1.1\r\nHost: x\r\nstrange\r\nA: b\r\n"},
		{name: "a head that ends with a CR", sent: "GET /a HTTP/1.1\r\nHost: x\r\n\r"},
	})
}

func TestTargetsAreReadAlike(t *testing.T) {
	t.Parallel()
	var all []exchange
	for _, target := range []string{
		"/", "//", "///", "//a/b", "//host/a?b", "/a//b", "/a/../b", "/a/./b", "/.", "/a%20b", "/a%2fb", "/a%2Fb", "/%41", "/%zz", "/%", "/%4",
		"/a?", "/a??", "/a?b", "/a?b=c&d=e", "/a?b?c", "/?", "/?#", "/a#b", "/a?b#c", "/a;b", "/a;b=c?d;e", "/a+b", "/a:b", "/a@b", "/a=b", "/a&b",
		"/a$b", "/a,b", "/a!b", "/a'b", "/a(b)", "/a*b", "/a[b]", "/a\"b", "/a<b>", "/a\\b", "/a^b", "/a`b", "/a{b}", "/a|b", "/a~b", "/a_b", "/-._~",
		"/\xc3\xa9", "/%c3%a9", "/a?\xc3\xa9", "/a?%zz", "/a?a%20b+c", "/a\x7f", "/a?\x7f", "/\x01", "/a?\x01", "/a\x00b", "/a?b c",
		"a", "*", "?", "?a", "#", ":", "/:", ":/", "a:b", "a:/b", "a://b/c", "http://", "http:///a", "http://h", "http://u:p@h/a", "/" + strings.Repeat("a", 5000),
		"/?" + strings.Repeat("a", 5000), "/v2/keys/a%2eb", "/v2/keys/%2e%2e/x", "/a%", "/a?b%", "/%00", "/%0a", "/%0d%0aX:%20y", "/a%3fb", "/a%23b",
	} {
		all = append(all, exchange{name: strings.ReplaceAll(fmt.Sprintf("%.40q", target), "/", "."), sent: request("GET "+target) + next})
	}
	wantAllSame(t, all)
}

func TestHeadersAreReadAlike(t *testing.T) {
	t.Parallel()
	lines := map[string]string{
		"usual":                        "User-Agent: curl/7.88.1\r\nHost: x\r\nAccept: */*",
		"Content-Type":                 "Host: x\r\ncontent-type: application/x-www-form-urlencoded",
		"twice":                        "Host: x\r\nA: 1\r\nB: 2\r\nA: 3",
		"twice in other letters":       "Host: x\r\nx-a: 1\r\nX-A: 3",
		"blanks around":                "Host:   x \t\r\nA:\t1  \r\nB:2",
		"blanks within":                "Host: x\r\nA: 1  2\t3",
		"empty":                        "Host: x\r\nA:\r\nB: ",
		"colons":                       "Host: x\r\nA: b: c:",
		"all the letters of a name":    "Host: x\r\n!#$%&'*+-.^_`|~09azAZ: 1",
		"no name":                      "Host: x\r\n: 1",
		"no colon":                     "Host: x\r\nabc",
		"a blank before the colon":     "Host: x\r\nA : 1",
		"a blank before a length":      "Host: x\r\nContent-Length : 5",
		"a tab before the colon":       "Host: x\r\nA\t: 1",
		"a folded line":                "Host: x\r\nA: 1\r\n 2",
		"a folded line with a tab":     "Host: x\r\nA: 1\r\n\t2",
		"a folded encoding":            "Host: x\r\nTransfer-Encoding:\r\n chunked",
		"a folded first line":          " A: 1\r\nHost: x",
		"a line feed":                  "Host: x\nA: 1\nB: 2",
		"a line feed at the end":       "Host: x\r\nA: 1\n",
		"a CR in a value":              "Host: x\r\nA: 1\r2",
		"a CR in a name":               "Host: x\r\nA\rB: 1",
		"two CRs":                      "Host: x\r\nA: 1\r\r",
		"NUL":                          "Host: x\r\nA: 1\x002",
		"NUL in a name":                "Host: x\r\nA\x00: 1",
		"a control":                    "Host: x\r\nA: 1\x012",
		"\\v":                          "Host: x\r\nA: \v1",
		"\\f":                          "Host: x\r\nA: 1\f",
		"DEL":                          "Host: x\r\nA: 1\x7f",
		"UTF-8":                        "Host: x\r\nA: \xc3\xa9",
		"bytes":                        "Host: x\r\nA: \xff\xfe",
		"UTF-8 in a name":              "Host: x\r\n\xc3\xa9: 1",
		"no host":                      "A: 1",
		"nothing":                      "",
		"an empty host":                "Host:",
		"two hosts":                    "Host: x\r\nHost: y",
		"two hosts alike":              "Host: x\r\nHost: x",
		"an odd host":                  "Host: a b",
		"a host with a slash":          "Host: a/b",
		"a host with a user":           "Host: a@b",
		"a host with a comma":          "Host: a,b",
		"a host in brackets":           "Host: [::1]:2379",
		"a host in capitals":           "HOST: X",
		"a host with an underscore":    "Host: a_b",
		"a host that is not a name":    "Host: %zz",
		"a length":                     "Host: x\r\nContent-Length: 3",
		"no length":                    "Host: x\r\nContent-Length:",
		"a length of zero":             "Host: x\r\nContent-Length: 0",
		"a length with zeros":          "Host: x\r\nContent-Length: 0003",
		"a length with a sign":         "Host: x\r\nContent-Length: +3",
		"a length below zero":          "Host: x\r\nContent-Length: -1",
		"a length in hexadecimal":      "Host: x\r\nContent-Length: 0x3",
		"a length with a blank":        "Host: x\r\nContent-Length: 3 3",
		"a length with a comma":        "Host: x\r\nContent-Length: 3, 3",
		"a length with an underscore":  "Host: x\r\nContent-Length: 1_0",
		"a length beyond all":          "Host: x\r\nContent-Length: 99999999999999999999",
		"a length of nineteen digits":  "Host: x\r\nContent-Length: 0000000000000000003",
		"two lengths":                  "Host: x\r\nContent-Length: 3\r\nContent-Length: 5",
		"two lengths alike":            "Host: x\r\nContent-Length: 3\r\nContent-Length: 3",
		"length and chunks":            "Host: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked",
		"chunks and length":            "Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
		"identity":                     "Host: x\r\nTransfer-Encoding: identity\r\nContent-Length: 3",
		"an unknown encoding":          "Host: x\r\nTransfer-Encoding: gzip, chunked",
		"an encoding with \\v":         "Host: x\r\nTransfer-Encoding: \vchunked",
		"an encoding with a tab":       "Host: x\r\nTransfer-Encoding:\tchunked",
		"two encodings":                "Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"an encoding in capitals":      "Host: x\r\nTransfer-Encoding: CHUNKED",
		"close":                        "Host: x\r\nConnection: close",
		"Close":                        "Host: x\r\nConnection: Close",
		"keep-alive":                   "Host: x\r\nConnection: keep-alive",
		"keep-alive, close":            "Host: x\r\nConnection: keep-alive, close",
		"two connections":              "Host: x\r\nConnection: keep-alive\r\nConnection: close",
		"an empty connection":          "Host: x\r\nConnection:",
		"a connection that names":      "Host: x\r\nConnection: A\r\nA: 1",
		"an upgrade":                   "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket",
		"TE":                           "Host: x\r\nTE: trailers",
		"a trailer":                    "Host: x\r\nTrailer: A",
		"Pragma":                       "Host: x\r\nPragma: no-cache",
		"Pragma and Cache-Control":     "Host: x\r\nPragma: no-cache\r\nCache-Control: max-age=0",
		"something expected":           "Host: x\r\nExpect: something",
		"100-continue":                 "Host: x\r\nContent-Length: 3\r\nExpect: 100-continue",
		"100-Continue":                 "Host: x\r\nContent-Length: 3\r\nExpect: 100-Continue",
		"100-continue without a body":  "Host: x\r\nExpect: 100-continue",
		"a large header":               "Host: x\r\nA: " + strings.Repeat("a", 10_000),
		"a header that is larger":      "Host: x\r\nA: " + strings.Repeat("a", 20_000),
		"many lines":                   "Host: x" + strings.Repeat("\r\nA: 1", 3000),
		"many names":                   "Host: x" + names(500),
		"Authorization and Cookie":     "Host: x\r\nAuthorization: Basic cm9vdDpwYXNz\r\nCookie: a=b; c=d",
		"X-Forwarded-For":              "Host: x\r\nX-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1",
		"X-HTTP-Method-Override":       "Host: x\r\nX-HTTP-Method-Override: DELETE",
		"the first line again":         "GET /smuggled HTTP/1.1\r\nHost: x",
		"an empty line of blanks":      "Host: x\r\n  \r\nA: 1",
		"a line that is but a CR":      "Host: x\r\n\rA: 1",
		"Keep-Alive and Proxy":         "Host: x\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive",
		"a length called otherwise":    "Host: x\r\nContent_Length: 5",
		"a length in other letters":    "Host: x\r\ncONTENT-lENGTH: 3",
		"a length with a blank around": "Host: x\r\nContent-Length: \t 3 \t",
	}
	var all []exchange
	for name, text := range lines {
		if text != "" {
			text += "\r\n"
		}
		for _, method := range []string{"GET", "PUT"} {
			all = append(all, exchange{name: method + " " + name, sent: method + " /a HTTP/1.1\r\n" + text + "\r\nabc" + next})
		}
		all = append(all, exchange{name: "second " + name, sent: request("POST /a", "\nabc") + "PUT /a HTTP/1.1\r\n" + text + "\r\nabc\r\n" + next})
	}
	wantAllSame(t, all)
}

func names(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "\r\nX-%d: %d", i, i)
	}
	return b.String()
}

// Heads that are longer than may be are cut off by one and the same. The limit
// is a megabyte and a few kilobytes, which depend on what came before.
func TestHugeHeadsAreRefusedAlike(t *testing.T) {
	t.Parallel()
	for _, n := range []int{15_000, 16_300, 16_384, 17_000, 1<<20 - 1000, 1<<20 + 20_000} {
		for _, sent := range []string{
			"GET /a HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", n) + "\r\n\r\n" + next,
			"GET /a?" + strings.Repeat("a", n) + " HTTP/1.1\r\nHost: x\r\n\r\n" + next,
			next + "GET /" + strings.Repeat("a", n) + " HTTP/1.1\r\nHost: x\r\n\r\n" + next,
			"G" + strings.Repeat("E", n) + "T /a HTTP/1.1\r\nHost: x\r\n\r\n" + next,
			"GET /a HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("A: b\r\n", n/6) + "\r\n" + next,
		} {
			wantSame(t, silent, []string{sent})
			wantSame(t, silent, []string{sent[:10_000], sent[10_000:]})
		}
	}
}

// Bytes of any kind, at any place of a head, mean the same to both.
func TestEveryByteIsReadAlike(t *testing.T) {
	t.Parallel()
	for i := range 256 {
		b := string([]byte{byte(i)})
		for _, sent := range []string{
			"G" + b + "ET /a HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET" + b + "/a HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET " + b + "a HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /a" + b + "b HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /a?" + b + "b HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /a" + b + "HTTP/1.1\r\nHost: x\r\n\r\n",
			"GET /a HTTP/1.1" + b + "\r\nHost: x\r\n\r\n",
			"GET /a HTTP/1.1\r" + b + "Host: x\r\n\r\n",
			"GET /a HTTP/1.1\r\n" + b + "Host: x\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: x\r\nA" + b + ": c\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: x\r\nA:" + b + "c\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: x\r\nA: b" + b + "\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: x" + b + "y\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3" + b + "\r\n\r\nabc",
			"GET /a HTTP/1.1\r\nHost: x\r\n\r" + b + next,
			"GET /a HTTP/1.1\r\nHost: x\r\n\r\n" + b + next,
		} {
			wantSame(t, greet, []string{sent})
		}
	}
}
