package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// expected is s as it is to end: as recorded, or as departures say.
func (p *stage) expected(s step) step {
	d, found := departures[p.scenario][s.N]
	if !found {
		return s
	}
	d.ends(&s)
	return s
}

// check compares what becomes of a step with what is expected. What happened
// by chance is done again until chance wants it so.
func (p *stage) check(s step, do func() outcome) {
	p.t.Helper()
	recorded, wanted := p.asRecorded(s), p.asRecorded(p.expected(s))
	var got, want outcome
	for attempt := 0; ; attempt++ {
		raw := do()
		p.learn(s, raw)
		raw.stdout = younger(raw.stdout, wanted.stdout, time.Since(p.began))
		got, want = p.canonical(s, raw), p.canonical(s, wanted)
		if got == want || attempt == tries(s) {
			break
		}
	}
	if _, departs := departures[p.scenario][s.N]; departs {
		p.departed[s.N] = want != p.canonical(s, recorded)
	}
	if got != want {
		p.t.Errorf("step %d: %s%s%s%s", s.N, s.Line, differing("code", got.code, want.code),
			differing("stdout", got.stdout, want.stdout), differing("stderr", got.stderr, want.stderr))
	}
}

// lifetime matches what is left of one.
var lifetime = regexp.MustCompile(`(?m)^TTL: \d+$|"ttl":\d+`)

// younger is got with the lifetimes of want where they differ by no more than
// the time that the scenario has taken: it may be played slower than recorded.
func younger(got, want string, took time.Duration) string {
	recorded := lifetime.FindAllString(want, -1)
	return lifetime.ReplaceAllStringFunc(got, func(left string) string {
		if len(recorded) == 0 {
			return left
		}
		was := recorded[0]
		recorded = recorded[1:]
		if lost := seconds(was) - seconds(left); lost >= 0 && lost <= int(took/time.Second)+1 {
			return was
		}
		return left
	})
}

// seconds is the number at the end of text.
func seconds(text string) int {
	n, err := strconv.Atoi(text[strings.LastIndexAny(text, ": ")+1:])
	if err != nil {
		panic(err) // lifetime matched it
	}
	return n
}

func TestLifetimesMayBeShorterByTheTimeThatHasPassedOnly(t *testing.T) {
	const want = "TTL: 500\n{\"ttl\":7}"
	for got, same := range map[string]bool{
		want:                         true,
		"TTL: 498\n{\"ttl\":5}":      true,
		"TTL: 497\n{\"ttl\":7}":      false,
		"TTL: 500\n{\"ttl\":4}":      false,
		"TTL: 501\n{\"ttl\":7}":      false,
		"TTL: 0\n{\"ttl\":7}":        false,
		"{\"ttl\":500}\n{\"ttl\":7}": false,
	} {
		if now := younger(got, want, 1900*time.Millisecond); (now == want) != same {
			t.Errorf("%q becomes %q", got, now)
		}
	}
}

// differing tells of a difference, if there is one.
func differing[T comparable](what string, got, want T) string {
	if got == want {
		return ""
	}
	return fmt.Sprintf("\n%s\n  got  %#v\n  want %#v", what, got, want)
}

// tries is how often a step is done again at most. Only those that read are.
func tries(s step) int {
	if s.During == nil && strings.Contains(s.Note, "random") {
		return 60
	}
	return 0
}

// asRecorded is how s ended. What was killed for taking too long has the code
// that this leads to.
func (p *stage) asRecorded(s step) outcome {
	code := -int(syscall.SIGKILL)
	if s.Code != nil {
		code = *s.Code
	}
	return outcome{s.Stdout, s.Stderr, code}
}

// newMember matches what tells of a member whose identifier was made by chance.
var newMember = regexp.MustCompile(`Added member named \S+ with ID ([0-9a-f]+) to cluster|^{"id":"([0-9a-f]+)","name":"",|^([0-9a-f]+): name=node1 peerURLs=http://localhost:2380 `)

// learn notes the identifiers that are not the same every time.
func (p *stage) learn(s step, got outcome) {
	recorded, now := newMember.FindStringSubmatch(s.Stdout), newMember.FindStringSubmatch(got.stdout)
	if recorded != nil && now != nil {
		p.ids[strings.Join(recorded[1:], "")] = strings.Join(now[1:], "")
	}
}

// here is a text of the recording with the names of this run.
func (p *stage) here(text string) string {
	text = strings.ReplaceAll(text, "/data/"+p.scenario, p.dir)
	for recorded, now := range p.ids {
		text = strings.ReplaceAll(text, recorded, now)
	}
	return text
}

func (p *stage) canonical(s step, o outcome) outcome {
	unordered := s.Unordered || strings.HasSuffix(s.Line, "member list") // which is in the order of identifiers
	return outcome{canonical(p.here(o.stdout), unordered), canonical(p.here(o.stderr), unordered), o.code}
}

var (
	timeStamp  = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?`)
	upTime     = regexp.MustCompile(`"uptime":"[^"]*"`)
	oneError   = regexp.MustCompile(`error #\d+: .*`)
	memberList = regexp.MustCompile(`ETCD_INITIAL_CLUSTER=".*"`)
	whoLeads   = regexp.MustCompile(`(?m) isLeader=(true|false)$`)
)

// canonical is text without what differs from run to run: when it was, in
// which order endpoints were asked, in which order members with identifiers
// made by chance come, and which of several leads.
func canonical(text string, unordered bool) string {
	text = timeStamp.ReplaceAllString(text, "TIME")
	text = upTime.ReplaceAllString(text, `"uptime":"TIME"`)
	causes := oneError.FindAllString(text, -1)
	for i, c := range causes {
		_, causes[i], _ = strings.Cut(c, ": ")
	}
	slices.Sort(causes)
	text = oneError.ReplaceAllStringFunc(text, func(c string) string {
		number, _, _ := strings.Cut(c, ": ")
		cause := causes[0]
		causes = causes[1:]
		return number + ": " + cause
	})
	text = memberList.ReplaceAllStringFunc(text, func(line string) string {
		name, list, _ := strings.Cut(line, "=")
		members := strings.Split(strings.Trim(list, `"`), ",")
		slices.Sort(members)
		return name + `="` + strings.Join(members, ",") + `"`
	})
	if !unordered {
		return text
	}
	leaders := strings.Count(text, " isLeader=true\n")
	text = whoLeads.ReplaceAllString(text, "")
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return fmt.Sprintf("%s\n%d leading", strings.Join(lines, "\n"), leaders)
}
