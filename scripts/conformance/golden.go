package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"keytree/scripts/process"
)

// A scenario is a recorded run against an empty server. Its requests are sent
// again to both servers; the recorded answers are not looked at.
type scenario struct {
	name     string
	steps    []step
	openCORS bool // both servers with their own default for CORS
}

// A step is one line of a recording. Its fields are those of the recorder.
type step struct {
	Method    string            `json:"method"`
	Path      string            `json:"path"`
	Headers   map[string]string `json:"headers"`
	Body      *string           `json:"body"`
	BodyB64   string            `json:"body_b64"`
	BodyExpr  string            `json:"body_expr"`
	DelayMS   int               `json:"delay_ms"`
	During    []step            `json:"during"`
	ClosedBy  string            `json:"closed_by"`
	ReadLines int               `json:"read_lines"`
	Before    *repetition       `json:"before"`
}

// A repetition is a request sent many times before a step: {i} stands for the
// running number, {i%7} for that modulo 7.
type repetition struct {
	Repeat  int               `json:"repeat"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Body    string            `json:"body"`
	Headers map[string]string `json:"headers"`
}

// recorded are the scenarios both servers must agree on.
var recorded = []string{"keys_*", "ttl_*", "watch_*", "misc_*", "quorum_*", "auth_*"}

func loadScenarios(dir string) ([]scenario, error) {
	var all []scenario
	for _, pattern := range recorded {
		files, err := filepath.Glob(filepath.Join(dir, pattern+".jsonl"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			s, err := loadScenario(file)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no scenarios in %s", dir)
	}
	return all, nil
}

func loadScenario(file string) (scenario, error) {
	f, err := os.Open(file)
	if err != nil {
		return scenario{}, err
	}
	defer func() { _ = f.Close() }() // only read
	s := scenario{name: strings.TrimSuffix(filepath.Base(file), ".jsonl")}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var st step
		if err := json.Unmarshal(lines.Bytes(), &st); err != nil {
			return scenario{}, fmt.Errorf("line %d: %w", len(s.steps)+1, err)
		}
		s.steps = append(s.steps, st)
	}
	return s, lines.Err()
}

// count returns the number of exchanges in the scenario.
func (s scenario) count() int {
	n := 0
	for _, st := range s.steps {
		n += 1 + len(st.During)
	}
	return n
}

// request makes what is sent.
func (st step) request() (process.Request, error) {
	q := process.Request{Method: st.Method, Target: st.Path, Header: fields(st.Headers)}
	switch {
	case st.BodyExpr != "":
		body, err := expand(st.BodyExpr)
		if err != nil {
			return q, err
		}
		q.Body = []byte(body)
	case st.BodyB64 != "":
		body, err := base64.StdEncoding.DecodeString(st.BodyB64)
		if err != nil {
			return q, err
		}
		q.Body = body
	case st.Body != nil:
		q.Body = []byte(*st.Body)
	}
	return q, nil
}

func fields(h map[string]string) []process.Field {
	var fs []process.Field
	for _, name := range slices.Sorted(maps.Keys(h)) {
		fs = append(fs, process.Field{Name: name, Value: h[name]})
	}
	return fs
}

// expand evaluates the one expression the recorder uses for large bodies:
// 'value=' + 'c' * 2097152.
func expand(expr string) (string, error) {
	m := regexp.MustCompile(`^'([^']*)' \+ '([^']*)' \* (\d+)$`).FindStringSubmatch(expr)
	if m == nil {
		return "", fmt.Errorf("body expression %q", expr)
	}
	n, err := strconv.Atoi(m[3])
	if err != nil {
		return "", err
	}
	return m[1] + strings.Repeat(m[2], n), nil
}

// How long to look for what should not come: one more event, or any at all.
const (
	extraEvent = 100 * time.Millisecond
	anyEvent   = 300 * time.Millisecond
)

// play sends the steps of a scenario to both sides and notes what differs.
func (s scenario) play(ctx context.Context, p *pair, r *report) error {
	for i, st := range s.steps {
		where := fmt.Sprintf("%s step %d", s.name, i+1)
		if st.Before != nil {
			if err := st.Before.play(ctx, p, r, where); err != nil {
				return err
			}
		}
		pause(ctx, time.Duration(st.DelayMS)*time.Millisecond)
		q, err := st.request()
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		if st.ClosedBy == "" {
			r.note(kindStep, where, s.replay(), p.do(ctx, q))
		} else if err := st.playWatch(ctx, p, r, where, s.replay()); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (s scenario) replay() string { return "-only " + s.name }

// playWatch opens a watch, sends the requests that were sent while it was
// open, and compares what it brought.
func (st step) playWatch(ctx context.Context, p *pair, r *report, where, replay string) error {
	q, err := st.request()
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	w := p.watch(ctx, q)
	for i, d := range st.During {
		q, err := d.request()
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		r.note(kindStep, fmt.Sprintf("%s.%d", where, i+1), replay, p.do(ctx, q))
	}
	switch {
	case st.ClosedBy == "server":
		w.until(ctx, answerTime, func(*feed) bool { return false })
	case st.ReadLines == 0:
		w.settle(ctx, anyEvent)
	default:
		w.until(ctx, 2*time.Second, func(f *feed) bool {
			lines, _, _ := f.state()
			return len(lines) >= st.ReadLines
		})
		w.settle(ctx, extraEvent)
	}
	r.note(kindStep, where, replay, w.close())
	return nil
}

func (rep *repetition) play(ctx context.Context, p *pair, r *report, where string) error {
	if rep.Repeat == 0 {
		return fmt.Errorf("%s: a restart cannot be replayed side by side", where)
	}
	for i := range rep.Repeat {
		fill := strings.NewReplacer("{i%7}", strconv.Itoa(i%7), "{i}", strconv.Itoa(i)).Replace
		r.note(kindBulk, where+" before", "", p.do(ctx, process.Request{
			Method: rep.Method, Target: fill(rep.Path), Header: fields(rep.Headers), Body: []byte(fill(rep.Body)),
		}))
	}
	return nil
}
