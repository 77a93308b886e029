package httpapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keytree/raftlog/member"
)

// exchange is one line of a recording: a request and what etcd 3.4.23
// answered. testdata/golden/README.md describes the fields.
type exchange struct {
	Method   string            `json:"method"`
	Path     string            `json:"path"`
	Headers  map[string]string `json:"headers"`
	Body     *string           `json:"body"`
	BodyB64  *string           `json:"body_b64"`
	BodyExpr string            `json:"body_expr"`

	Status      int               `json:"status"`
	RespHeaders map[string]string `json:"resp_headers"`
	Location    string            `json:"location"`
	RespBody    string            `json:"resp_body"`
	RespBodyB64 string            `json:"resp_body_b64"`
	Volatile    []string          `json:"volatile"`

	Before      *bulk      `json:"before"`
	DelayMS     int        `json:"delay_ms"`
	HeaderFirst bool       `json:"header_first"`
	During      []exchange `json:"during"`
	ReadLines   int        `json:"read_lines"`
	ClosedBy    string     `json:"closed_by"`

	Port string `json:"port"`

	complete bool // the lines of the stream are all there are; not recorded
}

// bulk is a request repeated without being recorded.
type bulk struct {
	Repeat  int               `json:"repeat"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Body    string            `json:"body"`
	Headers map[string]string `json:"headers"`
}

// TestGolden plays what was recorded from etcd 3.4.23, each scenario against
// a server of its own, and compares the answers byte for byte but for what
// the recording marks as volatile.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		lines := readGolden(t, file)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onFronts(t, func(t *testing.T, over front) {
				b := recordedOn(t, name, over)
				for i, x := range lines {
					if happen := between[name][i+1]; happen != nil {
						happen(b)
					}
					if diff := b.replay(expected(t, name, i+1, x)); diff != "" {
						t.Errorf("line %d: %s %s\n%s", i+1, x.Method, x.Path, diff)
					}
				}
			})
		})
	}
}

// recordedOn starts what a scenario was recorded on.
func recordedOn(t *testing.T, scenario string, over front) *bench {
	t.Helper()
	if strings.HasPrefix(scenario, "cluster_") {
		return newCluster(t, 3, over)
	}
	if gate, found := gates[scenario]; found {
		return newBenchOn(t, over, func(h http.Handler) http.Handler { return Gate(h, gate) })
	}
	return newBenchOn(t, over, asItIs)
}

// gates are what some scenarios were recorded behind: what their etcd was
// told, or does by itself.
var gates = map[string]GateConfig{
	"cors_01_list":      {CORS: []string{"http://a.example:80", "https://b.example:8443"}},
	"cors_02_default":   {CORS: []string{"*"}},
	"host_01_whitelist": {Hosts: []string{"good.example", "127.0.0.1"}},
}

// between is what happened just before a line, counted from 1, and is not on
// it.
var between = map[string]map[int]func(*bench){
	"members_02_lost_quorum": {
		// That etcd was alone as soon as it had added a member. Keytree counts
		// on a member only once it has been there, so here it has been.
		4: func(b *bench) {
			m := b.members.Join(b.added, "node2", "http://127.0.0.1:21389")
			m.AwaitReady()
			time.Sleep(time.Second)
			m.Kill()
		},
	},
	"cluster_01_three_nodes": {
		19: func(*bench) { time.Sleep(5500 * time.Millisecond) }, // members must have been connected for 5 s
		29: func(b *bench) { b.members.Follower(1).Kill() },
		32: func(b *bench) { b.roles["leader"].Kill() },
	},
}

func readGolden(t testing.TB, file string) (lines []exchange) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for d := json.NewDecoder(f); ; {
		var x exchange
		if err := d.Decode(&x); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, x)
	}
}

// replay does again what was recorded and describes the difference.
func (b *bench) replay(x exchange) string {
	b.t.Helper()
	x.Path, x.RespBody = b.ids.Replace(x.Path), b.ids.Replace(x.RespBody)
	if x.Before != nil {
		for i := range x.Before.Repeat {
			fill := strings.NewReplacer("{i%7}", strconv.Itoa(i%7), "{i}", strconv.Itoa(i))
			body := fill.Replace(x.Before.Body)
			b.exchange(exchange{Method: x.Before.Method, Path: fill.Replace(x.Before.Path), Headers: x.Before.Headers, Body: &body})
		}
	}
	time.Sleep(time.Duration(x.DelayMS) * time.Millisecond)
	body, shown := x.requestBody()
	if x.BodyExpr != "" {
		x.Body = &body
		placeholder := regexp.MustCompile(`<[^>]*>`).FindString(x.RespBody)
		if placeholder != "" {
			x.RespBody = strings.Replace(x.RespBody, placeholder, shown, 1)
		}
	}
	if x.HeaderFirst {
		return b.replayWatch(x)
	}
	a := b.exchange(x)
	b.learn(x, a)
	return x.compare(a)
}

// learn notes a member that was added: its ID depends on the time.
func (b *bench) learn(x exchange, a *answer) {
	type listed struct {
		ID       string
		PeerURLs []string
	}
	var recorded, added listed
	if x.Status != http.StatusCreated || !strings.HasPrefix(x.Path, "/v2/members") ||
		json.Unmarshal([]byte(x.RespBody), &recorded) != nil || json.Unmarshal([]byte(a.body), &added) != nil {
		return
	}
	b.ids = strings.NewReplacer(recorded.ID, added.ID)
	b.added.ID, _ = member.ParseID(added.ID) // a wrong one is found when it joins
	b.added.PeerURLs = added.PeerURLs
}

// requestBody is the body to send, and the value in it if it was too long to
// be recorded.
func (x *exchange) requestBody() (body, value string) {
	switch {
	case x.BodyExpr != "":
		m := regexp.MustCompile(`^'(.*)' \+ '(.)' \* (\d+)$`).FindStringSubmatch(x.BodyExpr)
		n, _ := strconv.Atoi(m[3]) // digits, by the expression
		value = strings.Repeat(m[2], n)
		return m[1] + value, value
	case x.BodyB64 != nil:
		text, err := base64.StdEncoding.DecodeString(*x.BodyB64)
		if err != nil {
			panic(err)
		}
		return string(text), ""
	case x.Body != nil:
		return *x.Body, ""
	}
	return "", ""
}

func (b *bench) exchange(x exchange) *answer {
	b.t.Helper()
	c := b.dialTo(x.Port)
	defer c.Close()
	c.sendExchange(x)
	return c.receive(x.Method)
}

func (c *wireConn) sendExchange(x exchange) {
	body, _ := x.requestBody()
	var h strings.Builder
	fmt.Fprintf(&h, "%s %s HTTP/1.1\r\n", x.Method, x.Path)
	if x.Headers["Host"] == "" {
		h.WriteString("Host: 127.0.0.1:21379\r\n")
	}
	if x.Body != nil || x.BodyB64 != nil {
		fmt.Fprintf(&h, "Content-Length: %d\r\n", len(body))
	}
	for name, value := range x.Headers {
		fmt.Fprintf(&h, "%s: %s\r\n", name, value)
	}
	c.sendRaw(h.String() + "\r\n" + body)
}

// replayWatch sends what was sent during the watch once its header is there.
func (b *bench) replayWatch(x exchange) string {
	b.t.Helper()
	c := b.dialTo(x.Port)
	defer c.Close()
	c.sendExchange(x)
	a, body := c.head(x.Method)
	synctest.Wait()
	for i, d := range x.During {
		if diff := d.compare(b.exchange(d)); diff != "" {
			return fmt.Sprintf("during it, request %d: %s %s\n%s", i+1, d.Method, d.Path, diff)
		}
	}
	if x.ClosedBy == "server" {
		text, err := io.ReadAll(body)
		if err != nil {
			return err.Error()
		}
		a.body = string(text)
		return x.compare(a)
	}
	for range x.ReadLines {
		line, err := body.ReadString('\n')
		a.body += line
		if err != nil {
			return fmt.Sprintf("the stream ended after %q: %v", a.body, err)
		}
	}
	if more := c.pending(body); x.complete && more != "" {
		return fmt.Sprintf("the stream goes on with %q", more)
	}
	return x.compare(a)
}

// pending is what the server sends without being asked for more.
func (c *wireConn) pending(body io.Reader) string {
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond)) // a pipe has deadlines
	text, _ := io.ReadAll(body)                             // until the deadline
	return string(text)
}

// compare describes how a differs from what x says.
func (x exchange) compare(a *answer) string {
	var diff strings.Builder
	say := func(what string, got, want any) { fmt.Fprintf(&diff, "%s\n got %v\nwant %v\n", what, got, want) }
	if a.status != x.Status {
		say("status", a.status, x.Status)
	}
	if got := a.headers.Get("Location"); got != x.Location {
		say("Location", got, x.Location)
	}
	for name := range a.headers {
		if _, found := x.RespHeaders[name]; !found && recorded(name) {
			say(name, a.headers.Get(name), "no such header")
		}
	}
	for name, want := range x.RespHeaders {
		got := a.headers.Get(name)
		if volatile := slices.Contains(x.Volatile, "resp_headers."+name); got == "" || got != want && !volatile {
			say(name, got, want)
		}
	}
	want := x.RespBody
	if x.RespBodyB64 != "" {
		text, err := base64.StdEncoding.DecodeString(x.RespBodyB64)
		if err != nil {
			panic(err)
		}
		want = string(text)
	}
	if got, want := x.masked(a.body), x.masked(want); got != want {
		say("body", clip(got), clip(want))
	}
	return diff.String()
}

// recorded reports whether recordings hold headers called name.
func recorded(name string) bool {
	return strings.HasPrefix(name, "X-") || strings.HasPrefix(name, "Access-Control-") || name == "Content-Type" || name == "Allow"
}

func clip(s string) string {
	if len(s) > 2000 {
		return s[:2000] + "..."
	}
	return s
}
