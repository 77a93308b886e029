package main

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A form is a body made comparable: the text with the parts that depend on
// the clock taken out and kept beside it. Everything else, escapes and the
// order of fields included, stays as it came.
type form struct {
	text        string
	expirations []time.Time
	ttls        []int64 // one per expiration, 0 where the field is left out
}

// canon takes the clock out of a JSON text. With sorted, arrays called
// "nodes" are put in the order of their text. What is not JSON stays whole.
func canon(body string, sorted bool) form {
	p := parser{s: body}
	v, err := p.value()
	if err != nil {
		return form{text: body}
	}
	rest := p.s[p.at:]
	if sorted {
		v.sort()
	}
	var f form
	var b strings.Builder
	v.write(&b, &f)
	f.text = b.String() + rest
	return f
}

// A value is a piece of JSON that remembers its text and its order.
type value struct {
	kind    byte   // '{', '[' or 's' for everything that has no parts
	text    string // of a scalar, as it came
	members []member
	items   []*value
}

type member struct {
	name  string // as it came, with quotes
	value *value
}

func (v *value) member(name string) *value {
	for _, m := range v.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// sort orders every array called "nodes" by key, then by the rest.
func (v *value) sort() {
	for _, m := range v.members {
		m.value.sort()
		if m.name == `"nodes"` && m.value.kind == '[' {
			slices.SortStableFunc(m.value.items, func(a, b *value) int { return strings.Compare(a.rank(), b.rank()) })
		}
	}
	for _, i := range v.items {
		i.sort()
	}
}

// rank is what a node of a listing is ordered by: its key, and where two keys
// look the same in JSON, its text without what depends on the clock.
func (v *value) rank() string {
	key := ""
	if k := v.member(`"key"`); k != nil {
		key = k.text
	}
	var b strings.Builder
	v.write(&b, &form{})
	return key + "\x00" + b.String()
}

// write appends the text of v, and what depends on the clock to f.
func (v *value) write(b *strings.Builder, f *form) {
	switch v.kind {
	case '{':
		v.writeObject(b, f)
	case '[':
		b.WriteByte('[')
		for i, item := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b, f)
		}
		b.WriteByte(']')
	default:
		b.WriteString(v.text)
	}
}

func (v *value) writeObject(b *strings.Builder, f *form) {
	timed := false
	if e := v.member(`"expiration"`); e != nil {
		at, err := time.Parse(`"`+time.RFC3339Nano+`"`, e.text)
		timed = err == nil
		if timed {
			f.expirations = append(f.expirations, at)
			f.ttls = append(f.ttls, v.ttl())
		}
	}
	b.WriteByte('{')
	first := true
	for _, m := range v.members {
		if timed && m.name == `"ttl"` {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(m.name)
		b.WriteByte(':')
		if timed && m.name == `"expiration"` || m.name == `"startTime"` || m.name == `"uptime"` {
			b.WriteString(`<time>`)
			continue
		}
		m.value.write(b, f)
	}
	b.WriteByte('}')
}

func (v *value) ttl() int64 {
	t := v.member(`"ttl"`)
	if t == nil {
		return 0
	}
	n, _ := strconv.ParseInt(t.text, 10, 64) // not a number is 0
	return n
}

// parser reads compact JSON.
type parser struct {
	s  string
	at int
}

var errNotJSON = errors.New("not compact JSON")

func (p *parser) next() byte {
	if p.at >= len(p.s) {
		return 0
	}
	return p.s[p.at]
}

func (p *parser) value() (*value, error) {
	switch p.next() {
	case '{':
		return p.object()
	case '[':
		return p.array()
	case '"':
		text, err := p.str()
		return &value{kind: 's', text: text}, err
	}
	start := p.at
	for strings.IndexByte("+-.0123456789Eaeflnrstu", p.next()) >= 0 && p.next() != 0 {
		p.at++
	}
	if p.at == start {
		return nil, errNotJSON
	}
	return &value{kind: 's', text: p.s[start:p.at]}, nil
}

func (p *parser) object() (*value, error) {
	v := &value{kind: '{'}
	p.at++
	for p.next() != '}' {
		if len(v.members) > 0 && !p.skip(',') {
			return nil, errNotJSON
		}
		name, err := p.str()
		if err != nil || !p.skip(':') {
			return nil, errNotJSON
		}
		m, err := p.value()
		if err != nil {
			return nil, err
		}
		v.members = append(v.members, member{name, m})
	}
	p.at++
	return v, nil
}

func (p *parser) array() (*value, error) {
	v := &value{kind: '['}
	p.at++
	for p.next() != ']' {
		if len(v.items) > 0 && !p.skip(',') {
			return nil, errNotJSON
		}
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		v.items = append(v.items, item)
	}
	p.at++
	return v, nil
}

func (p *parser) str() (string, error) {
	if p.next() != '"' {
		return "", errNotJSON
	}
	for i := p.at + 1; i < len(p.s); i++ {
		switch p.s[i] {
		case '\\':
			i++
		case '"':
			text := p.s[p.at : i+1]
			p.at = i + 1
			return text, nil
		}
	}
	return "", errNotJSON
}

func (p *parser) skip(c byte) bool {
	if p.next() != c {
		return false
	}
	p.at++
	return true
}
