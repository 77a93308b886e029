package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"

	"keytree/scripts/process"
)

// paths are the keys the random sequences move about in, as they stand in a
// request line: a tree four deep with hidden names, names that are a prefix
// of each other, and bytes that need escaping.
var paths = []string{
	"/a", "/b", "/a/b", "/a/b/c", "/a/b/c/d", "/a/_h", "/a/_h/x", "/a/_h/x/y",
	"/dir", "/dirx", "/dir/x", "/dir/x/y", "/dir/_", "/dirx/y",
	"/_h", "/_h/a", "/_h/_i", "/_h/_i/z",
	"/%C3%A9", "/%C3%A9/%E2%82%AC", "/a%20b", "/a%20b/c%2Bd", "/n%00l", "/n%00l/x",
	"/%FF", "/%EF%BF%BD", "/...", "/.../%3Ca%26b%3E", "/q", "/q/r", "/p+q", "/t%09%7F", "/",
}

// odd are other ways to write a path, some of them redirected or refused.
var odd = []string{"//a", "/a//b", "/a/", "/a/./b", "/a/../b", "/a%2Fb", "/a/%2e%2e/b", "/%zz", "/a/b/", "/..", "/a;x", "/a%3Fb"}

// A generator draws requests. The same seed and the same answers give the
// same requests.
type generator struct {
	r      *rand.Rand
	values int
	index  uint64          // newest X-Etcd-Index
	seen   map[string]seen // by path
}

// seen is what the last answer about a key said.
type seen struct {
	index uint64
	value string
}

func newGenerator(seed uint64) *generator {
	return &generator{r: rand.New(rand.NewPCG(seed, 0)), seen: make(map[string]seen)}
}

func (g *generator) chance(percent int) bool { return g.r.IntN(100) < percent }

func pick[T any](g *generator, from ...T) T { return from[g.r.IntN(len(from))] }

// learn remembers what an answer says about the key of its request.
func (g *generator) learn(path string, a *process.Answer) {
	if a == nil {
		return
	}
	g.index = max(g.index, a.Index("X-Etcd-Index"))
	var e struct {
		Node *struct {
			Value         string
			ModifiedIndex uint64
		}
	}
	if json.Unmarshal(a.Body, &e) == nil && e.Node != nil {
		g.seen[path] = seen{e.Node.ModifiedIndex, e.Node.Value}
	}
}

// A ttlRule says which times to live may be drawn. Expiry happens at slightly
// different moments on the two sides, so a key that is about to expire must
// not meet another request.
type ttlRule int

const (
	ttlLong  ttlRule = iota // nothing expires during the run
	ttlShort                // a second or two
	ttlNow                  // at once: only for the last request before waiting
)

func (g *generator) ttl(rule ttlRule) string {
	switch rule {
	case ttlNow:
		return pick(g, "0", "18446744073709551615", "00", "9000000000")
	case ttlShort:
		return pick(g, "1", "2", "1", "200000")
	}
	// None loses a digit while the sequence runs.
	return pick(g, "200000", "2000000", "7000000000")
}

// A params collects parameters and says where each goes.
type params struct {
	query, body []string
}

func (ps *params) add(g *generator, write bool, name, value string) {
	piece := name + "=" + value
	switch {
	case !write || g.chance(35):
		ps.query = append(ps.query, piece)
	case g.chance(5): // both places: the body wins
		ps.query = append(ps.query, name+"="+pick(g, value, "", "x"))
		fallthrough
	default:
		ps.body = append(ps.body, piece)
	}
}

// request makes a request of the parameters.
func (ps *params) request(g *generator, method, path string) process.Request {
	q := process.Request{Method: method, Target: "/v2/keys" + path}
	if path == "/" && g.chance(50) {
		q.Target = "/v2/keys"
	}
	if len(ps.query) > 0 {
		q.Target += "?" + strings.Join(ps.query, "&")
	}
	if len(ps.body) > 0 || method == "PUT" || method == "POST" {
		q.Body = []byte(strings.Join(ps.body, "&"))
		q.Header = process.Form()
	}
	return q
}

func (g *generator) value() string {
	g.values++
	n := strconv.Itoa(g.values)
	return pick(g, n, "v"+n, "v"+n, "", "%3C%26%3E"+n, "%C3%A9%E2%80%A8", "two+words", "line%0A%08%0C%22%5C", "%FF%00", strings.Repeat("x", 1500), "a=b")
}

