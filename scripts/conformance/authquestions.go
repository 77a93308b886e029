package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"keytree/scripts/process"
)

// A question is one request of the matrix by one person. In its target
// {since} stands for the index from which a watch looks back.
type question struct {
	who     person
	request process.Request
	watch   bool
	at      int // of standings
}

// asked are the keys of the matrix as they stand in the request line.
var asked = []string{
	"", "/", "/a", "/a/", "/a/b", "/a/b/", "/a/c", "/a/_h", "/ap", "/ap/", "/app", "/app/", "/app/x", "/app/y/", "/app/y/z",
	"/_x", "/_x/", "/%61/b", "/a%2Fb", "/a%2F", "/%2561", "/a%252Fb", "/a%20b", "/a+b", "/%C3%A9", "/a//b", "/nope", "/nope/", "/%2A", "/a*",
}

// An operation is a way to ask for a key.
type operation struct {
	method, query, form string
	watch               bool
}

var operations = []operation{
	{method: "GET"},
	{method: "HEAD"},
	{method: "GET", query: "quorum=true"},
	{method: "GET", query: "sorted=true"},
	{method: "GET", query: "sorted=maybe"}, // refused before anybody asks who asks
	{method: "GET", query: "wait=true&waitIndex={since}", watch: true},
	{method: "PUT", form: "value=2"},
	{method: "PUT", query: "value=3"},
	{method: "PUT", form: "dir=true"},
	{method: "PUT", form: "value=4&prevExist=true"},
	{method: "PUT", form: "value=5&prevExist=false"},
	{method: "PUT", form: "value=6&prevValue=1"},
	{method: "PUT", form: "value=7&prevIndex=1"},
	{method: "POST", form: "value=8"},
	{method: "POST", form: "dir=true"},
	{method: "DELETE"},
	{method: "DELETE", query: "dir=true"},
	{method: "DELETE", query: "prevValue=1"},
	{method: "DELETE", query: "prevIndex=1"},
	{method: "PATCH"},
	{method: "OPTIONS"},
}

// keyRequests are all requests for keys: every path by every operation, with
// and without recursive.
func keyRequests() []question {
	var all []question
	for _, path := range asked {
		for _, o := range operations {
			for _, recursive := range []string{"", "recursive=true", "recursive=false"} {
				query := strings.Trim(o.query+"&"+recursive, "&")
				all = append(all, question{request: o.request(path, query, o.form), watch: o.watch})
			}
			if o.form != "" {
				all = append(all, question{request: o.request(path, o.query, o.form+"&recursive=true")})
			}
		}
	}
	return all
}

func (o operation) request(path, query, form string) process.Request {
	q := process.Request{Method: o.method, Target: "/v2/keys" + path}
	if query != "" {
		q.Target += "?" + query
	}
	if form != "" {
		q.Header, q.Body = process.Form(), []byte(form)
	}
	return q
}

