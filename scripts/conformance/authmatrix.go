package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"keytree/scripts/process"
)

// matrixParts is on how many pairs the matrix is asked. The share of each does
// not depend on how many run at a time.
const matrixParts = 4

// mostSpoilt is after how many writes that did something the keys are planted
// anew.
const mostSpoilt = 12

// A matrix asks some questions of one pair: who may do what.
type matrix struct {
	p      *pair
	report *report
	where  string
	replay string

	asked  int
	since  uint64 // index of the first planted key
	spoilt int    // writes since then
}

// matrixTasks are the tasks of the matrix whose names match. It returns what
// is asked as well.
func matrixTasks(s sample, match func(name string) bool) (tasks []task, d drawing) {
	d = s.draw()
	for i, questions := range d.parts(matrixParts) {
		name := fmt.Sprintf("auth_matrix_%d", i+1)
		if !match(name) {
			continue
		}
		replay := fmt.Sprintf("-ops 0 -only %s -seed %d -authsample %d -full=%v", name, s.seed, s.dear, s.full)
		tasks = append(tasks, task{name, replay, len(questions), false, func(ctx context.Context, p *pair, r *report) error {
			m := &matrix{p: p, report: r, where: name, replay: replay}
			return m.play(ctx, questions)
		}})
	}
	return tasks, d
}

func (m *matrix) play(ctx context.Context, questions []question) error {
	if err := m.introduce(ctx); err != nil {
		return err
	}
	at, all := -1, standings()
	for _, q := range questions {
		if q.at != at || m.spoilt >= mostSpoilt {
			at = q.at
			if err := m.plant(ctx, all[at]); err != nil {
				return fmt.Errorf("%s: %w", all[at].name, err)
			}
		}
		if err := m.ask(ctx, q, all[at]); err != nil {
			return err
		}
	}
	if err := m.plant(ctx, standing{off: true}); err != nil {
		return err
	}
	if err := m.p.unwatched(ctx); err != nil {
		return err
	}
	return m.prepare(ctx, process.Request{Method: "GET", Target: statsAfterSecurity})
}

// ask asks one question and compares.
func (m *matrix) ask(ctx context.Context, q question, s standing) error {
	request := with(q.request, q.who.header)
	request.Target = strings.Replace(request.Target, "{since}", strconv.FormatUint(m.since, 10), 1)
	m.asked++
	var x exchange
	if q.watch {
		w := m.p.watch(ctx, request)
		w.settle(ctx, silentEvent)
		if w.etcd.over() != w.keytree.over() { // one of the two is slow
			w.until(ctx, lastEvent, (*feed).over)
		}
		x = w.close()
	} else {
		x = m.p.do(ctx, request)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	where := fmt.Sprintf("%s question %d (%s, %s)", m.where, m.asked, q.who.name, s.name)
	same := m.report.add(kindQuestion, where, m.replay, x, compareLengths(x, compare(x)))
	m.note(x)
	if same {
		return nil
	}
	return m.together(ctx)
}

// note keeps count of what an exchange has changed.
func (m *matrix) note(x exchange) {
	q := x.request
	if x.etcd.err != nil || x.etcd.Status/100 != 2 || q.Method == "GET" || q.Method == "HEAD" {
		return
	}
	m.spoilt++
	if isPath(q, "/v2/auth/enable") {
		m.spoilt = mostSpoilt
	}
}

// compareLengths adds to ds when HEAD tells of bodies of different length.
func compareLengths(x exchange, ds []difference) []difference {
	if x.request.Method != "HEAD" || isPath(x.request, "/metrics") || x.etcd.err != nil || x.keytree.err != nil {
		return ds
	}
	a, b := x.etcd.Header.Get("Content-Length"), x.keytree.Header.Get("Content-Length")
	if a != b {
		ds = append(ds, difference{"length of HEAD", a, b})
	}
	return ds
}

// together is an error when the two sides no longer stand at the same index.
func (m *matrix) together(ctx context.Context) error {
	x := m.p.do(ctx, with(process.Request{Method: "GET", Target: "/v2/keys/"}, rootHeader()))
	if err := errors.Join(x.etcd.err, x.keytree.err); err != nil {
		return err
	}
	if x.etcd.Index("X-Etcd-Index") != x.keytree.Index("X-Etcd-Index") {
		return errParted
	}
	return nil
}

// prepare sends a request that is no question, and compares.
func (m *matrix) prepare(ctx context.Context, q process.Request) error {
	x := m.p.do(ctx, q)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if m.report.note(kindBulk, m.where+" in between", m.replay, x) {
		return nil
	}
	return m.together(ctx)
}

// prepareAll sends requests that are no questions.
func (m *matrix) prepareAll(ctx context.Context, qs ...process.Request) error {
	for _, q := range qs {
		if err := m.prepare(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

// plant compares what the questions so far have left, puts the keys in order
// again, and has auth and guest stand as s says.
func (m *matrix) plant(ctx context.Context, s standing) error {
	err := m.prepareAll(ctx,
		with(process.Request{Method: "DELETE", Target: "/v2/auth/enable"}, rootHeader()),
		process.Request{Method: "GET", Target: "/v2/keys?recursive=true&sorted=true"},
		process.Request{Method: "GET", Target: "/v2/auth/users"},
		process.Request{Method: "GET", Target: "/v2/auth/roles"},
	)
	if err != nil {
		return err
	}
	if err := m.clear(ctx); err != nil {
		return err
	}
	m.since, m.spoilt = 0, 0
	for _, path := range planted {
		x := m.p.do(ctx, process.Request{Method: "PUT", Target: "/v2/keys" + path, Header: process.Form(), Body: []byte("value=1")})
		m.report.note(kindBulk, m.where+" planting", m.replay, x)
		if m.since == 0 && x.etcd.Answer != nil {
			m.since = x.etcd.Index("X-Etcd-Index")
		}
	}
	if s.off {
		return nil
	}
	return m.admit(ctx, s.guest)
}

// clear removes all keys; a question may have left any.
func (m *matrix) clear(ctx context.Context) error {
	x := m.p.do(ctx, process.Request{Method: "GET", Target: "/v2/keys"})
	if x.etcd.err != nil {
		return x.etcd.err
	}
	var listing struct {
		Node struct{ Nodes []struct{ Key string } }
	}
	if err := json.Unmarshal(x.etcd.Body, &listing); err != nil {
		return fmt.Errorf("listing of the root: %w", err)
	}
	names := hiddenTops
	for _, n := range listing.Node.Nodes {
		names = append(names[:len(names):len(names)], (&url.URL{Path: n.Key}).EscapedPath())
	}
	for _, name := range names {
		if err := m.prepare(ctx, process.Request{Method: "DELETE", Target: "/v2/keys" + name + "?recursive=true"}); err != nil {
			return err
		}
	}
	return nil
}

// admit turns auth on and gives guests that role, or none.
func (m *matrix) admit(ctx context.Context, guest *role) error {
	const path = "/v2/auth/roles/guest"
	remove := process.Request{Method: "DELETE", Target: path}
	enable := process.Request{Method: "PUT", Target: "/v2/auth/enable"}
	if guest == nil {
		return m.prepareAll(ctx, enable, with(remove, rootHeader()))
	}
	r := *guest
	r.Name = "guest"
	return m.prepareAll(ctx, remove, jsonRequest("PUT", path, r), enable)
}
