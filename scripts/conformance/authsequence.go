package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"keytree/scripts/process"
)

// A sequence sends random operations on users, roles and the switch to one
// pair, right ones and wrong ones, and asks for keys in between.
type sequence struct {
	*generator
	matrix
	on       bool   // auth, as far as etcd's answers tell
	password string // root's, as far as etcd's answers tell; "" while there is no root
}

// sequenceRound is how many operations a pair gets. Many fresh pairs see more
// first times than one that gets old.
const sequenceRound = 100

// sequenceTasks share n operations out among fresh pairs.
func sequenceTasks(seed uint64, n int, match func(name string) bool) (tasks []task) {
	const name = "auth_sequence"
	if !match(name) {
		return nil
	}
	for at, seed := 0, seed; at < n; at, seed = at+sequenceRound, seed+1 {
		ops := min(sequenceRound, n-at)
		where := fmt.Sprintf("%s seed %d", name, seed)
		replay := fmt.Sprintf("-ops 0 -only %s -seed %d -authops %d", name, seed, ops)
		tasks = append(tasks, task{where, replay, ops, false, func(ctx context.Context, p *pair, r *report) error {
			s := &sequence{generator: newGenerator(seed), matrix: matrix{p: p, report: r, where: where, replay: replay}}
			return s.play(ctx, ops)
		}})
	}
	return tasks
}

func (s *sequence) play(ctx context.Context, n int) error {
	for range n {
		if err := s.send(ctx, s.draw()); err != nil {
			return err
		}
	}
	return s.finish(ctx)
}

// send sends one operation to both sides and compares.
func (s *sequence) send(ctx context.Context, q process.Request) error {
	x := s.p.do(ctx, q)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.asked++
	same := s.report.add(kindSecurity, fmt.Sprintf("%s operation %d", s.where, s.asked), s.replay, x, compareLengths(x, compare(x)))
	s.learn(x)
	if same {
		return nil
	}
	return s.compareAll(ctx)
}

// learn remembers what etcd's answer means for the next operations.
func (s *sequence) learn(x exchange) {
	q := x.request
	if x.etcd.err != nil || x.etcd.Status/100 != 2 {
		return
	}
	switch {
	case isPath(q, "/v2/auth/enable") && q.Method != "GET" && q.Method != "HEAD":
		s.on = q.Method == "PUT"
	case isPath(q, "/v2/auth/users/root") && q.Method == "DELETE":
		s.password = ""
	case isPath(q, "/v2/auth/users/root") && q.Method == "PUT":
		var body struct{ Password string }
		if json.NewDecoder(strings.NewReader(string(q.Body))).Decode(&body) == nil && body.Password != "" {
			s.password = body.Password
		}
	}
}

// asRoot returns q with what root needs.
func (s *sequence) asRoot(q process.Request) process.Request {
	if s.password == "" {
		return q
	}
	return with(q, basic("root", s.password))
}

// compareAll compares users, roles and keys, and returns errParted when they
// are not the same.
func (s *sequence) compareAll(ctx context.Context) error {
	same := true
	for _, target := range []string{"/v2/auth/users", "/v2/auth/roles", "/v2/keys/?recursive=true&sorted=true"} {
		x := s.p.do(ctx, s.asRoot(process.Request{Method: "GET", Target: target}))
		same = s.report.note(kindBulk, s.where+" in between", s.replay, x) && same
	}
	if !same {
		return errParted
	}
	return nil
}

// finish turns auth off and compares all that is left.
func (s *sequence) finish(ctx context.Context) error {
	if err := s.send(ctx, s.asRoot(process.Request{Method: "DELETE", Target: "/v2/auth/enable"})); err != nil {
		return err
	}
	if err := s.compareAll(ctx); err != nil {
		return err
	}
	for _, list := range []struct {
		in    string
		names []name
	}{{"/v2/auth/users/", userNames}, {"/v2/auth/roles/", roleNames}} {
		for _, n := range list.names {
			if err := s.send(ctx, process.Request{Method: "GET", Target: list.in + n.raw}); err != nil {
				return err
			}
		}
	}
	return s.send(ctx, process.Request{Method: "GET", Target: statsAfterSecurity})
}

// statsAfterSecurity asks for the counters of a store where users and roles
// were changed; the parameter is for our own eyes.
const statsAfterSecurity = "/v2/stats/store?after=security"

// A name stands in a path in one way and in a body in another.
type name struct{ raw, plain string }