// otherRequests are those for all that is not a key. None of them changes a
// user or role that the matrix asks as, nor the members.
func otherRequests() []question {
	var all []question
	add := func(target, body string, methods ...string) {
		for _, method := range methods {
			q := process.Request{Method: method, Target: target}
			if body != "" {
				q.Body, q.Header = []byte(body), []process.Field{{Name: "Content-Type", Value: "application/json"}}
			}
			all = append(all, question{request: q})
		}
	}
	const self = "69b38ac7138de88d" // follows from what both advertise
	peerURLs := fmt.Sprintf(`{"peerURLs":[%q]}`, advertisedPeer)
	add("/v2/members", "", "GET", "HEAD", "PUT", "POST", "DELETE", "PATCH")
	add("/v2/members", "{", "POST")
	add("/v2/members", peerURLs, "POST") // 409
	add("/v2/members/leader", "", "GET", "DELETE")
	add("/v2/members/1234", "", "GET", "DELETE", "POST")
	add("/v2/members/1234", peerURLs, "PUT")
	add("/v2/members/"+self, peerURLs, "PUT")
	add("/v2/members/x", "", "DELETE")
	for _, target := range []string{"/v2/machines", "/v2/stats/self", "/v2/stats/leader", "/version", "/health", "/v2/nothing", "/v2/keysx", "/v2", "/debug/vars"} {
		add(target, "", "GET", "PUT")
	}
	add("/metrics", "", "GET", "HEAD")
	add("/config/local/log", `{"Level":"INFO"}`, "PUT", "GET")
	add("/v2/auth", "", "GET", "PUT")
	add("/v2/auth/", "", "GET")
	add("/v2/auth/enable", "", "GET", "HEAD", "PUT", "POST", "DELETE")
	add("/v2/auth/users", "", "GET", "HEAD", "PUT", "POST", "DELETE")
	add("/v2/auth/roles", "", "GET", "HEAD", "PUT", "POST", "DELETE")
	for _, name := range []string{"", "all", "nope", "all/x", "all%2Fx", "root"} {
		add("/v2/auth/users/"+name, "", "GET", "HEAD", "POST")
		add("/v2/auth/roles/"+name, "", "GET", "HEAD", "POST")
	}
	add("/v2/auth/users/root", "", "DELETE") // 403 while auth is on
	add("/v2/auth/roles/root", `{"role":"root"}`, "PUT", "DELETE")
	add("/v2/auth/users/spare", `{"user":"spare","password":"p"}`, "PUT", "DELETE")
	add("/v2/auth/users/spare", `{"user":"spare","grant":["all","x"]}`, "PUT")
	add("/v2/auth/users/spare", `{"user":"spare","revoke":["all"]}`, "PUT")
	add("/v2/auth/users/spare", `{`, "PUT")
	add("/v2/auth/roles/spare", `{"role":"spare"}`, "PUT", "DELETE")
	add("/v2/auth/roles/spare", `{"role":"spare","grant":{"kv":{"read":["/a"]}}}`, "PUT")
	add("/v2/auth/roles/spare", `{"role":"spare","revoke":{"kv":{"read":["/a"]}}}`, "PUT")
	add("/v2/auth/roles/spare", `{`, "PUT")
	return all
}

// A sample says how much of the matrix is asked.
type sample struct {
	seed uint64
	dear int // questions that cost etcd a bcrypt; 0 for all
	full bool
}

// A drawing is the questions that a sample comes to.
type drawing struct {
	questions       []question
	dear, allDear   int
	cheap, allCheap int
}

// draw draws questions. Nobody is asked about everything under every standing;
// whoever has a header asks every question once, under a standing that is
// drawn, unless the sample leaves it out.
func (s sample) draw() drawing {
	r := rand.New(rand.NewPCG(s.seed, 1))
	requests := append(keyRequests(), otherRequests()...)
	places := standings()
	var d drawing
	var dear, cheap []question
	for _, q := range requests {
		for at := range places {
			q.who, q.at = nobody, at
			cheap = append(cheap, q)
		}
		for _, who := range people() {
			q.who, q.at = who, r.IntN(len(places))
			if who.dear && !places[q.at].off {
				dear = append(dear, q)
			} else {
				cheap = append(cheap, q)
			}
		}
	}
	d.allDear, d.allCheap = len(dear), len(cheap)
	shuffle(r, dear)
	shuffle(r, cheap)
	if !s.full {
		dear = dear[:min(s.dear, len(dear))]
		// A question without bcrypt takes a tenth of the time or less.
		cheap = cheap[:min(5*s.dear, len(cheap))]
	}
	d.dear, d.cheap = len(dear), len(cheap)
	d.questions = append(dear, cheap...)
	shuffle(r, d.questions)
	return d
}

func shuffle(r *rand.Rand, qs []question) {
	r.Shuffle(len(qs), func(i, j int) { qs[i], qs[j] = qs[j], qs[i] })
}

// parts shares questions out, each part in the order of standings.
func (d drawing) parts(n int) [][]question {
	parts := make([][]question, n)
	for i, q := range d.questions {
		parts[i%n] = append(parts[i%n], q)
	}
	for _, p := range parts {
		slices.SortStableFunc(p, func(a, b question) int { return a.at - b.at })
	}
	return parts
}
