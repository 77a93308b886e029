package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// hostilePath is a random path whose names are made of the bytes that could
// confuse keys.
func hostilePath(r *rand.Rand) Path {
	alphabet := "\x00\x01\x02\x03\x04\x05a\xff_."
	name := ""
	for range 1 + r.IntN(4) {
		name += "/"
		for range 1 + r.IntN(3) {
			name += string(alphabet[r.IntN(len(alphabet))])
		}
	}
	return ParsePath(Keys, name)
}

func TestNodeKeysRoundTripAndKeepTheirRanges(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		p, q := hostilePath(r), hostilePath(r)
		if p.IsRoot() || q.IsRoot() {
			continue
		}
		key := appendNodeKey(nil, p)
		if back, ok := nodePath(key); !ok || back != p {
			t.Fatalf("path of the key of %q = %q, %v", p, back, ok)
		}
		if e, back, ok := parseDueKey(appendDueKey(nil, -5, p)); !ok || back != p || e != -5 {
			t.Fatalf("due key of %q reads as %q, %d, %v", p, back, e, ok)
		}
		prefix := appendDirPrefix(nil, q)
		between := func(lo, hi byte) bool {
			return bytes.Compare(with(prefix, lo), key) <= 0 && bytes.Compare(key, with(prefix, hi)) < 0
		}
		if got, want := between(sepName, sepDir), p.Parent() == q; got != want {
			t.Fatalf("%q among the children of %q: %v, want %v", p, q, got, want)
		}
		if got, want := between(sepName, sepDir+1), p.Under(q); got != want {
			t.Fatalf("%q beneath %q: %v, want %v", p, q, got, want)
		}
		if p.Parent() == q.Parent() {
			if got, want := bytes.Compare(key, appendNodeKey(nil, q)), strings.Compare(p.Base(), q.Base()); got != want {
				t.Fatalf("order of %q and %q: %d, want %d", p, q, got, want)
			}
		}
	}
}

func TestDueKeysSortByExpiry(t *testing.T) {
	times := []Expiry{-1 << 63, -5, -1, 1, 5, 1<<63 - 1}
	if !slices.IsSortedFunc(times, func(a, b Expiry) int {
		return bytes.Compare(appendDueBound(nil, a), appendDueBound(nil, b))
	}) {
		t.Error("due keys do not sort like their times")
	}
}

func TestParsePathCleansLikeTheRealServer(t *testing.T) {
	for raw, want := range map[string]string{
		"":             "/",
		"/":            "/",
		"//":           "/",
		"a":            "/a",
		"/a/":          "/a",
		"/a//b":        "/a/b",
		"/a/./b":       "/a/b",
		"/a/../b/":     "/b",
		"/../..":       "/",
		"/a/.../b":     "/a/.../b",
		"/.hidden":     "/.hidden",
		"/..a":         "/..a",
		"/a\x00/b":     "/a\x00/b",
		"/_x/\xff/ ?#": "/_x/\xff/ ?#",
	} {
		if got := ParsePath(Keys, raw).String(); got != want {
			t.Errorf("ParsePath(%q) = %q, want %q", raw, got, want)
		}
	}
}

func TestPathsTellTheirPlace(t *testing.T) {
	a, ab, root := ParsePath(Keys, "/a"), ParsePath(Keys, "/a/_b"), Root(Keys)
	for _, tt := range []struct {
		what      string
		got, want any
	}{
		{"parent of /a/_b", ab.Parent(), a},
		{"parent of /a", a.Parent(), root},
		{"parent of /", root.Parent(), root},
		{"child of /", root.Child("a"), a},
		{"child of /a", a.Child("_b"), ab},
		{"base", ab.Base(), "_b"},
		{"under", fmt.Sprint(ab.Under(a), a.Under(ab), a.Under(a), a.Under(root), ParsePath(Keys, "/ab").Under(a), ParsePath(Auth, "/a/b").Under(a)), "true false false true false false"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s = %v, want %v", tt.what, tt.got, tt.want)
		}
	}
}