// The first four of these are drawn more often than the rest, and the first
// eleven are offered in Authorization headers: etcd takes the others for paths.
var userNames = []name{
	{"root", "root"}, {"ann", "ann"}, {"bob", "bob"}, {"guest", "guest"}, {"bob/", "bob"}, {"a%20b", "a b"}, {"%E4%BD%A0", "你"},
	{"l%3Ct%26", "l<t&"}, {"_h", "_h"}, {"a%2Fb", "a/b"}, {"a/b", "a/b"}, {"", ""}, {"%FF", "\uFFFD"}, {"%22%5C", `"\`}, {"c:d", "c:d"},
	{"..", ".."}, {"%2E%2E", ".."}, {".", "."}, {"%00", "\x00"}, {"+", "+"}, {"x%E2%80%A8", "x\u2028"}, {"?x=1", ""}, {"..%2Froles%2Froot", "../roles/root"},
}

var roleNames = []name{
	{"r1", "r1"}, {"r2", "r2"}, {"guest", "guest"}, {"root", "root"}, {"r2/", "r2"}, {"a%3Cb", "a<b"}, {"_r", "_r"}, {"a%20b", "a b"},
	{"%C3%A9", "é"}, {"a%2Fb", "a/b"}, {"", ""}, {"%FF", "\uFFFD"}, {"..", ".."}, {"%2E%2E", ".."}, {"//r1", "r1"}, {"x%00", "x\x00"}, {"R1", "R1"},
}

// drawnPatterns are what roles are given. The empty one is not among them: it
// breaks etcd.
var drawnPatterns = []string{"/a", "/a/*", "/*", "*", "/", "/a", "/a/", "/ap*", "a", "/a/*/b", "/é", "/<&>", "/a b", "**", "/\u2028", "/a/../b", `/"\`}

// oneOf draws a name: two times out of three one of the first four.
func (s *sequence) oneOf(names []name) name {
	if s.r.IntN(3) > 0 {
		names = names[:4]
	}
	return pick(s.generator, names...)
}

// draw draws one operation.
func (s *sequence) draw() process.Request {
	// Without root there is nothing to turn on.
	if s.password == "" && s.chance(10) {
		return s.signed(jsonRequest("PUT", "/v2/auth/users/root", account{Name: "root", Password: s.secret()}))
	}
	switch k := s.r.IntN(100); {
	case k < 34:
		n := s.oneOf(userNames)
		return s.signed(s.spelled("/v2/auth/users/"+n.raw, s.userBody(n)))
	case k < 68:
		n := s.oneOf(roleNames)
		return s.signed(s.spelled("/v2/auth/roles/"+n.raw, s.roleBody(n)))
	case k < 76:
		target := "/v2/auth/users/" + s.oneOf(userNames).raw
		if s.chance(50) {
			target = "/v2/auth/roles/" + s.oneOf(roleNames).raw
		}
		return s.signed(process.Request{Method: "DELETE", Target: target})
	case k < 82:
		return s.signed(process.Request{Method: pick(s.generator, "PUT", "PUT", "PUT", "DELETE"), Target: "/v2/auth/enable"})
	case k < 90:
		path := pick(s.generator, "", "users", "roles", "enable", "users/", "users/"+s.oneOf(userNames).raw, "roles/"+s.oneOf(roleNames).raw)
		return s.signed(process.Request{Method: pick(s.generator, "GET", "GET", "GET", "GET", "HEAD", "POST", "PATCH"), Target: "/v2/auth/" + path})
	}
	path := pick(s.generator, "/a", "/a/", "/a/b", "/ap", "/", "", "/%C3%A9", "/a%20b")
	q := process.Request{Method: pick(s.generator, "GET", "GET", "DELETE"), Target: "/v2/keys" + path + pick(s.generator, "", "?recursive=true")}
	if s.chance(40) {
		q.Method, q.Header, q.Body = "PUT", process.Form(), []byte("value=1")
	}
	return s.signed(q)
}

// signed adds who asks: root most often while auth is on, hardly anybody
// while it is off, since etcd does not look then.
func (s *sequence) signed(q process.Request) process.Request {
	switch {
	case s.on && s.chance(75), s.chance(10):
		return s.asRoot(q)
	case s.chance(40):
		return q
	}
	return with(q, basic(s.oneOf(userNames[:11]).plain, s.secret()))
}

func (s *sequence) secret() string {
	return pick(s.generator, "p", "p", "p", "q", "p:q", "é", longPassword)
}