// previous draws a value or index to compare with, more often right than not.
func (g *generator) previous(ps *params, write bool, path string) {
	s := g.seen[path]
	value, index := url.QueryEscape(s.value), s.index
	if g.chance(25) {
		value = pick(g, "wrong", "v1", "%FF")
	}
	if g.chance(25) {
		index = pick(g, index+1, g.index, 1, 999999)
	}
	if value == "" && g.chance(90) {
		value = "none" // an empty one is an error of its own
	}
	mode := g.r.IntN(3)
	if mode != 0 {
		ps.add(g, write, "prevValue", value)
	}
	if mode != 1 {
		ps.add(g, write, "prevIndex", strconv.FormatUint(index, 10))
	}
}

// next draws one request. It answers at once: waiting is drawn elsewhere.
func (g *generator) next(rule ttlRule) (path string, q process.Request) {
	path = pick(g, paths...)
	var ps params
	switch n := g.r.IntN(100); {
	case n < 20:
		return path, g.read(&ps, path)
	case n < 38:
		return path, g.set(&ps, path, rule)
	case n < 44:
		return path, g.create(&ps, path, rule)
	case n < 50:
		return path, g.update(&ps, path, rule)
	case n < 60:
		return path, g.swap(&ps, path, rule)
	case n < 65:
		g.previous(&ps, false, path)
		g.noise(&ps, false)
		return path, ps.request(g, "DELETE", path)
	case n < 79:
		return path, g.remove(&ps, path)
	case n < 84:
		return path, g.inOrder(&ps, path, rule)
	case n < 88:
		return path, g.refresh(&ps, path, rule)
	case n < 97:
		return path, g.soup(path, rule)
	case n < 98:
		path = pick(g, odd...)
		return path, ps.request(g, pick(g, "GET", "HEAD", "DELETE", "POST", "PUT"), path)
	}
	return path, pick(g,
		process.Request{Method: "GET", Target: "/version"},
		process.Request{Method: "GET", Target: "/v2/machines"},
		process.Request{Method: "GET", Target: "/v2/stats/leader"},
		process.Request{Method: "GET", Target: "/health"},
		process.Request{Method: "GET", Target: "/v2/nothing"},
		process.Request{Method: "OPTIONS", Target: "/v2/keys" + path},
		process.Request{Method: "PATCH", Target: "/v2/keys" + path},
		process.Request{Method: "POST", Target: "/version"},
	)
}

func (g *generator) read(ps *params, path string) process.Request {
	for _, name := range []string{"recursive", "sorted", "quorum"} {
		if g.chance(40) {
			ps.add(g, false, name, pick(g, "true", "true", "1", "false", "T", "0"))
		}
	}
	if g.chance(10) {
		ps.add(g, false, "quorum", "true")
		if g.chance(30) && truthOf(ps, "quorum") {
			ps.add(g, false, "wait", "true") // a quorum read does not wait
		}
	}
	g.noise(ps, false)
	return ps.request(g, pick(g, "GET", "GET", "GET", "GET", "HEAD"), path)
}

// truthOf reports whether the first value of name in the query is true.
func truthOf(ps *params, name string) bool {
	for _, p := range ps.query {
		if v, ok := strings.CutPrefix(p, name+"="); ok {
			b, err := strconv.ParseBool(v)
			return err == nil && b
		}
	}
	return false
}

func (g *generator) set(ps *params, path string, rule ttlRule) process.Request {
	if g.chance(85) {
		ps.add(g, true, "value", g.value())
	}
	if g.chance(25) {
		ps.add(g, true, "dir", pick(g, "true", "true", "false"))
	}
	g.live(ps, rule)
	if rule == ttlLong && g.chance(2) {
		ps.add(g, true, "ttl", "9000000000") // overflows, and makes the key permanent
	}
	g.noise(ps, true)
	return g.typed(ps.request(g, "PUT", path))
}

// live adds a ttl now and then, and always when it is to be short.
func (g *generator) live(ps *params, rule ttlRule) {
	if rule != ttlLong || g.chance(25) {
		ps.add(g, true, "ttl", g.ttl(rule))
	}
}

func (g *generator) create(ps *params, path string, rule ttlRule) process.Request {
	ps.add(g, true, "prevExist", pick(g, "false", "false", "0", "F"))
	ps.add(g, true, "value", g.value())
	if g.chance(25) {
		ps.add(g, true, "dir", "true")
	}
	g.live(ps, rule)
	g.noise(ps, true)
	return g.typed(ps.request(g, "PUT", path))
}

func (g *generator) update(ps *params, path string, rule ttlRule) process.Request {
	ps.add(g, true, "prevExist", pick(g, "true", "true", "1", "T"))
	if g.chance(60) {
		ps.add(g, true, "value", g.value())
	}
	if g.chance(25) {
		ps.add(g, true, "dir", "true")
	}
	g.live(ps, rule)
	g.noise(ps, true)
	return ps.request(g, "PUT", path)
}

