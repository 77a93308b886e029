package main

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"

	"keytree/scripts/process"
)

// label tells questions apart.
func (q question) label() string {
	return q.who.name + " | " + curl(q.request) + " | " + standings()[q.at].name
}

func TestTheSameSeedAsksTheSameQuestions(t *testing.T) {
	labels := func(seed uint64) (all []string) {
		for _, q := range (sample{seed: seed, dear: 100}).draw().questions {
			all = append(all, q.label())
		}
		return all
	}
	if !slices.Equal(labels(3), labels(3)) {
		t.Error("seed 3 asks other questions the second time")
	}
	if slices.Equal(labels(3), labels(4)) {
		t.Error("seeds 3 and 4 ask the same questions")
	}
}

func TestAFullMatrixLeavesNothingOut(t *testing.T) {
	d := sample{seed: 1, full: true}.draw()
	if got, want := len(d.questions), d.allDear+d.allCheap; got != want {
		t.Errorf("got %d questions, want %d", got, want)
	}
	count := make(map[string]int)
	for _, q := range d.questions {
		count[q.who.name]++
	}
	requests := len(keyRequests()) + len(otherRequests())
	if got, want := count[nobody.name], requests*len(standings()); got != want {
		t.Errorf("nobody asks %d questions, want each under every standing: %d", got, want)
	}
	for _, who := range people() {
		if got := count[who.name]; got != requests {
			t.Errorf("%s asks %d questions, want %d", who.name, got, requests)
		}
	}
}

func TestASampleMixesPeopleAndStandings(t *testing.T) {
	d := sample{seed: 1, dear: 1000}.draw()
	people, places := make(map[string]bool), make(map[int]bool)
	for _, q := range d.questions[:500] {
		people[q.who.name], places[q.at] = true, true
	}
	if len(people) < 30 || len(places) != len(standings()) {
		t.Errorf("500 questions come from %d people under %d standings", len(people), len(places))
	}
	if d.dear != 1000 {
		t.Errorf("got %d questions with bcrypt, want 1000", d.dear)
	}
}

func TestPartsOfTheMatrixKeepTheOrderOfStandings(t *testing.T) {
	d := sample{seed: 1, dear: 50}.draw()
	total := 0
	for _, part := range d.parts(3) {
		total += len(part)
		if !slices.IsSortedFunc(part, func(a, b question) int { return a.at - b.at }) {
			t.Error("a part goes back to a standing it has left")
		}
	}
	if total != len(d.questions) {
		t.Errorf("the parts have %d questions, want %d", total, len(d.questions))
	}
}

func TestASequenceSaysMostlyWhatCanBeRead(t *testing.T) {
	s := &sequence{generator: newGenerator(7)}
	readable, total := 0, 2000
	for range total {
		body := s.userBody(s.oneOf(userNames))
		if s.chance(50) {
			body = s.roleBody(s.oneOf(roleNames))
		}
		var v map[string]any
		if json.NewDecoder(strings.NewReader(body)).Decode(&v) == nil {
			readable++
		}
	}
	if readable < total*8/10 || readable == total {
		t.Errorf("%d of %d bodies can be read", readable, total)
	}
}

func TestASequenceFollowsRootsPassword(t *testing.T) {
	s := &sequence{generator: newGenerator(1)}
	said := func(q process.Request, status int) {
		s.learn(exchange{request: q, etcd: answered(status, "")})
	}
	put := func(body string) process.Request {
		return process.Request{Method: "PUT", Target: "/v2/auth/users/root", Body: []byte(body)}
	}
	said(put(`{"user":"root","password":"a"} rest`), 201)
	said(put(`{"user":"root","password":"b"}`), 401)
	said(put(`{"user":"root","grant":["x"]}`), 200)
	said(process.Request{Method: "PUT", Target: "/v2/auth/enable"}, 200)
	if s.password != "a" || !s.on {
		t.Errorf("got password %q, auth on %v", s.password, s.on)
	}
	said(process.Request{Method: "DELETE", Target: "/v2/auth/enable"}, 200)
	said(process.Request{Method: "DELETE", Target: "/v2/auth/users/root"}, 200)
	if s.password != "" || s.on {
		t.Errorf("got password %q, auth on %v after both are gone", s.password, s.on)
	}
}

func TestOnlyTheEmptyPatternExcusesABrokenConnection(t *testing.T) {
	for _, test := range []struct {
		who  []process.Field
		want string
	}{{basic(emptyPattern, "p"), "auth-empty-pattern"}, {basic("all", "p"), ""}, {nil, ""}} {
		x := exchange{request: with(get("/v2/keys/a"), test.who), etcd: reply{err: io.EOF}, keytree: answered(401, "")}
		if got := explain(departures(), x, compare(x)[0]); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestSwapsCountAsUpdatesOnlyAfterSecurity(t *testing.T) {
	const etcd, ours, other = `{"setsFail":1,"updateSuccess":5,"compareAndSwapSuccess":0}`, `{"setsFail":1,"updateSuccess":2,"compareAndSwapSuccess":3}`,
		`{"setsFail":1,"updateSuccess":2,"compareAndSwapSuccess":2}`
	for _, test := range []struct{ target, ours, want string }{
		{statsAfterSecurity, ours, "stats-store-auth"}, {statsAfterSecurity, other, ""}, {"/v2/stats/store", ours, ""},
	} {
		x := exchange{request: get(test.target), etcd: answered(200, etcd), keytree: answered(200, test.ours)}
		if got := explain(departures(), x, compare(x)[0]); got != test.want {
			t.Errorf("%s: got %q, want %q", test.target, got, test.want)
		}
	}
}

func TestHeadsOfDifferentLengthDiffer(t *testing.T) {
	x := exchange{request: process.Request{Method: "HEAD", Target: "/v2/keys/a"}, etcd: answered(200, "{}"), keytree: answered(200, "{ }")}
	if ds := compareLengths(x, nil); len(ds) != 1 {
		t.Errorf("got %v, want one difference", ds)
	}
	x.request.Method = "GET"
	if ds := compareLengths(x, nil); len(ds) != 0 {
		t.Errorf("got %v, want none: the bodies of GET are compared", ds)
	}
}
