package httpapi

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path"
	"strings"
	"testing"
)

// FuzzForm: a form is read as net/url reads it, the first value of a name
// counts, and the error is the one etcd's clients see.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"", "value=1", "value=a%20b+c%26d&ttl=5", "&&value=x&&", "value=a=b=c", "value=a;b", "%zz", "value=%zz&a;b",
		"a;b&value=%zz", "prev%45xist=true", "value=1&value=2", "value", "=", "%", "+=+", "ttl=%", "recursive=%7", "VALUE=1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Count(s, "&") > 1000 {
			t.Skip("net/url has a limit on their number")
		}
		var got form
		err := got.parse(s)
		want, wantErr := url.ParseQuery(s)
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%q: got error %v, want %v", s, err, wantErr)
		}
		for p, name := range names {
			if got.has(param(p)) != want.Has(name) || got.values[p] != want.Get(name) {
				t.Errorf("%q: %s: got %q, want %q", s, name, got.values[p], want.Get(name))
			}
		}
	})
}

// FuzzPath: a path is clean exactly if cleaning changes nothing.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"/", "", "/a", "/a/", "//", "/.", "/..", "/...", "/a/.b", "/a/..b/", "/a/../b", "/a/.", "/\x00/\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clean := path.Clean("/" + s)
		if strings.HasSuffix(s, "/") && clean != "/" {
			clean += "/"
		}
		if got, want := isClean(s), clean == s; got != want {
			t.Errorf("%q: got %t, want %t", s, got, want)
		}
	})
}

// FuzzEscape: strings are written as encoding/json writes them, but for the
// two characters that Go learnt short forms for after etcd 3.4.
func FuzzEscape(f *testing.F) {
	for _, s := range []string{
		"", "plain text", `"\/<>&'`, "\x00\x01\b\t\n\v\f\r\x1f\x7f", "\u2028\u2029\u0085\U0001f600", "\xff\xfeabc\xc3",
		"1234567\xe2\x80", "1234567é", "12345678<", "é1234567", strings.Repeat("ab\"cd", 9),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		checkEscape(t, s)
	})
}

// longForms writes the short forms \b and \f of a JSON text in full.
func longForms(b []byte) []byte {
	var out []byte
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] != '\\':
			out = append(out, b[i])
		case b[i+1] == 'b':
			out = append(out, `\u0008`...)
			i++
		case b[i+1] == 'f':
			out = append(out, `\u000c`...)
			i++
		default:
			out = append(out, b[i], b[i+1])
			i++
		}
	}
	return out
}

// Each of all bytes, at each place of texts of all lengths that are treated
// differently, among plain ones and among its like.
func TestEveryByteIsEscapedWhereverItStands(t *testing.T) {
	for c := range 256 {
		for length := 1; length <= 48; length++ {
			for at := range length {
				text := []byte(strings.Repeat("x", length))
				text[at] = byte(c)
				checkEscape(t, string(text))
				text[length-1-at] = byte(c)
				checkEscape(t, string(text))
			}
		}
	}
}

// checkEscape compares what becomes of s with encoding/json.
func checkEscape(t *testing.T, s string) {
	t.Helper()
	want, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	want = longForms(want)
	if got := appendString(nil, s); !bytes.Equal(got, want) {
		t.Fatalf("string %q: got %s, want %s", s, got, want)
	}
	if got := appendString([]byte("x"), []byte(s)); !bytes.Equal(got[1:], want) {
		t.Fatalf("bytes %q: got %s, want %s", s, got[1:], want)
	}
}
