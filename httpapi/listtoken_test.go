package httpapi

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"keytree/store"
)

// A token is for the listing it came from, and for no other.
func TestATokenIsOfOneListing(t *testing.T) {
	told(t, func(t *testing.T, b *bench) {
		for _, name := range []string{"/d/a", "/d/b", "/d/c", "/da", "/db"} {
			b.put("/v2/keys"+name, "value=1")
		}
		token := *b.list("prefix", "/d/", "limit", "1").Continue
		for query, status := range map[string]int{
			"prefix=/d/":                 200,
			"prefix=/d/&limit=1":         200,
			"prefix=/d/&keysOnly=true":   200,
			"prefix=/d/&recursive=false": 200,
			"prefix=/d/&recursive=true":  400,
			"prefix=/d/&contains=b":      400,
			"prefix=/d":                  400,
			"prefix=/":                   400,
			"prefix=/e/":                 400,
		} {
			if a := b.get(listPath + "?" + query + "&continue=" + token); a.status != status {
				t.Errorf("%s: got %v, want %d", query, a, status)
			}
		}
		for i := range token {
			wrong := token[:i] + string(token[i]^1) + token[i+1:]
			if a := b.get(listPath + "?prefix=/d/&continue=" + wrong); a.status != 400 {
				t.Errorf("%s: got %v", wrong, a)
			}
		}
		// The node that a page ended with may go, and the directory too.
		b.do("DELETE", "/v2/keys/d/a", "")
		if got := keys(b.list("prefix", "/d/", "continue", token).Nodes); !slices.Equal(got, []string{"/d/b", "/d/c"}) {
			t.Errorf("got %q", got)
		}
		b.do("DELETE", "/v2/keys/d?recursive=true", "")
		b.get(listPath+"?prefix=/d/&continue="+token).wantIn(t, 404, `"errorCode":100`)
	})
}

// Who makes a token by hand sees no hidden node with it, and breaks nothing.
func TestATokenLeadsToNothingHidden(t *testing.T) {
	for _, bad := range []string{"", "/", "a/", "/a", "a//b", "../a", "a/..", "_h", "_h/x", "a/_h", "a/_h/x", "b/c/_", strings.Repeat("a/", maxKeyDepth+1) + "a"} {
		for _, recursive := range []bool{false, true} {
			q := &listRequest{prefix: "/d/"}
			q.recursive = recursive
			if after, err := q.after(q.token(bad)); err == nil {
				t.Errorf("%.80q, recursive %t: leads to %.80q", bad, recursive, after)
			}
		}
	}
	q := &listRequest{prefix: "/d/_", options: store.PageOptions{Beginning: "_"}}
	if after, err := q.after(q.token("_h")); err != nil || after != "_h" {
		t.Errorf("hidden names that are asked for: %q, %v", after, err)
	}
	if after, err := q.after(q.token("_h/x")); err == nil {
		t.Errorf("beneath them, not recursive: %q", after)
	}
}

// FuzzContinue: whatever a token is, it leads to a place that the listing
// shows, and is then the token of that place; or it is refused.
func FuzzContinue(f *testing.F) {
	q := &listRequest{prefix: "/d/"}
	q.recursive = true
	for _, after := range []string{"a", "a/b", "\x00\x01\x02", "_h", "..", "ä/ö"} {
		f.Add(q.token(after))
	}
	f.Add("")
	f.Add("AQ")
	f.Add(strings.Repeat("A", maxToken+1))
	f.Fuzz(func(t *testing.T, token string) {
		for _, recursive := range []bool{true, false} {
			q.recursive = recursive
			after, err := q.after(token)
			if err == nil && (q.token(after) != token || after == "" || strings.HasPrefix(after, "_") || strings.Contains(after, "/_")) {
				t.Errorf("%q leads to %q", token, after)
			}
			// A well-made token of any place must be as harmless.
			place, _ := base64.RawURLEncoding.DecodeString(token)
			if after, err := q.after(q.token(string(place))); err == nil && !isClean("/"+after) {
				t.Errorf("a token of %q leads to %q", place, after)
			}
		}
	})
}
