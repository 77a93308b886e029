package main

import (
	"fmt"
	"strconv"
	"strings"

	"keytree/scripts/process"
)

// spelled makes a PUT of a body, in one of the ways to send one.
func (s *sequence) spelled(target, body string) process.Request {
	q := process.Request{Method: "PUT", Target: target, Body: []byte(body)}
	switch {
	case s.chance(80):
		q.Header = []process.Field{{Name: "Content-Type", Value: "application/json"}}
	case s.chance(50):
		q.Header = process.Form() // nobody looks
	}
	return q
}

// userBody draws what is said about a user: mostly something that makes sense.
func (s *sequence) userBody(n name) string {
	if s.chance(10) {
		return s.garbage("user", n)
	}
	fields := []string{s.nameField("user", n)}
	if s.chance(60) {
		fields = append(fields, s.label("password")+":"+pick(s.generator, quoted(s.secret()), quoted(s.secret()), quoted(s.secret()), `""`, "null"))
	}
	if s.chance(25) {
		fields = append(fields, s.label("roles")+":"+s.names())
	}
	if s.chance(35) {
		fields = append(fields, s.label("grant")+":"+s.names())
	}
	if s.chance(25) {
		fields = append(fields, s.label("revoke")+":"+s.names())
	}
	return s.object(fields)
}

// roleBody draws what is said about a role.
func (s *sequence) roleBody(n name) string {
	if s.chance(10) {
		return s.garbage("role", n)
	}
	fields := []string{s.nameField("role", n)}
	if s.chance(35) {
		fields = append(fields, s.label("permissions")+":"+s.permissions())
	}
	if s.chance(40) {
		fields = append(fields, s.label("grant")+":"+s.permissions())
	}
	if s.chance(30) {
		fields = append(fields, s.label("revoke")+":"+s.permissions())
	}
	return s.object(fields)
}

func (s *sequence) nameField(label string, n name) string {
	value := n.plain
	if s.chance(4) {
		value = pick(s.generator, "other", "", strings.ToUpper(n.plain))
	}
	return s.label(label) + ":" + quoted(value)
}

// label is a field's name, now and then in letters of another case.
func (s *sequence) label(name string) string {
	if s.chance(3) {
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	return quoted(name)
}

// object puts fields together in any order, now and then with one that means
// nothing, or with more behind it.
func (s *sequence) object(fields []string) string {
	s.r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	if s.chance(5) {
		fields = append(fields, pick(s.generator, `"x":[{}]`, `"user":null`, `"role":null`, `"":1`))
	}
	body := "{" + strings.Join(fields, pick(s.generator, ",", ",", ",", " ,\n")) + "}"
	if s.chance(4) {
		body += pick(s.generator, "x", "{}", "\n\n", "}")
	}
	return body
}

// names draws a list of roles.
func (s *sequence) names() string {
	if s.chance(10) {
		return pick(s.generator, "null", "[]", `["r1","r1"]`, `["r2","none","r2"]`)
	}
	var list []string
	for range 1 + s.r.IntN(3) {
		// Not empty, and no path: these break or mislead etcd.
		list = append(list, quoted(pick(s.generator, "r1", "r2", "root", "guest", "none", "a<b", "_r", "a b", "é", "R1")))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// permissions draws what a role may, or gets, or loses.
func (s *sequence) permissions() string {
	if s.chance(8) {
		return pick(s.generator, "null", "{}", `{"kv":{}}`, `{"kv":null}`, `{"kv":{"read":[],"write":[]}}`, `{"KV":{"Read":["/a"]}}`, `{"kv":{"read":null}}`, `{"x":1}`)
	}
	var fields []string
	for _, kind := range []string{"read", "write"} {
		if s.chance(70) {
			fields = append(fields, quoted(kind)+":"+s.patterns())
		}
	}
	return `{"kv":{` + strings.Join(fields, ",") + "}}"
}

func (s *sequence) patterns() string {
	var list []string
	for range s.r.IntN(4) {
		list = append(list, quoted(pick(s.generator, drawnPatterns...)))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// garbage draws a body that is no JSON, or not of the right form.
func (s *sequence) garbage(kind string, n name) string {
	right := quoted(kind) + ":" + quoted(n.plain)
	return pick(s.generator, "", "{", "[]", "null", "5", `"x"`, "{}", "\xff", "{"+right, `{`+quoted(kind)+":5}", fmt.Sprintf("{%s,}", right),
		fmt.Sprintf(`{%s,"password":5}`, right), fmt.Sprintf(`{%s,"roles":"r1"}`, right), fmt.Sprintf(`{%s,"grant":"r1"}`, right), fmt.Sprintf(`{%s,"grant":[5]}`, right),
		fmt.Sprintf(`{%s,"revoke":{"kv":5}}`, right), fmt.Sprintf(`{%s,"permissions":[]}`, right), fmt.Sprintf(`{%s,"permissions":{"kv":{"read":"/a"}}}`, right),
		fmt.Sprintf(`{%s,%s}`, right, right), fmt.Sprintf("\n\t {%s}", right), "\uFEFF{"+right+"}", fmt.Sprintf(`{%s:"%s\uD800"}`, quoted(kind), n.raw), "'"+right+"'")
}

// quoted writes a string as JSON does.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ':
			b.WriteString(`\u00` + strconv.FormatInt(int64(r)+0x100, 16)[1:])
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + `"`
}
