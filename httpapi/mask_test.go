package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// masked is body with what x marks as volatile taken out. A body without
// volatile parts stays as it is, to the byte.
func (x exchange) masked(body string) string {
	volatile := slices.DeleteFunc(slices.Clone(x.Volatile), func(p string) bool { return !strings.HasPrefix(p, "resp_body") })
	switch {
	case len(volatile) == 0:
		return body
	case slices.Contains(volatile, "resp_body"):
		return "all of it is volatile"
	case x.HeaderFirst:
		var lines strings.Builder
		for i, line := range strings.SplitAfter(body, "\n") {
			lines.WriteString(maskJSON(line, fmt.Sprintf("resp_body#line%d", i), volatile))
		}
		return lines.String()
	}
	return maskJSON(body, "resp_body", volatile)
}

// maskJSON writes the JSON text anew with the fields in their order, but those
// at volatile paths without their values, and the elements of arrays whose
// order is volatile sorted.
func maskJSON(text, path string, volatile []string) string {
	m := masker{d: json.NewDecoder(strings.NewReader(text)), volatile: volatile}
	m.d.UseNumber()
	out, err := m.value(path, path)
	if err != nil {
		return text // not JSON: compared as it is
	}
	rest, _ := io.ReadAll(m.d.Buffered()) // from memory
	return out + string(rest)
}

type masker struct {
	d        *json.Decoder
	volatile []string
}

// value reads one value; anywhere is its path with "[]" for every index.
func (m *masker) value(path, anywhere string) (string, error) {
	token, err := m.d.Token()
	if err != nil {
		return "", err
	}
	var out string
	switch token {
	case json.Delim('{'):
		out, err = m.object(path, anywhere)
	case json.Delim('['):
		out, err = m.array(path, anywhere)
	default:
		var text []byte
		text, err = json.Marshal(token)
		out = string(text)
	}
	if slices.Contains(m.volatile, path) || slices.Contains(m.volatile, anywhere) {
		out = "?"
	}
	return out, err
}

func (m *masker) object(path, anywhere string) (string, error) {
	var fields []string
	for m.d.More() {
		name, err := m.d.Token()
		if err != nil {
			return "", err
		}
		value, err := m.value(fmt.Sprintf("%s.%s", path, name), fmt.Sprintf("%s.%s", anywhere, name))
		if err != nil {
			return "", err
		}
		fields = append(fields, fmt.Sprintf("%q:%s", name, value))
	}
	_, err := m.d.Token()
	return "{" + strings.Join(fields, ",") + "}", err
}

func (m *masker) array(path, anywhere string) (string, error) {
	var elements []string
	for i := 0; m.d.More(); i++ {
		value, err := m.value(fmt.Sprintf("%s[%d]", path, i), anywhere+"[]")
		if err != nil {
			return "", err
		}
		elements = append(elements, value)
	}
	if slices.Contains(m.volatile, path+"#order") || slices.Contains(m.volatile, anywhere+"#order") {
		slices.Sort(elements)
	}
	_, err := m.d.Token()
	return "[" + strings.Join(elements, ",") + "]", err
}

func TestMasksHideVolatilePartsOnly(t *testing.T) {
	const a = `{"node":{"nodes":[{"key":"b","ttl":5,"at":"x"},{"key":"a"}]}}` + "\n"
	const b = `{"node":{"nodes":[{"key":"a"},{"key":"b","ttl":4,"at":"x"}]}}` + "\n"
	ttl, order := "resp_body.node.nodes[].ttl", "resp_body.node.nodes#order"
	same := func(volatile ...string) bool {
		return maskJSON(a, "resp_body", volatile) == maskJSON(b, "resp_body", volatile)
	}
	if !same(ttl, order) {
		t.Errorf("still different: %s and %s", maskJSON(a, "resp_body", []string{ttl, order}), maskJSON(b, "resp_body", []string{ttl, order}))
	}
	if same(ttl) || same(order) {
		t.Error("a mask hides more than it says")
	}
	if got := maskJSON(a, "resp_body", nil); !bytes.Equal([]byte(got), []byte(a)) {
		t.Errorf("without masks: got %s, want %s", got, a)
	}
}