func (g *generator) swap(ps *params, path string, rule ttlRule) process.Request {
	ps.add(g, true, "value", g.value())
	g.previous(ps, true, path)
	if g.chance(30) {
		ps.add(g, true, "prevExist", pick(g, "true", "true", "false"))
	}
	g.live(ps, rule)
	g.noise(ps, true)
	return ps.request(g, "PUT", path)
}

func (g *generator) remove(ps *params, path string) process.Request {
	if g.chance(40) {
		ps.add(g, false, "recursive", pick(g, "true", "true", "false"))
	}
	if g.chance(40) {
		ps.add(g, false, "dir", pick(g, "true", "true", "false"))
	}
	g.noise(ps, false)
	return ps.request(g, "DELETE", path)
}

func (g *generator) inOrder(ps *params, path string, rule ttlRule) process.Request {
	if g.chance(70) {
		path = pick(g, "/q", "/q", "/dir")
	}
	ps.add(g, true, "value", g.value())
	if g.chance(10) {
		ps.add(g, true, "dir", "true")
	}
	if rule != ttlLong {
		rule = ttlLong // its name is not known beforehand
	}
	g.live(ps, rule)
	g.noise(ps, true)
	return g.typed(ps.request(g, "POST", path))
}

func (g *generator) refresh(ps *params, path string, rule ttlRule) process.Request {
	ps.add(g, true, "refresh", pick(g, "true", "true", "true", "false"))
	if g.chance(90) {
		ps.add(g, true, "ttl", g.ttl(rule))
	}
	if g.chance(60) {
		ps.add(g, true, "prevExist", "true")
	}
	if g.chance(10) {
		g.previous(ps, true, path)
	}
	if g.chance(10) {
		ps.add(g, true, "value", g.value())
	}
	g.noise(ps, true)
	return ps.request(g, "PUT", path)
}

// noise adds parameters that have no effect, or little.
func (g *generator) noise(ps *params, write bool) {
	if g.chance(5) {
		ps.add(g, write, pick(g, "sorted", "recursive", "stream", "quorum", "wait"), pick(g, "false", "0", "F"))
	}
	if g.chance(4) {
		ps.add(g, write, "noValueOnSuccess", pick(g, "true", "false", "x"))
	}
	if g.chance(2) {
		ps.add(g, write, pick(g, "unknown", "Value", "TTL", ""), "x")
	}
	if g.chance(2) {
		ps.add(g, write, "waitIndex", pick(g, "0", "5", "x"))
	}
}

// typed changes the type of a body now and then: all but one is not read.
func (g *generator) typed(q process.Request) process.Request {
	switch {
	case g.chance(95):
	case g.chance(20):
		q.Header = nil
	default:
		q.Header = []process.Field{{Name: "Content-Type", Value: pick(g, "text/plain", "application/json",
			"multipart/form-data; boundary=x", "APPLICATION/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8",
			"application/x-www-form-urlencoded; =", "a/b/c", "/")}}
	}
	return q
}

// soup mixes parameters, right and wrong, without asking what they mean
// together. Only waiting and short times to live are kept out.
func (g *generator) soup(path string, rule ttlRule) process.Request {
	method := pick(g, "GET", "PUT", "PUT", "POST", "DELETE", "HEAD")
	write := method == "PUT" || method == "POST"
	flags := []string{"true", "false", "1", "0", "yes", "", "TRUE", "tRue"}
	numbers := []string{"1", "0", "", "-1", "+1", "x", "1.5", "0x10", "%201", "18446744073709551616", strconv.FormatUint(g.seen[path].index, 10)}
	var ps params
	for range 1 + g.r.IntN(4) {
		switch name := pick(g, "recursive", "sorted", "dir", "quorum", "stream", "noValueOnSuccess", "prevExist", "refresh",
			"prevIndex", "waitIndex", "prevValue", "value", "ttl", "wait", "raw"); name {
		case "prevIndex", "waitIndex":
			ps.add(g, write, name, pick(g, numbers...))
		case "prevValue", "value":
			ps.add(g, write, name, pick(g, "", "v1", url.QueryEscape(g.seen[path].value), g.value()))
		case "ttl":
			ps.add(g, write, name, pick(g, g.ttl(min(rule, ttlShort)), "", "x", "-1", "1e3", "+5"))
		case "wait":
			if method != "GET" {
				ps.add(g, write, name, pick(g, flags...))
			} else {
				ps.add(g, write, name, pick(g, "false", "x", ""))
			}
		case "raw":
			if g.chance(30) {
				ps.query = append(ps.query, pick(g, "%zz", "a;b", "&&", "dir", "=", "a=%", "sorted=1&sorted=x"))
			}
		default:
			ps.add(g, write, name, pick(g, flags...))
		}
	}
	return ps.request(g, method, path)
}
